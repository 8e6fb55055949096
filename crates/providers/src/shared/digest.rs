//! SHA-256 over several texts, where it matters which text ends where.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The digest of texts, each with its length: `["ab", "c"]` and `["a", "bc"]` differ.
pub(crate) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// Lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
