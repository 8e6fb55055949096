//! The Secrets of a Provider, read when an attempt starts, and what is made of their keys.
//!
//! Rules: `providers-common.md` C4.1. Each key is read by itself, so that a broken one never takes
//! the others with it. Errors name object and key, never a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{ObjectKey, Secret, SecretData};
use domain::delivery::{Failure, FailureClass};
use domain::ports::{SecretError, SecretReader};
use domain::{Family, ValidProvider};
use outbound::Redactor;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::Url;

use super::{ConfigError, ProviderSettings, headers, route};

/// The longest address, in bytes, as stored.
pub(super) const LONGEST_ADDRESS: usize = 2048;

/// Keys whose values are public by nature.
const PUBLIC_KEYS: [&str; 4] = ["ca.crt", "caFile", "tls.crt", "certFile"];

type Loaded = (ObjectKey, Arc<SecretData>);

/// Without an answer the next try may work; everything else waits for somebody to change something.
fn not_read(error: &SecretError) -> Failure {
    let class = if error.is_temporary {
        FailureClass::Unreachable
    } else {
        FailureClass::Misconfigured
    };
    Failure::new(class, error.to_string())
}

/// The Secrets that a Provider names, as they are now.
#[derive(Debug, Default)]
pub(crate) struct SecretSet {
    /// `spec.secretRef`.
    pub(super) main: Option<Loaded>,
    /// `spec.certSecretRef`.
    pub(super) certificate: Option<Loaded>,
    /// `spec.proxySecretRef`.
    pub(super) proxy: Option<Loaded>,
    pub(super) versions: [Option<String>; 3],
}

impl SecretSet {
    /// Reads all of them; a missing one is a failure.
    pub(crate) async fn read(
        provider: &ValidProvider,
        reader: &dyn SecretReader,
    ) -> Result<Self, Failure> {
        let mut set = Self::default();
        let spec = &provider.spec;
        let [main, certificate, proxy] = &mut set.versions;
        let load = async |name: &Option<String>, field: &str, version: &mut Option<String>| {
            let Some(name) = name else { return Ok(None) };
            let key = ObjectKey::new(&provider.key.namespace, name);
            let found = reader.read(&key).await;
            let found = found.map_err(|error| not_read(&error))?;
            let found = found.ok_or_else(|| {
                let text = format!(
                    "secret `{key}`, which {field} of provider `{}` names, does not exist",
                    provider.key
                );
                Failure::new(FailureClass::Misconfigured, text)
            })?;
            *version = Some(found.version);
            Ok(Some((key, found.data)))
        };
        set.main = load(&spec.secret, "spec.secretRef", main).await?;
        set.certificate = load(&spec.certificate_secret, "spec.certSecretRef", certificate).await?;
        set.proxy = load(&spec.proxy_secret, "spec.proxySecretRef", proxy).await?;
        Ok(set)
    }

    /// What changes whenever one of the Secrets changes.
    pub(crate) fn versions(&self) -> &[Option<String>; 3] {
        &self.versions
    }

    /// A redactor that knows every secret value, and the secret parts of addresses.
    pub(crate) fn redactor(&self, provider: &ValidProvider) -> Redactor {
        let mut redactor = Redactor::new();
        let spec = &provider.spec;
        for address in [Some(&spec.address), spec.proxy.as_ref()]
            .into_iter()
            .flatten()
        {
            hide_address(&mut redactor, address);
        }
        for (_, data) in [&self.main, &self.certificate, &self.proxy]
            .into_iter()
            .flatten()
        {
            for (key, value) in data.iter() {
                if PUBLIC_KEYS.contains(&key) {
                    continue;
                }
                redactor.hide(value.expose());
                let Ok(text) = std::str::from_utf8(value.expose()) else {
                    continue;
                };
                match key {
                    "token" => {
                        hide_members(&mut redactor, text);
                        // Of a pair, such as `user:password` or a bot's id and key, the second half
                        // too.
                        if let Some((_, half)) = text.trim().split_once(':') {
                            redactor.hide(half.as_bytes());
                        }
                    }
                    "address" | "proxy" => hide_address(&mut redactor, text),
                    "headers" => {
                        for value in headers::parse(text).unwrap_or_default().values() {
                            hide_header(&mut redactor, value.expose());
                        }
                    }
                    _ => {}
                }
            }
        }
        redactor
    }

    /// Everything a notifier is built from.
    pub(crate) fn resolve(
        &self,
        provider: &Arc<ValidProvider>,
    ) -> Result<ProviderSettings, ConfigError> {
        let mut settings = ProviderSettings {
            provider: Arc::clone(provider),
            address: Secret::new(provider.spec.address.trim().to_owned()),
            token: None,
            username: provider.spec.username.clone(),
            password: None,
            headers: Arc::default(),
            secret: Arc::default(),
            route: route::resolve(provider, self)?,
        };
        if let Some((key, data)) = &self.main {
            if let Some(address) = address(key, data)? {
                settings.address = address;
            }
            settings.token = match text(key, data, "token") {
                // Forwarding types sign with the raw bytes, which need not be text.
                Err(_) if provider.capabilities.family == Family::Forward => None,
                token => token?,
            };
            settings.password = text(key, data, "password")?;
            // A user name counts only together with its password.
            if settings.password.is_some()
                && let Some(username) = text(key, data, "username")?
            {
                settings.username.clone_from(username.expose());
            }
            settings.headers = Arc::new(header_map(key, data)?);
            settings.secret = Arc::clone(data);
        }
        Ok(settings)
    }
}

/// A key as trimmed text; `None` if it is absent or empty.
pub(super) fn text(
    key: &ObjectKey,
    data: &SecretData,
    name: &str,
) -> Result<Option<Secret<String>>, ConfigError> {
    let Some(value) = data.get(name) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value.expose()).map_err(|_| {
        ConfigError::new(format!("secret `{key}`: key `{name}` is no text in UTF-8"))
    })?;
    let text = text.trim();
    Ok((!text.is_empty()).then(|| Secret::new(text.to_owned())))
}

fn address(key: &ObjectKey, data: &SecretData) -> Result<Option<Secret<String>>, ConfigError> {
    // Measured as stored, as in the reference.
    let stored = data.get("address").map_or(0, |value| value.expose().len());
    if stored > LONGEST_ADDRESS {
        return Err(ConfigError::new(format!(
            "secret `{key}`: key `address` exceeds the maximum length of {LONGEST_ADDRESS} bytes"
        )));
    }
    text(key, data, "address")
}

fn header_map(
    key: &ObjectKey,
    data: &SecretData,
) -> Result<BTreeMap<String, Secret<String>>, ConfigError> {
    let Some(yaml) = text(key, data, "headers")? else {
        return Ok(BTreeMap::new());
    };
    headers::parse(yaml.expose())
        .map_err(|problem| ConfigError::new(format!("secret `{key}`: key `headers` {problem}")))
}

/// Hides what may be secret in an address: of a URL its path, query and user information; of
/// anything else, such as a connection string, the values of its parts.
fn hide_address(redactor: &mut Redactor, address: &str) {
    let address = address.trim();
    // Some types take a list of addresses.
    for address in std::iter::once(address).chain(address.split(',')) {
        let address = address.trim();
        let parsed = if address.contains("://") {
            Url::parse(address)
        } else {
            Url::parse(&format!("any://{address}"))
        };
        if let Ok(url) = parsed {
            redactor.hide_url(&url);
        }
    }
    for part in address.split(';') {
        if let Some((name, value)) = part.split_once('=')
            && name.to_ascii_lowercase().contains("key")
        {
            redactor.hide(value.as_bytes());
        }
    }
}

/// Hides the secret members of JSON credentials, such as a private key.
fn hide_members(redactor: &mut Redactor, text: &str) {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else {
        return;
    };
    for (name, value) in &members {
        let is_secret = ["key", "secret", "token"]
            .iter()
            .any(|word| name.contains(word));
        let is_public = ["_id", "_type", "_uri", "_url"]
            .iter()
            .any(|end| name.ends_with(end));
        if let (true, false, Some(value)) = (is_secret, is_public, value.as_str()) {
            redactor.hide(value.as_bytes());
        }
    }
}

/// Hides a header's value, and by itself what follows a scheme such as `Bearer`.
pub(crate) fn hide_header(redactor: &mut Redactor, value: &str) {
    redactor.hide(value.as_bytes());
    if let Some((_, credential)) = value.split_once(' ') {
        redactor.hide(credential.trim().as_bytes());
        // A shared access signature is one part of several.
        let parts = credential.split('&');
        for signature in parts.filter_map(|part| part.strip_prefix("sig=")) {
            redactor.hide(&percent_decode_str(signature).collect::<Vec<u8>>());
        }
    }
}
