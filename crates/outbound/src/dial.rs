//! One connection: names to addresses, the guard, TCP, and TLS on top.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::error::{
    CertificateReason, ConnectReason, Endpoint, HttpError, InvalidRequestReason, Phase, TlsReason,
};
use crate::guard::EgressPolicy;
use crate::proxy::unbracketed;
use crate::resolver::Resolver;
use crate::stream::BoxedStream;

/// What an address gets at least before the next one is tried, as in Go.
const LEAST_TIME_PER_ADDRESS: Duration = Duration::from_secs(2);

/// How many of a name's addresses are tried.
const MOST_ADDRESSES: usize = 16;

/// Whom a connection is for.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Peer {
    pub(crate) fn new(scheme: &str, host: &str, port: u16) -> Self {
        let host = unbracketed(host);
        Self {
            endpoint: Endpoint::new(scheme, host, port),
            host: host.to_owned(),
            port,
        }
    }

    fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// Makes guarded connections.
pub(crate) struct Dialer {
    pub(crate) egress: EgressPolicy,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) connect_timeout: Duration,
    pub(crate) tls_timeout: Duration,
}

impl Dialer {
    /// Refuses a peer that is named by a forbidden address. For peers that a proxy will resolve this
    /// is all that can be known.
    pub(crate) fn check_literal(&self, peer: &Peer) -> Result<(), HttpError> {
        match peer.address() {
            Some(address) => self.check(peer, address),
            None => Ok(()),
        }
    }

    /// Opens a TCP connection to the first permitted address that answers.
    pub(crate) async fn tcp(&self, peer: &Peer) -> Result<TcpStream, HttpError> {
        let deadline = Instant::now() + self.connect_timeout;
        let resolved = timeout_at(deadline, self.resolve(peer)).await;
        let addresses = resolved.map_err(|_| timed_out(peer, Phase::Connect))??;
        let mut failure = None;
        let mut left = addresses.len();
        for address in addresses {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / u32::try_from(left).unwrap_or(1);
            let until = deadline.min(now + share.max(LEAST_TIME_PER_ADDRESS));
            left = left.saturating_sub(1);
            match timeout_at(until, TcpStream::connect((address, peer.port))).await {
                Ok(Ok(stream)) => {
                    // Requests are written whole; waiting for more would only delay them. A socket
                    // that cannot do it works all the same.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => {
                    let reason = ConnectReason::of(&error);
                    failure.get_or_insert(HttpError::Connect {
                        endpoint: peer.endpoint.clone(),
                        reason,
                    });
                }
                Err(_) => {
                    failure.get_or_insert(timed_out(peer, Phase::Connect));
                }
            }
        }
        Err(failure.unwrap_or_else(|| unresolved(peer)))
    }

    /// Speaks TLS over a connection and verifies the peer's name.
    pub(crate) async fn tls(
        &self,
        stream: BoxedStream,
        peer: &Peer,
        config: Arc<ClientConfig>,
    ) -> Result<BoxedStream, HttpError> {
        let name = ServerName::try_from(peer.host.trim_end_matches('.').to_owned());
        let name = name.map_err(|_| HttpError::InvalidRequest {
            reason: InvalidRequestReason::InvalidServerName,
        })?;
        let handshake = TlsConnector::from(config).connect(name, stream);
        match timeout(self.tls_timeout, handshake).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(HttpError::Tls {
                endpoint: peer.endpoint.clone(),
                reason: tls_reason(&error).unwrap_or(TlsReason::Handshake),
            }),
            Err(_) => Err(timed_out(peer, Phase::Tls)),
        }
    }

    /// The permitted addresses of a peer; an error when it has none.
    async fn resolve(&self, peer: &Peer) -> Result<Vec<IpAddr>, HttpError> {
        if let Some(address) = peer.address() {
            return self.check(peer, address).map(|()| vec![address]);
        }
        let found = self.resolver.resolve(&peer.host).await;
        let mut permitted = Vec::new();
        let mut refusal = None;
        for address in found.map_err(|_| unresolved(peer))? {
            match self.check(peer, address) {
                Ok(()) if permitted.contains(&address) => {}
                Ok(()) => permitted.push(address),
                Err(denied) => refusal = refusal.or(Some(denied)),
            }
        }
        permitted.truncate(MOST_ADDRESSES);
        if permitted.is_empty() {
            return Err(refusal.unwrap_or_else(|| unresolved(peer)));
        }
        Ok(permitted)
    }

    fn check(&self, peer: &Peer, address: IpAddr) -> Result<(), HttpError> {
        self.egress
            .permits(address)
            .map_err(|denied| HttpError::Denied {
                endpoint: peer.endpoint.clone(),
                denied,
            })
    }
}

/// What a TLS session's I/O error says about TLS; `None` when it is an ordinary I/O error.
pub(crate) fn tls_reason(error: &std::io::Error) -> Option<TlsReason> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match inner {
        rustls::Error::InvalidCertificate(error) => {
            TlsReason::Certificate(certificate_reason(error))
        }
        rustls::Error::NoCertificatesPresented => {
            TlsReason::Certificate(CertificateReason::Invalid)
        }
        rustls::Error::AlertReceived(alert) => TlsReason::Alert(alert_name(*alert)),
        _ => TlsReason::Handshake,
    })
}

fn certificate_reason(error: &CertificateError) -> CertificateReason {
    match error {
        // A bad signature is what an authority with the same name and another key makes of it.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            CertificateReason::UnknownIssuer
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateReason::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateReason::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateReason::WrongName
        }
        CertificateError::Revoked => CertificateReason::Revoked,
        _ => CertificateReason::Invalid,
    }
}

fn alert_name(alert: AlertDescription) -> &'static str {
    alert.as_str().unwrap_or("unknown")
}

fn timed_out(peer: &Peer, phase: Phase) -> HttpError {
    HttpError::Timeout {
        endpoint: peer.endpoint.clone(),
        phase,
    }
}

fn unresolved(peer: &Peer) -> HttpError {
    HttpError::Resolve {
        endpoint: peer.endpoint.clone(),
    }
}
