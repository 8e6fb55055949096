//! The Secret of a Provider: the type's name on the first line, then keys and values, each on a line
//! of its own that ends with a zero byte.

use serde_json::{Map, json};
use testkit::secrets::marked;

use super::{Target, first_line};
use crate::bench::{Answer, CASES, attempt, event};

pub(super) const TARGET: Target = Target {
    name: "secret",
    seeds: secrets,
    words: &[
        "address\0",
        "token\0",
        "password\0",
        "username\0",
        "headers\0",
        "proxy\0",
        "ca.crt\0",
        "tls.crt\0",
        "tls.key\0",
        "githubAppID\0",
        "githubAppPrivateKey\0",
        "githubAppInstallationID\0",
        "githubAppBaseURL\0",
        "creds\0",
        "nkey\0",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "-----END CERTIFICATE-----",
        "https://",
        "http://user:MARKEDSECRETuser04@host/",
        "Endpoint=sb://",
        ";SharedAccessKey=",
        "{\"type\":\"service_account\",",
        "\"private_key\":\"",
        "{\"type\":\"external_account\",",
        ": ",
        "- ",
        "MARKEDSECRETother05",
        "\r\n",
        "\0",
    ],
    run,
};

fn secrets() -> Vec<Vec<u8>> {
    let mark = marked("value");
    let account = format!(
        "{{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key\":\"-----BEGIN PRIVATE KEY-----\\n{mark}\\n-----END PRIVATE KEY-----\\n\",\"token_uri\":\"https://oauth2.googleapis.com/token\"}}"
    );
    let values = [
        format!("address\0https://user:{mark}@example.com/{mark}?key={mark}\0token\0{mark}\0"),
        format!("token\0octo:{mark}\0headers\0X-Key: {mark}\nAuthorization: Bearer {mark}\0"),
        format!(
            "username\0{mark}\0password\0{mark}\0proxy\0http://a:{mark}@proxy.example.com:3128\0"
        ),
        format!("token\0{account}\0"),
        format!(
            "githubAppID\01\0githubAppInstallationID\02\0githubAppPrivateKey\0-----BEGIN RSA PRIVATE KEY-----\n{mark}\n-----END RSA PRIVATE KEY-----\0githubAppBaseURL\0https://{mark}.example.com\0"
        ),
        format!("tls.crt\0{mark}\0tls.key\0{mark}\0ca.crt\0{mark}\0token\0{mark}\0"),
        format!(
            "address\0Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey={mark};EntityPath=e\0"
        ),
        format!(
            "creds\0-----BEGIN NATS USER JWT-----\n{mark}\n------END NATS USER JWT------\0nkey\0SU{mark}\0"
        ),
    ];
    providers::kinds::ALL
        .iter()
        .flat_map(|kind| {
            let name = kind.name;
            values
                .iter()
                .map(move |value| format!("{name}\n{value}").into_bytes())
        })
        .collect()
}

/// Whatever is in a Secret, what is said about it does not repeat it.
fn run(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let (kind, rest) = first_line(&text);
    let Some(case) = CASES.get(kind) else {
        return Ok(());
    };
    let mut data = Map::new();
    let mut parts = rest.split('\0');
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        data.insert(key.to_owned(), json!(value));
    }
    let Some(provider) = case
        .objects
        .iter()
        .find(|object| object["kind"] == "Provider")
    else {
        return Ok(());
    };
    let mut provider = provider.clone();
    let namespace = provider["metadata"]["namespace"].clone();
    for reference in ["secretRef", "certSecretRef", "proxySecretRef"] {
        provider["spec"][reference] = json!({"name": "made-up"});
    }
    // A certificate or a proxy that is wrong would hide everything else.
    let has = |part: &str| data.keys().any(|key| key.contains(part));
    let spec = provider["spec"].as_object_mut().ok_or("no spec")?;
    if !has("tls") && !has("ca.crt") {
        spec.remove("certSecretRef");
    }
    if !has("proxy") {
        spec.remove("proxySecretRef");
    }
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "made-up", "namespace": namespace},
        "stringData": data,
    });
    let Some(event) = event(case.event.to_string().as_bytes()) else {
        return Ok(());
    };
    let answer = Answer {
        status: http::StatusCode::UNAUTHORIZED,
        ..Answer::default()
    };
    attempt(&[provider, secret], &event, answer).map(drop)
}
