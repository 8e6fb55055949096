//! A token, and what its issuer answers when asked for its keys: the first line is the token.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use outbound::{HttpError, HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};
use receivers::oidc::{KeySource, KeyStore, Token};
use testkit::MovableClock;

use super::{Target, first_line};
use crate::features::feature;

pub(super) const TARGET: Target = Target {
    name: "oidc",
    seeds: || {
        let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2kiLCJhdWQiOlsiYSJdLCJleHAiOjk5OTk5OTk5OTl9.AAAA";
        let keys = r#"{"issuer":"https://issuer.example.com","jwks_uri":"https://issuer.example.com/keys","id_token_signing_alg_values_supported":["RS256","ES256"],"keys":[{"kty":"RSA","kid":"k1","use":"sig","alg":"RS256","n":"sXchXzc","e":"AQAB"},{"kty":"EC","crv":"P-256","kid":"k2","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
        vec![
            format!("{token}\n{keys}").into_bytes(),
            format!("Bearer {token}\n{{}}").into_bytes(),
        ]
    },
    words: &[
        "eyJ",
        "e30",
        ".",
        "=",
        "-",
        "_",
        "\"keys\":[",
        "\"kty\":\"OKP\"",
        "\"crv\":\"Ed25519\"",
        "\"alg\":\"none\"",
        "\"alg\":\"HS256\"",
        "\"kty\":\"oct\",\"k\":\"\"",
        "\"n\":\"\"",
        "\"e\":\"\"",
        "\"jwks_uri\":\"file:///etc/passwd\"",
        "\"issuer\":",
        "null",
        "\n",
    ],
    run,
};

/// Nobody gets through with a signature that was not made with a key, and nothing panics.
fn run(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let (token, answer) = first_line(&text);
    let token = match Token::parse(token) {
        Ok(token) => token,
        Err(rejection) => {
            feature(&format!("{rejection:?}"));
            return Ok(());
        }
    };
    let transport = Arc::new(Issuer(Bytes::copy_from_slice(answer.as_bytes())));
    let store = KeyStore::new(transport, Arc::new(MovableClock::default()));
    let source = KeySource::Issuer("https://issuer.example.com".to_owned());
    let keys = futures::executor::block_on(store.keys(&source, token.key_id()));
    let verified = keys.and_then(|keys| keys.verify(&token));
    match verified {
        Ok(()) => Err("a made-up signature was taken for a genuine one".to_owned()),
        Err(rejection) => {
            feature(&format!("{rejection:?}"));
            Ok(())
        }
    }
}

struct Issuer(Bytes);

impl HttpTransport for Issuer {
    fn send<'a>(
        &'a self,
        _: HttpRequest,
        _: &'a Route,
        _: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        let body = self.0.clone();
        Box::pin(async move {
            Ok(HttpResponse {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                body,
                truncated: false,
            })
        })
    }
}
