//! Tokens of the recordings, minted when they are sent, and the issuers they are of.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey};
use outbound::{Endpoint, HttpError, HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};
use serde_json::{Map, Value};

/// Where the issuers are.
pub(crate) const ISSUER: &str = "http://issuer.example";

/// The keys and routes of `_keys.json`.
pub(crate) struct Keys(Value);

impl Keys {
    pub(crate) fn load() -> Self {
        let path = testkit::corpus::path("incoming/receivers/_keys.json");
        let text = std::fs::read_to_string(path).unwrap();
        Self(serde_json::from_str(&text.replace("{{issuer}}", ISSUER)).unwrap())
    }

    /// Mints a token as a case describes it.
    pub(crate) fn mint(&self, token: &Value, now: Timestamp) -> String {
        let claims = with_times(&token["claims"], now);
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&token["header"]), encode(&claims));
        let mut signature = self.sign(token, message.as_bytes());
        if let Some(length) = token["sig_truncate"].as_u64() {
            signature.truncate(usize::try_from(length).unwrap());
        }
        if token["corrupt"] == true {
            *signature.last_mut().unwrap() ^= 1;
        }
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn sign(&self, token: &Value, message: &[u8]) -> Vec<u8> {
        let Some(name) = token["key"].as_str() else {
            return Vec::new();
        };
        let pem = self.0["private_keys_pem"][name]
            .as_str()
            .unwrap()
            .as_bytes();
        let algorithm = token["header"]["alg"].as_str().unwrap_or("RS256");
        let algorithm = Algorithm::from_str(algorithm).unwrap_or(Algorithm::RS256);
        let key = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => EncodingKey::from_secret(pem),
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem).unwrap(),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem).unwrap(),
            _ => EncodingKey::from_rsa_pem(pem).unwrap(),
        };
        let signature = jsonwebtoken::crypto::sign(message, &key, algorithm).unwrap();
        URL_SAFE_NO_PAD.decode(signature).unwrap()
    }

    fn route(&self, address: &str) -> Option<(StatusCode, String)> {
        let found = match address.strip_prefix(ISSUER) {
            Some(path) => self.0["issuer_routes"].get(path),
            None => self.0["google_routes"].get(address),
        };
        if found.is_none() && !address.starts_with(ISSUER) {
            return None;
        }
        let Some(found) = found else {
            return Some((StatusCode::NOT_FOUND, "not found".to_owned()));
        };
        let status = u16::try_from(found["status"].as_u64().unwrap()).unwrap();
        let body = match &found["body"] {
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        if status == 302 {
            return self.route(&body);
        }
        Some((StatusCode::from_u16(status).unwrap(), body))
    }
}

impl HttpTransport for Keys {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        _route: &'a Route,
        _options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        let answer = match self.route(request.url.as_str()) {
            None => Err(HttpError::ConnectionLost {
                endpoint: Endpoint::of(&request.url),
            }),
            Some((status, body)) => Ok(HttpResponse {
                status,
                headers: HeaderMap::new(),
                body: Bytes::from(body),
                truncated: false,
            }),
        };
        async move { answer }.boxed()
    }
}

/// Replaces `{{now+N}}` and `{{now-N}}` by numbers.
fn with_times(value: &Value, now: Timestamp) -> Value {
    match value {
        Value::String(text) => {
            if let Some(inner) = text
                .strip_prefix("{{now")
                .and_then(|rest| rest.strip_suffix("}}"))
            {
                let offset: i64 = if inner.is_empty() {
                    0
                } else {
                    inner.parse().unwrap()
                };
                return Value::from(now.as_second() + offset);
            }
            Value::from(text.replace("{{issuer}}", ISSUER))
        }
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| (key.clone(), with_times(value, now)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(list) => list.iter().map(|value| with_times(value, now)).collect(),
        other => other.clone(),
    }
}
