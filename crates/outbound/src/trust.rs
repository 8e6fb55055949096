//! From [`TlsMaterial`] to a TLS configuration: whom we believe.
//!
//! The system's roots are loaded once, when the first connection needs them, and shared by all
//! configurations; a client that never speaks `https` never holds them.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::sync::OnceCell;

use crate::error::TlsReason;
use crate::tls::{CaTrust, TlsMaterial, crypto};

/// TLS sessions remembered per route, for resumption.
const REMEMBERED_SESSIONS: usize = 16;

/// The system's roots, loaded at first use. Failures are not remembered.
#[derive(Debug, Default)]
pub(crate) struct SystemRoots(OnceCell<Arc<RootCertStore>>);

impl SystemRoots {
    async fn get(&self) -> Result<Arc<RootCertStore>, TlsReason> {
        let load = || async {
            // Reads and parses some hundred files.
            tokio::task::spawn_blocking(load_system_roots)
                .await
                .ok()
                .filter(|roots| !roots.is_empty())
                .map(Arc::new)
                .ok_or(TlsReason::NoSystemRoots)
        };
        self.0.get_or_try_init(load).await.map(Arc::clone)
    }
}

/// The TLS configuration of one route, built when its first connection needs it.
#[derive(Debug)]
pub(crate) struct TlsSource {
    material: Option<Arc<TlsMaterial>>,
    system: Arc<SystemRoots>,
    built: OnceCell<Arc<ClientConfig>>,
}

impl TlsSource {
    pub(crate) fn new(material: Option<Arc<TlsMaterial>>, system: Arc<SystemRoots>) -> Self {
        Self {
            material,
            system,
            built: OnceCell::new(),
        }
    }

    pub(crate) async fn config(&self) -> Result<Arc<ClientConfig>, TlsReason> {
        let build = || client_config(self.material.as_deref(), &self.system);
        self.built.get_or_try_init(build).await.map(Arc::clone)
    }
}

async fn client_config(
    material: Option<&TlsMaterial>,
    system: &SystemRoots,
) -> Result<Arc<ClientConfig>, TlsReason> {
    let given = material.map(TlsMaterial::ca).unwrap_or_default();
    let extend = material.is_some_and(|it| it.ca_trust() == CaTrust::InAdditionToSystem);
    let roots = if given.is_empty() {
        system.get().await?
    } else {
        let mut roots = RootCertStore::empty();
        if extend {
            roots.extend(system.get().await?.roots.iter().cloned());
        }
        roots.add_parsable_certificates(given.iter().cloned());
        Arc::new(roots)
    };
    let webpki = WebPkiServerVerifier::builder_with_provider(roots, crypto())
        .build()
        .map_err(|_| TlsReason::NoSystemRoots)?;
    let builder = ClientConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()
        .map_err(|_| TlsReason::Handshake)?;
    let builder = if given.is_empty() {
        builder.with_webpki_verifier(webpki)
    } else {
        // "Dangerous" is what replacing the verifier is called; this one only adds to it.
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AlsoSelfSigned {
                webpki,
                given: given.to_vec(),
            }))
    };
    let mut config = match material.and_then(TlsMaterial::client) {
        Some(pair) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(pair))))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(REMEMBERED_SESSIONS);
    Ok(Arc::new(config))
}

fn load_system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The usual verification, plus one case it refuses: a server whose own certificate is marked as an
/// authority and is itself among the given CAs. That is what `openssl req -x509` makes by default,
/// and what the reference accepts.
#[derive(Debug)]
struct AlsoSelfSigned {
    webpki: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for AlsoSelfSigned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verdict {
            // webpki has checked the validity period before it says this.
            Err(error) if is_authority_as_server(&error) && self.given.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

fn is_authority_as_server(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    matches!(
        other.0.downcast_ref::<webpki::Error>(),
        Some(webpki::Error::CaUsedAsEndEntity)
    )
}
