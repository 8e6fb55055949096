//! Tokens that Google signs for push subscriptions of Pub/Sub (`receivers.md` section 4.5).

use api::SecretData;
use http::HeaderMap;
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use serde_json::Value;

use crate::oidc::{KeySource, KeyStore, Token, bearer, claims};
use crate::rejection::Rejection;

/// Keys of Google accounts.
const ACCOUNTS: KeySource = KeySource::Fixed(
    "https://www.googleapis.com/oauth2/v3/certs",
    Algorithm::RS256,
);
/// Keys of Google's identity-aware proxy.
const PROXY: KeySource = KeySource::Fixed(
    "https://www.gstatic.com/iap/verify/public_key-jwk",
    Algorithm::ES256,
);
const ISSUERS: [&str; 2] = ["accounts.google.com", "https://accounts.google.com"];

/// The token, with everything checked but its signature.
pub(crate) fn claimed(
    headers: &HeaderMap,
    secret: &SecretData,
    now: Timestamp,
) -> Result<Token, Rejection> {
    let wanted = |name: &'static str| {
        let value = secret.get(name).map(|value| value.expose().as_slice());
        value
            .filter(|value| !value.is_empty())
            .ok_or(Rejection::Secret(name))
    };
    let (email, audience) = (wanted("email")?, wanted("audience")?);
    let token = Token::parse(bearer(headers)?)?;
    let text = |name: &str| token.claim(name).and_then(Value::as_str);
    if text("aud").map(str::as_bytes) != Some(audience) {
        return Err(claims("it is for another audience"));
    }
    match token.claim("exp").and_then(Value::as_f64) {
        Some(expiry) if now.as_duration().as_secs_f64().floor() <= expiry => {}
        _ => return Err(claims("it has expired")),
    }
    if !text("iss").is_some_and(|issuer| ISSUERS.contains(&issuer)) {
        return Err(claims("it is of another issuer"));
    }
    if text("email").map(str::as_bytes) != Some(email) {
        return Err(claims("it is of another account"));
    }
    if token.claim("email_verified") != Some(&Value::Bool(true)) {
        return Err(claims("its account is not verified"));
    }
    // Google names the key in every token.
    if token.key_id().is_none() {
        return Err(Rejection::Malformed);
    }
    Ok(token)
}

/// Verifies the signature.
pub(crate) async fn verify(token: &Token, keys: &KeyStore) -> Result<(), Rejection> {
    let source = match token.algorithm() {
        "RS256" => ACCOUNTS,
        "ES256" => PROXY,
        _ => return Err(Rejection::Algorithm),
    };
    keys.keys(&source, token.key_id()).await?.verify(token)
}
