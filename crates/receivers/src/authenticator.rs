//! Whether a call is genuine, for every type: first by its headers, then by its body.

use std::sync::Arc;

use domain::ports::Clock;
use http::HeaderMap;
use serde_json::Value;

use crate::call::header_bytes;
use crate::google;
use crate::kind::Proof;
use crate::kinds;
use crate::oidc::{self, KeyStore};
use crate::rejection::Rejection;
use crate::signature::{self, BodyCheck, Signature, SignaturePolicy};
use crate::table::{Credentials, Found};

/// What a genuine call proved besides.
#[derive(Clone, Debug, Default)]
pub struct Proven {
    /// The claims of its token, for the type that has them.
    pub claims: Option<Value>,
}

/// Checks calls.
pub struct Authenticator {
    keys: KeyStore,
    clock: Arc<dyn Clock>,
    policy: SignaturePolicy,
}

impl Authenticator {
    /// An authenticator with its own store of issuers' keys.
    pub fn new(keys: KeyStore, clock: Arc<dyn Clock>, policy: SignaturePolicy) -> Self {
        Self {
            keys,
            clock,
            policy,
        }
    }

    /// Turns away what the headers alone show not to be genuine; else what is to be checked over the
    /// body, for each of the credentials. No I/O, no work that depends on the body.
    pub(crate) fn screen(
        &self,
        found: &Found,
        headers: &HeaderMap,
    ) -> Result<Vec<BodyCheck>, Rejection> {
        let credentials = &found.credentials;
        match found.kind.proof {
            Proof::Signature(names) => {
                let signature = Signature::read(headers, names, self.policy)?;
                let checks = credentials.iter().map(|it| signature.check(it.token()));
                checks.collect()
            }
            Proof::PlainSha1(name) => {
                let sent = header_bytes(headers, name)
                    .filter(|sent| !sent.is_empty())
                    .ok_or(Rejection::Missing)?;
                let checks = credentials.iter();
                let checks = checks.map(|it| signature::check_plain_sha1(sent, it.token()));
                checks.collect()
            }
            Proof::Path => Ok(Vec::new()),
            Proof::Token(name) => any(found, |credentials| {
                signature::verify_token(headers, name, credentials.token())
            })
            .map(|()| Vec::new()),
            Proof::Oidc => {
                let issuers = &found.receiver.issuers;
                oidc::claimed(headers, issuers, self.clock.now()).map(|_| Vec::new())
            }
            Proof::Google => any(found, |credentials| {
                google::claimed(headers, credentials.secret(), self.clock.now())
            })
            .map(|_| Vec::new()),
        }
    }

    /// Does for nobody what [`Authenticator::screen`] does with these headers for a Receiver of the
    /// type that sends them.
    pub(crate) fn screen_for_nobody(&self, headers: &HeaderMap, key: &[u8]) {
        for kind in kinds::ALL {
            match kind.proof {
                Proof::Token(name) => drop(signature::verify_token(headers, name, key)),
                Proof::Oidc => drop(oidc::claimed(headers, &[], self.clock.now())),
                Proof::Path | Proof::Signature(_) | Proof::PlainSha1(_) | Proof::Google => {}
            }
        }
    }

    /// Decides, given what came of the checks over the body. Asks an issuer for its keys only if the
    /// token is otherwise good.
    pub(crate) async fn check(
        &self,
        found: &Found,
        checks: Vec<BodyCheck>,
        headers: &HeaderMap,
    ) -> Result<Proven, Rejection> {
        match found.kind.proof {
            Proof::Oidc => {
                let now = self.clock.now();
                let (token, issuer) = oidc::claimed(headers, &found.receiver.issuers, now)?;
                let claims = oidc::verify(token, issuer, &self.keys).await?;
                Ok(Proven {
                    claims: Some(claims),
                })
            }
            Proof::Google => {
                let now = self.clock.now();
                let token = any(found, |credentials| {
                    google::claimed(headers, credentials.secret(), now)
                })?;
                google::verify(&token, &self.keys).await?;
                Ok(Proven::default())
            }
            Proof::Signature(_) | Proof::PlainSha1(_) => {
                // All of them, so that it takes no longer for one than for another.
                let verdicts: Vec<_> = checks.into_iter().map(BodyCheck::verdict).collect();
                let is_any = verdicts.iter().any(Result::is_ok);
                is_any.then(Proven::default).ok_or(Rejection::Mismatch)
            }
            // The headers said all there is to say.
            Proof::Path | Proof::Token(_) => Ok(Proven::default()),
        }
    }
}

/// What any of the credentials leads to; else what the first one led to.
fn any<T>(
    found: &Found,
    check: impl Fn(&Credentials) -> Result<T, Rejection>,
) -> Result<T, Rejection> {
    let mut rejection = Rejection::Missing;
    for (index, credentials) in found.credentials.iter().enumerate() {
        match check(credentials) {
            Ok(passed) => return Ok(passed),
            Err(reason) if index == 0 => rejection = reason,
            Err(_) => {}
        }
    }
    Err(rejection)
}
