//! The path of a webhook: a digest over token, name and namespace.

use std::fmt;

use api::ObjectKey;
use sha2::{Digest, Sha256};

/// What stands before the digest.
pub const PREFIX: &str = "/hook/";

/// The secret part of a webhook's path. Whoever knows it can call types that check nothing else, so
/// neither `Debug` nor `Display` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PathDigest([u8; 32]);

impl PathDigest {
    /// SHA-256 of token, name and namespace, one after the other without separators; the token is
    /// empty for Receivers without a Secret (`receivers.md` section 2).
    pub fn of(token: &[u8], receiver: &ObjectKey) -> Self {
        let digest = Sha256::new()
            .chain_update(token)
            .chain_update(&receiver.name)
            .chain_update(&receiver.namespace);
        Self(digest.finalize().into())
    }

    /// Reads what follows [`PREFIX`]: 64 lower-case hexadecimal digits. One slash behind it is
    /// allowed.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = *pair else { return None };
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(bytes))
    }

    /// The whole path, for `status.webhookPath`, for the condition that the reference's command line
    /// shows, and for nothing else.
    pub fn webhook_path(&self) -> String {
        use fmt::Write as _;
        let mut path = String::with_capacity(PREFIX.len() + 64);
        path.push_str(PREFIX);
        for byte in self.0 {
            // Writing to a String cannot fail.
            let _ = write!(path, "{byte:02x}");
        }
        path
    }
}

impl fmt::Debug for PathDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PathDigest(*****)")
    }
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_reference_hold() {
        for (token, name, namespace, path) in [
            (
                "test-token",
                "receiver-secret",
                "my-namespace",
                "106120121d366c2f67e93200f6c1dbe938235eb588daa5e8c0516d3a77ac1dee",
            ),
            (
                "",
                "my-receiver",
                "default",
                "83579a735892e34a07366333c25cb279278d29531730c414ea9870a01885f586",
            ),
            (
                "token",
                "ab",
                "c",
                "8dd835848401e0d3fbd1db4dd0615785bff5981c3ee21a61455202e164765a19",
            ),
            (
                "token",
                "a",
                "bc",
                "8dd835848401e0d3fbd1db4dd0615785bff5981c3ee21a61455202e164765a19",
            ),
        ] {
            let digest = PathDigest::of(token.as_bytes(), &ObjectKey::new(namespace, name));
            assert_eq!(digest.webhook_path(), format!("/hook/{path}"));
            assert_eq!(PathDigest::parse(path), Some(digest));
            assert_eq!(PathDigest::parse(&format!("{path}/")), Some(digest));
        }
    }

    #[test]
    fn only_lower_case_digests_are_paths() {
        let path = "106120121d366c2f67e93200f6c1dbe938235eb588daa5e8c0516d3a77ac1dee";
        assert!(PathDigest::parse(path).is_some());
        for text in [
            path.to_uppercase(),
            path.chars().skip(1).collect(),
            format!("{path}x"),
            format!("{path}//"),
            path.replace('1', "%31"),
            "é".repeat(32),
            String::new(),
        ] {
            assert!(PathDigest::parse(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_digest_is_not_shown() {
        let digest = PathDigest::of(b"t", &ObjectKey::new("a", "b"));
        assert_eq!(format!("{digest:?}"), "PathDigest(*****)");
    }
}
