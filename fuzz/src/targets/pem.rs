//! Certificates and keys: a CA, a certificate and a key, separated by zero bytes.

use std::sync::LazyLock;

use outbound::{TlsMaterial, TlsPem};
use testkit::Authority;

use super::Target;
use crate::features::feature;

pub(super) const TARGET: Target = Target {
    name: "pem",
    seeds: || vec![PEMS.clone().into_bytes()],
    words: &[
        "-----BEGIN CERTIFICATE-----\n",
        "-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\n",
        "-----END PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        "MII",
        "AAAA",
        "=",
        "\n",
        "\r\n",
        "\0",
    ],
    run,
};

static PEMS: LazyLock<String> = LazyLock::new(|| {
    let authority = Authority::new();
    let pair = authority.issue(&["client.example.com"]);
    format!("{}\0{}\0{}", authority.pem, pair.certificate, pair.key)
});

/// Reading ends with material or a reason, and the reason repeats nothing.
fn run(input: &[u8]) -> Result<(), String> {
    let mut parts = input.split(|byte| *byte == 0).map(Some);
    let mut next = || parts.next().flatten().filter(|part| !part.is_empty());
    let pem = TlsPem {
        ca: next(),
        certificate: next(),
        key: next(),
    };
    match TlsMaterial::from_pem(pem) {
        Ok(_) => feature("material"),
        Err(error) => feature(&error.to_string()),
    }
    Ok(())
}
