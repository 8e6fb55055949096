//! Why a call was turned away: told to the log and the metrics, never to the caller.

use thiserror::Error;

/// Why a call is not genuine, or cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Rejection {
    /// No signature or token came with it.
    #[error("missing signature or token")]
    Missing,
    /// A signature or token in a form that cannot be read.
    #[error("malformed signature or token")]
    Malformed,
    /// An algorithm that is unknown or not allowed here.
    #[error("the signature's algorithm is not accepted here")]
    Algorithm,
    /// The signature or token is not the right one.
    #[error("the signature or token does not match")]
    Mismatch,
    /// A token of somebody else, for somebody else, or out of its time.
    #[error("the token is not acceptable: {0}")]
    Claims(String),
    /// The issuer's keys cannot be had.
    #[error("the issuer's keys cannot be read: {0}")]
    Issuer(String),
    /// The Secret lacks something that this type needs.
    #[error("the secret lacks the field '{0}'")]
    Secret(&'static str),
    /// Genuine, but nothing this type can read.
    #[error("the payload cannot be read: {0}")]
    Payload(String),
}

impl Rejection {
    /// The stable label for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Mismatch => "mismatch",
            Self::Claims(_) => "claims",
            Self::Issuer(_) => "issuer",
            Self::Secret(_) => "secret",
            Self::Payload(_) => "payload",
        }
    }
}
