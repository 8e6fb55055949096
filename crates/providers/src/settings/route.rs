//! TLS and proxy of a Provider, from its Secrets and its specification.
//!
//! Rules: `providers-common.md` C4.2 and C4.3. Errors name object and key, never a value.

use std::sync::Arc;

use api::{ObjectKey, Secret, SecretData};
use domain::ValidProvider;
use outbound::{Proxy, ProxyUrl, Route, TlsMaterial, TlsPem};

use super::ConfigError;
use super::credentials::{LONGEST_ADDRESS, SecretSet, text};

/// Keys of TLS material: the standard name, then the one that older Secrets use.
const CA: [&str; 2] = ["ca.crt", "caFile"];
const CERTIFICATE: [&str; 2] = ["tls.crt", "certFile"];
const KEY: [&str; 2] = ["tls.key", "keyFile"];

/// How to reach the service.
pub(super) fn resolve(provider: &ValidProvider, secrets: &SecretSet) -> Result<Route, ConfigError> {
    Ok(Route {
        tls: tls(provider, secrets)?.map(Arc::new),
        proxy: proxy(provider, secrets)?,
    })
}

/// `certSecretRef` wins; the types that write commit statuses also look into `secretRef`.
fn tls(provider: &ValidProvider, secrets: &SecretSet) -> Result<Option<TlsMaterial>, ConfigError> {
    if let Some((key, data)) = &secrets.certificate {
        return material(key, data).map(Some);
    }
    match &secrets.main {
        Some((key, data)) if provider.capabilities.commit_status => {
            let has = |names| find(data, names).is_some();
            // Half a pair is no TLS material here, only in a Secret that is there for nothing else.
            if has(CA) || (has(CERTIFICATE) && has(KEY)) {
                material(key, data).map(Some)
            } else {
                Ok(None)
            }
        }
        _ => Ok(None),
    }
}

fn material(key: &ObjectKey, data: &SecretData) -> Result<TlsMaterial, ConfigError> {
    let pem = TlsPem {
        ca: find(data, CA),
        certificate: find(data, CERTIFICATE),
        key: find(data, KEY),
    };
    TlsMaterial::from_pem(pem)
        .map_err(|error| ConfigError::new(format!("TLS material in secret `{key}`: {error}")))
}

fn find<'a>(data: &'a SecretData, names: [&str; 2]) -> Option<&'a [u8]> {
    names
        .into_iter()
        .find_map(|name| data.get(name))
        .map(|value| value.expose().as_slice())
}

/// `proxySecretRef`, then the key `proxy` of `secretRef`, then `spec.proxy`.
fn proxy(provider: &ValidProvider, secrets: &SecretSet) -> Result<Proxy, ConfigError> {
    if let Some((key, data)) = &secrets.proxy {
        return from_proxy_secret(key, data);
    }
    if let Some((key, data)) = &secrets.main
        && let Some(address) = text(key, data, "proxy")?
    {
        return parse(address.expose(), &format!("secret `{key}`: key `proxy`"));
    }
    match &provider.spec.proxy {
        Some(address) => parse(address.trim(), "spec.proxy"),
        None => Ok(Proxy::FromEnvironment),
    }
}

fn from_proxy_secret(key: &ObjectKey, data: &SecretData) -> Result<Proxy, ConfigError> {
    let place = format!("secret `{key}`: key `address`");
    let address = text(key, data, "address")?
        .ok_or_else(|| ConfigError::new(format!("{place} is missing or empty")))?;
    if address.expose().len() > LONGEST_ADDRESS {
        return Err(ConfigError::new(format!(
            "{place} exceeds the maximum length of {LONGEST_ADDRESS} bytes"
        )));
    }
    let proxy = parse(address.expose(), &place)?;
    // A password alone says nothing about whose it is.
    let Some(username) = text(key, data, "username")? else {
        return Ok(proxy);
    };
    let password = text(key, data, "password")?.unwrap_or_else(|| Secret::new(String::new()));
    Ok(match proxy {
        Proxy::Explicit(url) => Proxy::Explicit(url.with_credentials(username, password)),
        Proxy::FromEnvironment => proxy,
    })
}

fn parse(address: &str, place: &str) -> Result<Proxy, ConfigError> {
    ProxyUrl::parse(address)
        .map(Proxy::Explicit)
        .map_err(|error| ConfigError::new(format!("{place} is no proxy URL: {error}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::provider::Progressing;
    use domain::{Capabilities, Family};

    use super::*;

    fn provider(commit_status: bool) -> ValidProvider {
        ValidProvider {
            key: ObjectKey::new("apps", "target"),
            uid: String::new(),
            kind: "some".to_owned(),
            capabilities: Capabilities {
                family: Family::CommitStatus,
                commit_status_updates: commit_status,
                commit_status,
                change_request: false,
                progressing: Progressing::Skipped,
                expires: false,
                skipped_kinds: &[],
            },
            timeout: Duration::from_secs(15),
            commit_status_expression: None,
            spec: Arc::default(),
            version: 0,
        }
    }

    fn loaded(name: &str, entries: &[(&str, &str)]) -> (ObjectKey, Arc<SecretData>) {
        let data = entries.iter().copied().collect();
        (ObjectKey::new("apps", name), Arc::new(data))
    }

    #[test]
    fn only_commit_status_types_look_for_tls_material_among_their_credentials() {
        let authority = testkit::Authority::new().pem;
        let pair = testkit::Authority::new().issue(&["fanfare"]);
        let ca: &str = &authority;
        // Whether there is TLS material, or an error.
        for (entries, expected) in [
            (vec![("ca.crt", ca)], Some(true)),
            (vec![("caFile", ca)], Some(true)),
            (vec![("ca.crt", "garbage")], None),
            (vec![("foo", "bar")], Some(false)),
            (vec![("tls.crt", pair.certificate.as_str())], Some(false)),
            (
                vec![
                    ("tls.crt", pair.certificate.as_str()),
                    ("tls.key", pair.key.as_str()),
                ],
                Some(true),
            ),
        ] {
            let secrets = SecretSet {
                main: Some(loaded("credentials", &entries)),
                ..SecretSet::default()
            };
            let route = resolve(&provider(true), &secrets);
            let keys: Vec<&str> = entries.iter().map(|(key, _)| *key).collect();
            assert_eq!(
                route.map(|route| route.tls.is_some()).ok(),
                expected,
                "{keys:?}"
            );
            let route = resolve(&provider(false), &secrets).unwrap();
            assert!(route.tls.is_none(), "{keys:?}");
        }
    }

    #[test]
    fn the_certificate_secret_wins_over_broken_material_among_credentials() {
        let authority = testkit::Authority::new().pem;
        let secrets = SecretSet {
            main: Some(loaded("credentials", &[("ca.crt", "garbage")])),
            certificate: Some(loaded("tls", &[("ca.crt", &authority)])),
            ..SecretSet::default()
        };
        assert!(resolve(&provider(true), &secrets).unwrap().tls.is_some());
    }
}
