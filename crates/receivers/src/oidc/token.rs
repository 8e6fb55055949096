//! A signed token (JWS in compact form), taken apart and not trusted.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::json;
use crate::rejection::Rejection;

/// Longest token; those of CI systems have two to four thousand bytes.
const LONGEST: usize = 16 << 10;

/// As Go decodes: no padding, and bits behind the last byte do not matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// A token whose signature was not verified yet.
pub struct Token {
    header: Value,
    claims: Value,
    message: String,
    signature: String,
}

impl Token {
    /// Takes a token apart: three segments, header and claims JSON objects.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        if text.len() > LONGEST {
            return Err(Rejection::Malformed);
        }
        let mut segments = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) = (
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        ) else {
            return Err(Rejection::Malformed);
        };
        let object = |segment: &str| {
            let bytes = BASE64.decode(segment).ok()?;
            json::whole(&bytes).ok().filter(Value::is_object)
        };
        Ok(Self {
            header: object(header).ok_or(Rejection::Malformed)?,
            claims: object(claims).ok_or(Rejection::Malformed)?,
            message: format!("{header}.{claims}"),
            signature: signature.to_owned(),
        })
    }

    /// A claim.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// The signature's algorithm by its registered name.
    pub fn algorithm(&self) -> &str {
        self.header
            .get("alg")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The id of the key, if the token names one.
    pub fn key_id(&self) -> Option<&str> {
        let id = self.header.get("kid").and_then(Value::as_str);
        id.filter(|id| !id.is_empty())
    }

    /// What was signed.
    pub fn message(&self) -> &[u8] {
        self.message.as_bytes()
    }

    /// The signature in base64.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// All claims.
    pub fn into_claims(self) -> Value {
        self.claims
    }
}
