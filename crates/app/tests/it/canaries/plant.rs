//! Providers of every type with a canary in each key of their Secrets, and the trouble they get into.

use std::collections::BTreeSet;
use std::path::Path;

use providers::ProviderKind;
use providers::kind::Protocol;
use serde_json::{Map, Value, json};
use testkit::HttpSink;
use testkit::fixture::Fixture;
use testkit::secrets::marked;
use url::Url;

use super::listener::Listener;

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The destination refuses the credentials and repeats everything it was sent.
    Unauthorized,
    /// It refuses the message likewise.
    BadRequest,
    /// It fails likewise.
    ServerError,
    /// It takes the message and says that it was none, likewise.
    FalseSuccess,
    /// It redirects to an address with all of that in it.
    Redirect,
    /// Nobody listens there.
    Refused,
    /// There is no such host.
    UnknownHost,
    /// The proxy refuses, and repeats what it was sent.
    Proxy,
    /// The client certificate and its key are none.
    Certificate,
    /// Every key of the Secret holds something of the wrong form.
    Garbage,
    /// The GitHub App's key is none.
    App,
}

impl Trouble {
    pub(crate) const ALL: [Self; 11] = [
        Self::Unauthorized,
        Self::BadRequest,
        Self::ServerError,
        Self::FalseSuccess,
        Self::Redirect,
        Self::Refused,
        Self::UnknownHost,
        Self::Proxy,
        Self::Certificate,
        Self::Garbage,
        Self::App,
    ];

    fn word(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// Where Providers are pointed at.
pub(crate) struct Places {
    pub(crate) unauthorized: HttpSink,
    pub(crate) bad_request: HttpSink,
    pub(crate) server_error: HttpSink,
    pub(crate) false_success: HttpSink,
    pub(crate) redirect: HttpSink,
    /// Speaks lines.
    pub(crate) listener: Listener,
}

impl Places {
    fn of(&self, trouble: Trouble) -> &HttpSink {
        match trouble {
            Trouble::BadRequest => &self.bad_request,
            Trouble::ServerError => &self.server_error,
            Trouble::FalseSuccess => &self.false_success,
            Trouble::Redirect => &self.redirect,
            _ => &self.unauthorized,
        }
    }
}

/// Every type with every trouble: Provider, Secrets and Alert of each, in a namespace.
pub(crate) fn everything(places: &Places, namespace: &str, round: &str) -> Vec<Vec<Value>> {
    providers::kinds::ALL
        .iter()
        .flat_map(|kind| {
            Trouble::ALL.map(|trouble| planted(kind, trouble, places, namespace, round))
        })
        .collect()
}

/// One type with one trouble.
pub(crate) fn planted(
    kind: &ProviderKind,
    trouble: Trouble,
    places: &Places,
    namespace: &str,
    round: &str,
) -> Vec<Value> {
    let fixture = fixture(kind.name);
    let name = format!("{}-{}", kind.name, trouble.word());
    let mark = |key: &str| marked(&format!("{name}{key}{round}"));
    let mut spec = fixture.objects[0]["spec"].clone();
    let in_secret = fixture.objects.get(1).map(|secret| &secret["stringData"]);
    let of_fixture = |key: &str| in_secret.and_then(|data| data[key].as_str());

    let mut data = Map::new();
    for key in keys(kind, in_secret) {
        // An App takes over from a token, and its key is nothing a real one.
        if key.starts_with("githubApp") != (trouble == Trouble::App) && key != "address" {
            continue;
        }
        let value = match (key.as_str(), of_fixture(&key)) {
            _ if trouble == Trouble::Garbage => garbage(&key, &mark(&key)),
            ("address", _) => continue,
            ("token", Some(token)) if token.starts_with('{') => {
                let mut members: Value = serde_json::from_str(token).unwrap();
                for member in ["client_secret", "refresh_token"] {
                    members[member] = json!(mark(member));
                }
                members.to_string()
            }
            ("token", Some(token)) if token.contains(':') => format!("123456:{}", mark(&key)),
            ("headers", _) => format!("X-Api-Key: {}\n", mark(&key)),
            ("githubAppPrivateKey", _) => broken_pem(&mark(&key)),
            _ => mark(&key),
        };
        data.insert(key, json!(value));
    }
    if trouble != Trouble::Garbage {
        let given = of_fixture("address").or(spec["address"].as_str());
        let address = address(kind, given.unwrap_or_default(), trouble, places, &mark);
        // In the open for one half of the troubles, where people put tokens, too.
        if matches!(trouble, Trouble::Refused | Trouble::BadRequest) {
            spec["address"] = json!(address);
            data.remove("address");
        } else {
            data.insert("address".to_owned(), json!(address));
        }
    }
    data.insert("unused".to_owned(), json!(mark("unused")));

    spec["secretRef"] = json!({"name": name});
    let mut objects = vec![secret(namespace, &name, &data)];
    if trouble == Trouble::Certificate {
        let certificate = format!("{name}-tls");
        let broken = broken_pem(&mark("key"));
        let data = json!({"tls.crt": broken, "tls.key": broken, "ca.crt": broken});
        objects.push(secret(namespace, &certificate, data.as_object().unwrap()));
        spec["certSecretRef"] = json!({"name": certificate});
    }
    if trouble == Trouble::Proxy {
        let proxy = format!("{name}-proxy");
        let data = json!({
            "address": places.unauthorized.url(""),
            "username": mark("proxyusername"),
            "password": mark("proxypassword"),
        });
        objects.push(secret(namespace, &proxy, data.as_object().unwrap()));
        spec["proxySecretRef"] = json!({"name": proxy});
    }
    let version = "notification.toolkit.fluxcd.io/v1beta3";
    let metadata = json!({"name": name, "namespace": namespace});
    objects.push(json!({
        "apiVersion": version, "kind": "Provider", "metadata": metadata, "spec": spec,
    }));
    objects.push(json!({
        "apiVersion": version, "kind": "Alert", "metadata": metadata,
        "spec": {
            "providerRef": {"name": name},
            "eventSources": [{"kind": "Kustomization", "name": "*"}],
        },
    }));
    objects
}

fn fixture(kind: &str) -> Fixture {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../providers/fixtures");
    Fixture::load(&fixtures.join(kind).join("delivered"))
}

/// The keys that the type's page names, and those of its fixture: a new type and a new key come along
/// by themselves.
fn keys(kind: &ProviderKind, in_secret: Option<&Value>) -> BTreeSet<String> {
    let rows = kind.page.lines().filter_map(|line| {
        let (field, usage) = line.trim().strip_prefix('|')?.split_once('|')?;
        Some((field.trim(), usage))
    });
    let mut keys = BTreeSet::new();
    for (field, usage) in rows {
        if let Some((_, named)) = field.split_once("Secret ") {
            let named = named.split('`').skip(1).step_by(2);
            keys.extend(named.map(str::to_owned));
        } else if field == "`address`" && usage.contains("in the Secret") {
            keys.insert("address".to_owned());
        }
    }
    let of_fixture = in_secret.and_then(Value::as_object).into_iter().flatten();
    keys.extend(of_fixture.map(|(key, _)| key.clone()));
    assert!(!keys.is_empty(), "the page of {} names no key", kind.name);
    keys
}

/// An address like the given one that leads into the trouble, with canaries where it may hold some.
fn address(
    kind: &ProviderKind,
    given: &str,
    trouble: Trouble,
    places: &Places,
    mark: &dyn Fn(&str) -> String,
) -> String {
    if let Some((before, rest)) = given.split_once("SharedAccessKey=") {
        let after = rest.split_once(';').map_or("", |(_, after)| after);
        return format!("{before}SharedAccessKey={};{after}", mark("accesskey"));
    }
    let Ok(mut url) = Url::parse(given) else {
        // A name, such as that of a project.
        return given.to_owned();
    };
    let is_http = kind.protocol == Protocol::Http;
    let target = if is_http {
        Url::parse(&places.of(trouble).url("")).unwrap()
    } else {
        Url::parse(&format!("x://{}", places.listener.address())).unwrap()
    };
    match trouble {
        // A proxy is asked for a host that it alone might know.
        Trouble::UnknownHost | Trouble::Proxy => url.set_host(Some("nobody.invalid")).unwrap(),
        _ => {
            if is_http {
                // It may not be possible for other schemes.
                let _ = url.set_scheme("http");
            }
            url.set_host(target.host_str()).unwrap();
            let port = if trouble == Trouble::Refused {
                Some(1)
            } else {
                target.port()
            };
            url.set_port(port).unwrap();
        }
    }
    if is_http {
        url.query_pairs_mut().append_pair("sig", &mark("query"));
    }
    if !is_http || trouble == Trouble::Refused {
        url.set_username(&mark("username")).unwrap();
        url.set_password(Some(&mark("userinfo"))).unwrap();
    }
    url.into()
}

/// The wrong form for a key, with the canary in it.
fn garbage(key: &str, mark: &str) -> String {
    match key {
        "address" => format!("http s://{mark} nowhere/{mark}?{mark}"),
        "headers" => format!("- {mark}\n: {mark}"),
        "token" => format!("{{\"private_key\": \"{mark}\", {mark}"),
        "creds" => format!("-----BEGIN NATS USER JWT-----\n{mark}\n------END"),
        _ => format!("\u{1}{mark}\r\n{mark}"),
    }
}

fn broken_pem(mark: &str) -> String {
    format!("-----BEGIN RSA PRIVATE KEY-----\n{mark}\n-----END RSA PRIVATE KEY-----\n")
}

pub(crate) fn secret(namespace: &str, name: &str, data: &Map<String, Value>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": data,
    })
}
