//! Keys and claims as the operators of NATS make them.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(super) const OPERATOR: u8 = 14 << 3;
pub(super) const ACCOUNT: u8 = 0;
pub(super) const USER: u8 = 20 << 3;

/// A key as operators make them, written down independently of the product.
pub(super) struct Nkey {
    kind: u8,
    seed: [u8; 32],
}

impl Nkey {
    pub(super) fn new(kind: u8, number: u8) -> Self {
        Self {
            kind,
            seed: [number; 32],
        }
    }

    pub(super) fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&self.seed).unwrap()
    }

    pub(super) fn public(&self) -> String {
        let mut raw = vec![self.kind];
        raw.extend_from_slice(self.pair().public_key().as_ref());
        checked_base32(raw)
    }

    pub(super) fn seed(&self) -> String {
        let prefix = 18_u8 << 3;
        let mut raw = vec![prefix | self.kind >> 5, (self.kind & 31) << 3];
        raw.extend_from_slice(&self.seed);
        checked_base32(raw)
    }

    /// A JWT about `subject`, signed by this key.
    pub(super) fn issue(&self, subject: &Nkey, nats: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
        let mut claims = json!({"iat": 1_700_000_000, "iss": self.public(), "name": "test",
            "sub": subject.public(), "nats": nats});
        let hash = digest::digest(&digest::SHA512_256, claims.to_string().as_bytes());
        claims["jti"] = json!(base32(hash.as_ref()));
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.pair().sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn checked_base32(mut raw: Vec<u8>) -> String {
    let mut sum = 0_u16;
    for byte in &raw {
        sum ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            sum = if sum & 0x8000 == 0 {
                sum << 1
            } else {
                (sum << 1) ^ 0x1021
            };
        }
    }
    raw.extend_from_slice(&sum.to_le_bytes());
    base32(&raw)
}

fn base32(bytes: &[u8]) -> String {
    let mut bits = String::new();
    for byte in bytes {
        write!(bits, "{byte:08b}").unwrap();
    }
    while !bits.len().is_multiple_of(5) {
        bits.push('0');
    }
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    bits.as_bytes()
        .chunks(5)
        .map(|five| {
            let text = std::str::from_utf8(five).unwrap();
            char::from(letters[usize::from_str_radix(text, 2).unwrap()])
        })
        .collect()
}
