//! How often issuers are asked, and what is believed when they cannot be.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ports::Clock;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use testkit::{ScriptedResponse, ScriptedTransport};

use crate::support::{Outside, Setting, call};

const ISSUER: &str = "https://issuer.example";

fn keys() -> Value {
    let path = testkit::corpus::path("incoming/receivers/_keys.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn answer(path: &str, body: Value) -> ScriptedResponse {
    ScriptedResponse {
        path: Some(path.to_owned()),
        body: Some(body),
        ..ScriptedResponse::default()
    }
}

fn setting(more: Vec<ScriptedResponse>) -> (Setting, Arc<ScriptedTransport>) {
    let spec = json!({"type": "generic-oidc", "resources": [], "oidcProviders": [
        {"issuerURL": ISSUER, "audience": "fanfare",
         "validations": [{"expression": "claims.sub == 'ci'", "message": "not ci"}]}]});
    let mut script = vec![
        answer(
            "/.well-known/openid-configuration",
            json!({"issuer": ISSUER, "jwks_uri": "https://issuer.example/keys"}),
        ),
        answer("/keys", keys()["issuer_routes"]["/a/keys"]["body"].clone()),
    ];
    script.extend(more);
    let transport = Arc::new(ScriptedTransport::new(Arc::default(), script));
    let setting = Setting::with(&spec, Outside::default(), transport.clone());
    (setting, transport)
}

fn token(setting: &Setting, changes: &[(&str, Value)], key_id: &str) -> String {
    let now = setting.clock.now().as_second();
    let mut claims = json!({"iss": ISSUER, "aud": "fanfare", "sub": "ci", "exp": now + 600});
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "RS256", "kid": key_id});
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let pem = keys()["private_keys_pem"]["k1"]
        .as_str()
        .unwrap()
        .to_owned();
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::RS256).unwrap();
    format!("Bearer {message}.{signature}")
}

async fn show(setting: &Setting, token: &str) -> u16 {
    setting.call(call(&[("authorization", token)], "{}")).await
}

#[tokio::test]
async fn keys_are_fetched_once_for_many_calls() {
    let (setting, transport) = setting(Vec::new());
    for _ in 0..20 {
        let token = token(&setting, &[], "k1");
        assert_eq!(show(&setting, &token).await, 200);
    }
    assert_eq!(transport.sent().len(), 2);
    setting.clock.advance(Duration::from_hours(2));
    let token = token(&setting, &[], "k1");
    assert_eq!(show(&setting, &token).await, 200);
    assert_eq!(transport.sent().len(), 4);
}

/// T51.
#[tokio::test]
async fn no_issuer_is_asked_because_of_a_token_that_is_not_for_us() {
    let (setting, transport) = setting(Vec::new());
    let now = setting.clock.now().as_second();
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!("https://issuer.example/")),
        ("aud", json!("somebody-else")),
        ("aud", Value::Null),
        ("exp", json!(now - 1)),
        ("exp", Value::Null),
        ("exp", json!("soon")),
        ("nbf", json!(now + 3600)),
    ] {
        let token = token(&setting, &[(name, value.clone())], "k1");
        assert_eq!(show(&setting, &token).await, 400, "{name}: {value}");
    }
    for text in ["", "Bearer", "Bearer x", "Bearer a.b.c", "Basic eDp5"] {
        assert_eq!(show(&setting, text).await, 400, "{text}");
    }
    assert_eq!(transport.sent().len(), 0);
}

#[tokio::test]
async fn unknown_keys_ask_again_now_and_then_only() {
    let (setting, transport) = setting(Vec::new());
    let good = token(&setting, &[], "k1");
    assert_eq!(show(&setting, &good).await, 200);
    for number in 0..50 {
        let token = token(&setting, &[], &format!("made-up-{number}"));
        assert_eq!(show(&setting, &token).await, 400);
    }
    assert_eq!(transport.sent().len(), 2);
    setting.clock.advance(Duration::from_secs(31));
    for number in 0..50 {
        let token = token(&setting, &[], &format!("made-up-{number}"));
        assert_eq!(show(&setting, &token).await, 400);
    }
    assert_eq!(transport.sent().len(), 4);
}

#[tokio::test]
async fn known_keys_count_while_the_issuer_is_away() {
    let away = ScriptedResponse {
        path: Some("/.well-known/openid-configuration".to_owned()),
        status: Some(503),
        ..ScriptedResponse::default()
    };
    let (setting, transport) = setting(vec![away]);
    let first = token(&setting, &[], "k1");
    assert_eq!(show(&setting, &first).await, 200);
    setting.clock.advance(Duration::from_hours(3));
    for _ in 0..10 {
        let token = token(&setting, &[], "k1");
        assert_eq!(show(&setting, &token).await, 200);
    }
    assert_eq!(transport.sent().len(), 3, "and it is asked once in a while");
    setting.clock.advance(Duration::from_hours(24));
    let token = token(&setting, &[], "k1");
    assert_eq!(show(&setting, &token).await, 400, "but not for ever");
}

#[tokio::test]
async fn conditions_on_claims_are_checked_after_the_signature() {
    let (setting, _) = setting(Vec::new());
    let other = token(&setting, &[("sub", json!("somebody"))], "k1");
    assert_eq!(show(&setting, &other).await, 400);
    let mut forged = token(&setting, &[], "k1");
    forged.truncate(forged.len() - 4);
    assert_eq!(show(&setting, &forged).await, 400);
}
