//! What to trust and who we are: CA certificates and a client certificate, from PEM.
//!
//! Errors name the key at fault as Secrets spell it (`ca.crt`, `tls.crt`, `tls.key`) and never show
//! content. The private key is turned into a signer at once; its text is not kept.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

/// The PEM texts that make up a [`TlsMaterial`].
#[derive(Clone, Copy, Default)]
pub struct TlsPem<'a> {
    /// Certificates of the authorities to trust.
    pub ca: Option<&'a [u8]>,
    /// Our certificate, then its intermediates.
    pub certificate: Option<&'a [u8]>,
    /// Our certificate's private key: PKCS#8, PKCS#1 or SEC1.
    pub key: Option<&'a [u8]>,
}

/// What a given CA does to the system's roots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaTrust {
    /// Only the given CA is trusted.
    #[default]
    Only,
    /// The given CA is trusted in addition to the system's roots.
    InAdditionToSystem,
}

/// Checked certificates and keys of a route.
pub struct TlsMaterial {
    ca: Vec<CertificateDer<'static>>,
    ca_trust: CaTrust,
    client: Option<Arc<CertifiedKey>>,
    digest: [u8; 32],
}

/// Why PEM texts make no [`TlsMaterial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsMaterialError {
    /// None of the three is there.
    #[error("neither `ca.crt` nor `tls.crt` and `tls.key` are given")]
    Empty,
    /// A certificate without its key.
    #[error("`tls.crt` is given but `tls.key` is missing")]
    MissingKey,
    /// A key without its certificate.
    #[error("`tls.key` is given but `tls.crt` is missing")]
    MissingCertificate,
    /// The CA is there, but there is no certificate in it.
    #[error("`ca.crt` holds no certificate")]
    NoCaCertificate,
    /// The CA's PEM is damaged.
    #[error("`ca.crt` is not valid PEM")]
    MalformedCa,
    /// The CA's PEM is fine, but no certificate in it can be used as a trust anchor.
    #[error("`ca.crt` holds no usable certificate")]
    UnusableCa,
    /// No certificate where ours should be.
    #[error("`tls.crt` holds no certificate")]
    NoCertificate,
    /// Our certificate's PEM or encoding is damaged.
    #[error("`tls.crt` is not a valid certificate")]
    MalformedCertificate,
    /// No private key where ours should be; an encrypted one does not count.
    #[error("`tls.key` holds no unencrypted private key")]
    NoKey,
    /// The key's PEM or encoding is damaged, or its kind is not supported.
    #[error("`tls.key` is not a valid private key of a supported kind")]
    MalformedKey,
    /// They are no pair.
    #[error("`tls.key` does not belong to `tls.crt`")]
    KeyMismatch,
}

impl TlsMaterial {
    /// Checks the PEM texts, together and each by itself; the CA replaces the system's roots.
    pub fn from_pem(pem: TlsPem<'_>) -> Result<Self, TlsMaterialError> {
        Self::from_pem_with_trust(pem, CaTrust::Only)
    }

    /// Like [`TlsMaterial::from_pem`], saying what the CA does to the system's roots.
    pub fn from_pem_with_trust(
        pem: TlsPem<'_>,
        ca_trust: CaTrust,
    ) -> Result<Self, TlsMaterialError> {
        let client = match (pem.certificate, pem.key) {
            (Some(certificate), Some(key)) => Some(client_pair(certificate, key)?),
            (Some(_), None) => return Err(TlsMaterialError::MissingKey),
            (None, Some(_)) => return Err(TlsMaterialError::MissingCertificate),
            (None, None) if pem.ca.is_none() => return Err(TlsMaterialError::Empty),
            (None, None) => None,
        };
        let ca = pem.ca.map(authorities).transpose()?.unwrap_or_default();
        Ok(Self {
            ca,
            ca_trust,
            client: client.map(Arc::new),
            digest: digest(pem, ca_trust),
        })
    }

    /// The given authorities; empty means that the system's roots count.
    pub(crate) fn ca(&self) -> &[CertificateDer<'static>] {
        &self.ca
    }

    /// What the given CA does to the system's roots.
    pub(crate) fn ca_trust(&self) -> CaTrust {
        self.ca_trust
    }

    pub(crate) fn client(&self) -> Option<&Arc<CertifiedKey>> {
        self.client.as_ref()
    }

    /// What tells this material from every other.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TlsMaterial")
            .field("ca_certificates", &self.ca.len())
            .field("ca_trust", &self.ca_trust)
            .field("client_certificate", &self.client.is_some())
            .finish_non_exhaustive()
    }
}

/// The cryptography everything here uses, whatever the process has installed as its default.
pub(crate) fn crypto() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}

fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsMaterialError> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsMaterialError::MalformedCa)?;
    if found.is_empty() {
        return Err(TlsMaterialError::NoCaCertificate);
    }
    // A bundle may hold a few certificates that cannot be anchors; one that can is enough.
    let usable: Vec<_> = found
        .into_iter()
        .filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok())
        .collect();
    if usable.is_empty() {
        return Err(TlsMaterialError::UnusableCa);
    }
    Ok(usable)
}

fn client_pair(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsMaterialError> {
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsMaterialError::MalformedCertificate)?;
    if chain.is_empty() {
        return Err(TlsMaterialError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => TlsMaterialError::NoKey,
        _ => TlsMaterialError::MalformedKey,
    })?;
    let signer = crypto()
        .key_provider
        .load_private_key(key)
        .map_err(|_| TlsMaterialError::MalformedKey)?;
    let pair = CertifiedKey::new(chain, signer);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsMaterialError::KeyMismatch),
        Err(_) => Err(TlsMaterialError::MalformedCertificate),
    }
}

fn digest(pem: TlsPem<'_>, ca_trust: CaTrust) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [pem.ca, pem.certificate, pem.key] {
        let part = part.unwrap_or_default();
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update([u8::from(ca_trust == CaTrust::InAdditionToSystem)]);
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
