//! Signatures with a shared secret, over the exact bytes of the body, compared in constant time.

use aws_lc_rs::constant_time;
use aws_lc_rs::hmac;
use http::HeaderMap;

use crate::call::{header, header_bytes};
use crate::rejection::Rejection;

/// Which signatures are good enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignaturePolicy {
    /// Refuse HMAC-SHA1 where the sender has a choice. Nexus knows nothing else and is not affected.
    pub refuse_sha1: bool,
}

/// Longest token or signature in a header that is looked at; what is longer is none.
pub(crate) const LONGEST_PROOF: usize = 16 << 10;

/// A signature as it was sent: algorithm and digest.
pub(crate) struct Signature {
    algorithm: Algorithm,
    digest: Vec<u8>,
}

impl Signature {
    /// Reads `<algorithm>=<hex>` from the first of these headers that is there and not empty
    /// (`receivers.md` section 4.1).
    pub(crate) fn read(
        headers: &HeaderMap,
        names: &[&str],
        policy: SignaturePolicy,
    ) -> Result<Self, Rejection> {
        let text = names
            .iter()
            .find_map(|name| header(headers, name).filter(|text| !text.is_empty()))
            .ok_or(Rejection::Missing)?;
        if text.len() > LONGEST_PROOF {
            return Err(Rejection::Malformed);
        }
        let (algorithm, digest) = text.split_once('=').ok_or(Rejection::Malformed)?;
        let algorithm = Algorithm::named(algorithm).ok_or(Rejection::Algorithm)?;
        if algorithm == Algorithm::Sha1 && policy.refuse_sha1 {
            return Err(Rejection::Algorithm);
        }
        Ok(Self {
            algorithm,
            digest: from_hex(digest).ok_or(Rejection::Malformed)?,
        })
    }

    /// The check whether it is the signature of a body under `key`. An empty key proves nothing.
    pub(crate) fn check(&self, key: &[u8]) -> Result<BodyCheck, Rejection> {
        BodyCheck::new(self.algorithm, key, Expected::Bytes(self.digest.clone()))
    }
}

/// The check whether a header is the lower-case hexadecimal HMAC-SHA1 of a body, without a prefix.
pub(crate) fn check_plain_sha1(sent: &[u8], key: &[u8]) -> Result<BodyCheck, Rejection> {
    if sent.len() > LONGEST_PROOF {
        return Err(Rejection::Malformed);
    }
    BodyCheck::new(Algorithm::Sha1, key, Expected::Hexadecimal(sent.to_vec()))
}

/// What a signature's bytes are compared with.
enum Expected {
    Bytes(Vec<u8>),
    Hexadecimal(Vec<u8>),
}

/// A signature that is checked while the body arrives, so that the time between its last byte and the
/// answer does not depend on its length.
pub(crate) struct BodyCheck {
    mac: Mac,
    expected: Expected,
}

impl BodyCheck {
    fn new(algorithm: Algorithm, key: &[u8], expected: Expected) -> Result<Self, Rejection> {
        if key.is_empty() {
            return Err(Rejection::Mismatch);
        }
        let mac = Mac::new(algorithm, key);
        Ok(Self { mac, expected })
    }

    /// Computed over the body so far.
    pub(crate) fn mac(&mut self) -> &mut Mac {
        &mut self.mac
    }

    /// Decides, after the whole body.
    pub(crate) fn verdict(self) -> Result<(), Rejection> {
        let computed = self.mac.finish();
        match self.expected {
            Expected::Bytes(sent) => same(computed.as_ref(), &sent),
            Expected::Hexadecimal(sent) => same(to_hex(computed.as_ref()).as_bytes(), &sent),
        }
    }
}

/// Whether a header is the token itself.
pub(crate) fn verify_token(headers: &HeaderMap, name: &str, token: &[u8]) -> Result<(), Rejection> {
    let sent = header_bytes(headers, name).ok_or(Rejection::Missing)?;
    if token.is_empty() || sent.len() > LONGEST_PROOF {
        return Err(Rejection::Mismatch);
    }
    // Digests have one length, so that not even that of the token can be found out.
    let digest = |bytes: &[u8]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    same(digest(token).as_ref(), digest(sent).as_ref())
}

fn same(left: &[u8], right: &[u8]) -> Result<(), Rejection> {
    constant_time::verify_slices_are_equal(left, right).map_err(|_| Rejection::Mismatch)
}

/// How a body is signed. The names are those of GitHub's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// HMAC-SHA1.
    Sha1,
    /// HMAC-SHA256.
    Sha256,
    /// HMAC-SHA512.
    Sha512,
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        match name {
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The one that a signature header speaks of, right or wrong.
    pub(crate) fn spoken_of(text: &str) -> Option<Self> {
        Self::named(text.split_once('=')?.0)
    }
}

/// A message authentication code over a body, fed as the body arrives.
pub(crate) struct Mac {
    algorithm: Algorithm,
    context: hmac::Context,
    bytes: u64,
}

impl Mac {
    pub(crate) fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        let known = match algorithm {
            Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => hmac::HMAC_SHA256,
            Algorithm::Sha512 => hmac::HMAC_SHA512,
        };
        Self {
            algorithm,
            context: hmac::Context::with_key(&hmac::Key::new(known, key)),
            bytes: 0,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    }

    /// Algorithm, and bytes it was fed.
    pub(crate) fn work(&self) -> (Algorithm, u64) {
        (self.algorithm, self.bytes)
    }

    pub(crate) fn finish(self) -> hmac::Tag {
        self.context.sign()
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    // An empty digest is no digest.
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits
        .chunks_exact(2)
        .map(|pair| match *pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use ::hmac::{Hmac, Mac};
    use http::HeaderValue;
    use proptest::prelude::*;
    use sha1::Sha1;
    use sha2::{Sha256, Sha512};

    use super::*;

    const BODY: &[u8] = b"{\"action\":\"push\"}";
    const ALL: SignaturePolicy = SignaturePolicy { refuse_sha1: false };

    macro_rules! independent {
        ($hash:ty, $key:expr, $body:expr) => {{
            let mut mac = Hmac::<$hash>::new_from_slice($key).unwrap();
            mac.update($body);
            to_hex(&mac.finalize().into_bytes())
        }};
    }

    fn check(
        text: &str,
        key: &[u8],
        body: &[u8],
        policy: SignaturePolicy,
    ) -> Result<(), Rejection> {
        let mut headers = HeaderMap::new();
        headers.insert("x-signature", HeaderValue::from_str(text).unwrap());
        let signature = Signature::read(&headers, &["x-signature"], policy)?;
        verdict(signature.check(key)?, body)
    }

    fn verdict(mut check: BodyCheck, body: &[u8]) -> Result<(), Rejection> {
        // However it is cut.
        let (first, rest) = body.split_at(body.len() / 3);
        check.mac().update(first);
        check.mac().update(rest);
        check.verdict()
    }

    fn plain(sent: &[u8], key: &[u8], body: &[u8]) -> Result<(), Rejection> {
        verdict(check_plain_sha1(sent, key)?, body)
    }

    #[test]
    fn vectors_of_the_reference_hold() {
        for text in [
            "sha1=0a23fffb3dd66539440cf881ae6fdfbc8ccae4a9",
            "sha256=83eee066cf716dd10bc327e341a581ae657bf26d8815c9334434f470c12d3079",
            "sha256=83EEE066CF716DD10BC327E341A581AE657BF26D8815C9334434F470C12D3079",
            "sha512=ba49015231e38c2779666c90692d82917c88a814b1c1ae23e94d9544b321011aa9c10824df4d5ac1c5bbb397d1947d4eda37014bbd33d4acb1b11a6f71039f59",
        ] {
            assert_eq!(check(text, b"token", BODY, ALL), Ok(()), "{text}");
            assert!(check(text, b"token2", BODY, ALL).is_err(), "{text}");
            assert!(check(text, b"token", b"{}", ALL).is_err(), "{text}");
        }
    }

    /// Published by the vendor
    /// (<https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>).
    #[test]
    fn the_vector_of_github_holds() {
        let text = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let key = b"It's a Secret to Everybody";
        assert_eq!(check(text, key, b"Hello, World!", ALL), Ok(()));
    }

    #[test]
    fn sha1_can_be_refused() {
        let text = "sha1=0a23fffb3dd66539440cf881ae6fdfbc8ccae4a9";
        let policy = SignaturePolicy { refuse_sha1: true };
        assert_eq!(
            check(text, b"token", BODY, policy),
            Err(Rejection::Algorithm)
        );
    }

    #[test]
    fn an_empty_key_verifies_nothing() {
        let text = format!("sha256={}", independent!(Sha256, b"", BODY));
        assert_eq!(check(&text, b"", BODY, ALL), Err(Rejection::Mismatch));
        let sent = independent!(Sha1, b"", BODY);
        assert!(plain(sent.as_bytes(), b"", BODY).is_err());
        let mut headers = HeaderMap::new();
        assert!(verify_token(&headers, "x-token", b"").is_err());
        headers.insert("x-token", HeaderValue::from_static(""));
        assert!(verify_token(&headers, "x-token", b"").is_err());
    }

    #[test]
    fn endless_proofs_are_not_looked_at() {
        let long = "a".repeat(LONGEST_PROOF + 1);
        let signature = format!("sha256={long}");
        assert_eq!(
            check(&signature, b"t", BODY, ALL),
            Err(Rejection::Malformed)
        );
        assert!(plain(long.as_bytes(), b"t", BODY).is_err());
        let mut headers = HeaderMap::new();
        headers.insert("x-token", HeaderValue::from_str(&long).unwrap());
        assert!(verify_token(&headers, "x-token", long.as_bytes()).is_err());
    }

    #[test]
    fn malformed_signatures_are_told_apart() {
        for (text, rejection) in [
            ("sha256", Rejection::Malformed),
            ("sha256=", Rejection::Malformed),
            ("sha256=abc", Rejection::Malformed),
            ("sha256=zz", Rejection::Malformed),
            ("SHA256=00", Rejection::Algorithm),
            ("md5=00", Rejection::Algorithm),
            ("=00", Rejection::Algorithm),
            ("sha256=00", Rejection::Mismatch),
        ] {
            assert_eq!(check(text, b"token", BODY, ALL), Err(rejection), "{text}");
        }
    }

    proptest! {
        #[test]
        fn signatures_of_an_independent_library_verify(
            key in prop::collection::vec(any::<u8>(), 1..200),
            body in prop::collection::vec(any::<u8>(), 0..500),
        ) {
            for text in [
                format!("sha1={}", independent!(Sha1, &key, &body)),
                format!("sha256={}", independent!(Sha256, &key, &body)),
                format!("sha512={}", independent!(Sha512, &key, &body)),
            ] {
                prop_assert_eq!(check(&text, &key, &body, ALL), Ok(()));
                // A truncated or a changed one does not.
                let shorter: String = text.chars().take(text.len() - 2).collect();
                prop_assert!(check(&shorter, &key, &body, ALL).is_err());
            }
            let sent = independent!(Sha1, &key, &body);
            prop_assert!(plain(sent.as_bytes(), &key, &body).is_ok());
            prop_assert!(plain(sent.to_uppercase().as_bytes(), &key, &body).is_err()
                || sent == sent.to_uppercase());
        }
    }
}
