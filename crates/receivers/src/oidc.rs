//! Tokens of OIDC issuers: who signed them, for whom, until when, and what they claim.
//!
//! No claim is trusted before the signature is verified, and no issuer is asked for anything before
//! the token names one that is configured, its audience, and a time that has not passed.

pub mod keys;
pub mod token;

use domain::receiver::Issuer;
use expr::cel::Budget;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde_json::Value;

use crate::call::header;
use crate::rejection::Rejection;

pub use keys::{KeySource, KeyStore};
pub use token::Token;

/// How far ahead `nbf` may be: clocks differ.
const CLOCK_DIFFERENCE: f64 = 300.0;

/// The text behind `Bearer `.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Rejection> {
    header(headers, AUTHORIZATION.as_str())
        .and_then(|text| text.strip_prefix("Bearer "))
        .ok_or(Rejection::Missing)
}

/// The token and the issuer it is of, before anything is verified.
pub(crate) fn claimed<'a>(
    headers: &HeaderMap,
    issuers: &'a [Issuer],
    now: Timestamp,
) -> Result<(Token, &'a Issuer), Rejection> {
    let text = bearer(headers)?.trim();
    let token = Token::parse(text)?;
    let url = token
        .claim("iss")
        .and_then(Value::as_str)
        .filter(|url| !url.is_empty())
        .ok_or(Rejection::Malformed)?;
    let issuer = issuers
        .iter()
        .find(|issuer| issuer.url == url)
        .ok_or_else(|| claims("no such issuer is configured"))?;
    check_audience(&token, &issuer.audience)?;
    check_time(&token, now)?;
    Ok((token, issuer))
}

/// Verifies a token's signature and conditions; answers its claims.
pub(crate) async fn verify(
    token: Token,
    issuer: &Issuer,
    keys: &KeyStore,
) -> Result<Value, Rejection> {
    let source = KeySource::Issuer(issuer.url.clone());
    let found = keys.keys(&source, token.key_id()).await?;
    found.verify(&token)?;
    let claimed = token.into_claims();
    issuer
        .check(&claimed, Budget::default())
        .map_err(|error| Rejection::Claims(error.to_string()))?;
    Ok(claimed)
}

fn check_audience(token: &Token, wanted: &str) -> Result<(), Rejection> {
    let is_meant = match token.claim("aud") {
        Some(Value::String(audience)) => audience == wanted,
        Some(Value::Array(audiences)) => audiences
            .iter()
            .any(|audience| audience.as_str() == Some(wanted)),
        _ => false,
    };
    if is_meant {
        Ok(())
    } else {
        Err(claims("it is for another audience"))
    }
}

/// Checks `exp`, which must be there, and `nbf`, which may be.
pub(crate) fn check_time(token: &Token, now: Timestamp) -> Result<(), Rejection> {
    let now = now.as_duration().as_secs_f64();
    match token.claim("exp").and_then(Value::as_f64) {
        Some(expiry) if now <= expiry => {}
        Some(_) => return Err(claims("it has expired")),
        None => return Err(claims("it does not say when it expires")),
    }
    match token.claim("nbf") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Number(start))
            if start
                .as_f64()
                .is_some_and(|start| start <= now + CLOCK_DIFFERENCE) =>
        {
            Ok(())
        }
        Some(_) => Err(claims("it is not valid yet")),
    }
}

pub(crate) fn claims(words: &str) -> Rejection {
    Rejection::Claims(words.to_owned())
}
