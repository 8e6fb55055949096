//! An assertion signed with an application's certificate.
//!
//! Source: <https://learn.microsoft.com/en-us/entra/identity-platform/certificate-credentials>.

use api::Secret;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::delivery::Failure;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::identity::misconfigured;

/// How long an assertion is good for, in seconds.
const LIFE: i64 = 10 * 60;

/// Clocks differ, by so many seconds.
const CLOCK_SKEW: i64 = 60;

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: i64,
    iss: &'a str,
    jti: &'a str,
    nbf: i64,
    sub: &'a str,
}

/// An assertion of `client` for a token endpoint, from a file in PEM with a certificate and its RSA
/// key.
pub(super) fn assertion(
    pem: &str,
    client: &str,
    endpoint: &Url,
    now: Timestamp,
) -> Result<Secret<String>, Failure> {
    let wrong = |what: &str| misconfigured(format!("AZURE_CLIENT_CERTIFICATE_PATH: {what}"));
    let certificate = block(pem, &["CERTIFICATE"])
        .and_then(contents)
        .ok_or_else(|| wrong("the file holds no certificate in PEM"))?;
    let key = block(pem, &["PRIVATE KEY", "RSA PRIVATE KEY"])
        .and_then(|block| EncodingKey::from_rsa_pem(block.as_bytes()).ok())
        .ok_or_else(|| wrong("the file holds no RSA key in PEM without a password"))?;
    let header = Header {
        x5t_s256: Some(URL_SAFE_NO_PAD.encode(Sha256::digest(certificate))),
        ..Header::new(Algorithm::PS256)
    };
    // Not made of anything secret, and another one at another time.
    let id = Sha256::digest(format!("{client} {endpoint} {}", now.as_nanosecond()));
    let claims = Claims {
        aud: endpoint.as_str(),
        exp: now.as_second() + LIFE,
        iss: client,
        jti: &URL_SAFE_NO_PAD.encode(id),
        nbf: now.as_second() - CLOCK_SKEW,
        sub: client,
    };
    jsonwebtoken::encode(&header, &claims, &key)
        .map(Secret::new)
        .map_err(|_| wrong("the key cannot sign"))
}

/// The first block of a PEM file with one of these labels, its lines included.
fn block<'a>(pem: &'a str, labels: &[&str]) -> Option<&'a str> {
    labels.iter().find_map(|label| {
        let start = pem.find(&format!("-----BEGIN {label}-----"))?;
        let end_line = format!("-----END {label}-----");
        let rest = pem.get(start..)?;
        let end = rest.find(&end_line)?;
        rest.get(..end + end_line.len())
    })
}

/// What a block holds.
fn contents(block: &str) -> Option<Vec<u8>> {
    let lines = block.lines().filter(|line| !line.starts_with("-----"));
    STANDARD
        .decode(lines.map(str::trim).collect::<String>())
        .ok()
}
