//! `NKeys`: Ed25519 keys in the clothes that NATS gives them, and the `.creds` files that hold one.
//!
//! Source: <https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth>
//! and the encoding rules at <https://github.com/nats-io/nkeys>. No error shows any part of a key.

use api::Secret;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::ConfigError;

const SEED: u8 = 18 << 3;
const USER: u8 = 20 << 3;

/// RFC 4648.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A user's key, able to sign.
pub(super) struct UserKey {
    pair: Ed25519KeyPair,
}

/// What a `.creds` file holds.
pub(super) struct Credentials {
    /// Says who the user is; signed by the account.
    pub(super) jwt: Secret<String>,
    /// Proves it.
    pub(super) key: UserKey,
}

impl UserKey {
    /// Reads the seed in a text; lines around it are ignored.
    pub(super) fn parse(text: &[u8], key: &str) -> Result<Self, ConfigError> {
        let malformed = || {
            ConfigError::new(format!(
                "key `{key}` of the Secret holds no valid NATS user seed, 58 letters and digits that begin with SU"
            ))
        };
        let text = std::str::from_utf8(text).map_err(|_| malformed())?;
        let mut words = text.split_whitespace();
        let seed = words.find(|word| word.starts_with("SU") && word.len() == 58);
        let raw = seed.and_then(decode).ok_or_else(malformed)?;
        let (kind, seed) = match raw.as_slice() {
            [first, second, seed @ ..] if first & 0xf8 == SEED => {
                ((first & 7) << 5 | (second & 0xf8) >> 3, seed)
            }
            _ => return Err(malformed()),
        };
        if kind != USER {
            return Err(malformed());
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| malformed())?;
        Ok(Self { pair })
    }

    /// The public key, which begins with `U`.
    pub(super) fn public(&self) -> String {
        let mut raw = vec![USER];
        raw.extend_from_slice(self.pair.public_key().as_ref());
        encode(&raw)
    }

    /// The signature of a server's nonce, as CONNECT carries it.
    pub(super) fn sign(&self, nonce: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(nonce.as_bytes()).as_ref())
    }
}

impl Credentials {
    /// Reads a `.creds` file.
    pub(super) fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        let key = UserKey::parse(text, "creds")?;
        let jwt = std::str::from_utf8(text).ok().and_then(|text| {
            let (_, rest) = text.split_once("-BEGIN NATS USER JWT-")?;
            rest.split_whitespace()
                .find(|word| word.starts_with("ey") && word.matches('.').count() == 2)
        });
        let jwt = jwt.ok_or_else(|| {
            ConfigError::new(
                "key `creds` of the Secret holds no NATS user JWT; it must be a whole .creds file",
            )
        })?;
        Ok(Self {
            jwt: Secret::new(jwt.to_owned()),
            key,
        })
    }
}

/// The bytes in a text, without the two of the checksum at its end; `None` if anything is wrong.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut window, mut width) = (0_u32, 0_u32);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        window = (window << 5 | u32::try_from(value).ok()?) & 0xfff;
        width += 5;
        if width >= 8 {
            width -= 8;
            bytes.push(u8::try_from(window >> width & 0xff).ok()?);
        }
    }
    let high = bytes.pop()?;
    let low = bytes.pop()?;
    (checksum(&bytes) == u16::from_le_bytes([low, high])).then_some(bytes)
}

/// Bytes and their checksum as a text.
fn encode(bytes: &[u8]) -> String {
    let checked = bytes.iter().copied().chain(checksum(bytes).to_le_bytes());
    let mut text = String::new();
    let (mut window, mut width) = (0_usize, 0_u32);
    let mut push = |index: usize| {
        if let Some(letter) = ALPHABET.get(index & 31) {
            text.push(char::from(*letter));
        }
    };
    for byte in checked {
        window = (window << 8 | usize::from(byte)) & 0xfff;
        width += 8;
        while width >= 5 {
            width -= 5;
            push(window >> width);
        }
    }
    if width > 0 {
        push(window << (5 - width));
    }
    text
}

/// CRC-16 with the polynomial of XMODEM.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| {
            if sum & 0x8000 == 0 {
                sum << 1
            } else {
                sum << 1 ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // From `conformance/outgoing/nats.json`.
    const SEED: &str = "SUAC7QAMOM5FKGJ5TT4YL7WWCNWFINGJLZMHADIZIEG6HPSFRQPEMA32EY";

    #[test]
    fn the_recorded_seed_has_the_recorded_public_key_and_signature() {
        for text in [
            SEED.to_owned(),
            format!("-----BEGIN USER NKEY SEED-----\n{SEED}\n------END\n"),
        ] {
            let key = UserKey::parse(text.as_bytes(), "nkey").unwrap();
            assert_eq!(
                key.public(),
                "UBPBTWZQH2LX6MRH34G2LH4UNSZ4S5FGNF4F535WMEZKVKASS6FAQZMX"
            );
            assert_eq!(
                key.sign("fixed-nonce-000"),
                "BRdzkbnjzMZXXQ_vMJflthRmxuQ2AhNVXrdZm3coTUVksTVbs7X_BzrWKYfMB5ACheDkt8vaXgf9oj6py12dAA"
            );
        }
    }

    #[test]
    fn damaged_and_foreign_seeds_are_refused_without_being_shown() {
        let damaged = SEED.replace("QAMOM", "QAMON");
        for text in [
            "",
            "hello",
            &damaged,
            SEED.get(..57).unwrap(),
            &SEED.replacen("SU", "SA", 1),
        ] {
            let error = UserKey::parse(text.as_bytes(), "nkey").err().unwrap();
            assert!(!error.to_string().contains("QAMO"), "{error}");
            assert!(error.to_string().contains("`nkey`"), "{error}");
        }
    }

    #[test]
    fn a_creds_file_needs_both_parts() {
        let file = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.eyJq.c2ln\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
        );
        let read = Credentials::parse(file.as_bytes()).unwrap();
        assert_eq!(read.jwt.expose(), "eyJ0.eyJq.c2ln");
        assert!(Credentials::parse(SEED.as_bytes()).is_err());
        assert!(Credentials::parse(&file.as_bytes()[..60]).is_err());
    }
}
