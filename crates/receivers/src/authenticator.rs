//! Whether a call is genuine, for every type: first by its headers, then by its body.

use std::sync::Arc;

use domain::ports::Clock;
use http::HeaderMap;
use serde_json::Value;

use crate::call::{Call, header_bytes};
use crate::google;
use crate::kind::Proof;
use crate::oidc::{self, KeyStore};
use crate::rejection::Rejection;
use crate::signature::{self, Signature, SignaturePolicy};
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

    /// Turns away what the headers alone show not to be genuine. No I/O, no work that depends on the
    /// body.
    pub fn screen(&self, found: &Found, headers: &HeaderMap) -> Result<(), Rejection> {
        any(found, |credentials| {
            self.screen_with(found, credentials, headers)
        })
    }

    /// Decides. Asks an issuer for its keys only if the token is otherwise good.
    pub async fn check(&self, found: &Found, call: &Call) -> Result<Proven, Rejection> {
        let headers = &call.headers;
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
            _ => {
                any(found, |credentials| {
                    self.check_with(found, credentials, call)
                })?;
                Ok(Proven::default())
            }
        }
    }

    fn screen_with(
        &self,
        found: &Found,
        credentials: &Credentials,
        headers: &HeaderMap,
    ) -> Result<(), Rejection> {
        match found.kind.proof {
            Proof::Path => Ok(()),
            Proof::Signature(names) => Signature::read(headers, names, self.policy).map(|_| ()),
            Proof::PlainSha1(name) => header_bytes(headers, name)
                .filter(|sent| !sent.is_empty())
                .map(|_| ())
                .ok_or(Rejection::Missing),
            Proof::Token(name) => signature::verify_token(headers, name, credentials.token()),
            Proof::Oidc => {
                let issuers = &found.receiver.issuers;
                oidc::claimed(headers, issuers, self.clock.now()).map(|_| ())
            }
            Proof::Google => {
                google::claimed(headers, credentials.secret(), self.clock.now()).map(|_| ())
            }
        }
    }

    fn check_with(
        &self,
        found: &Found,
        credentials: &Credentials,
        call: &Call,
    ) -> Result<(), Rejection> {
        match found.kind.proof {
            Proof::Signature(names) => Signature::read(&call.headers, names, self.policy)?
                .verify(credentials.token(), &call.body),
            Proof::PlainSha1(name) => {
                let sent = header_bytes(&call.headers, name).ok_or(Rejection::Missing)?;
                signature::verify_plain_sha1(sent, credentials.token(), &call.body)
            }
            _ => self.screen_with(found, credentials, &call.headers),
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
