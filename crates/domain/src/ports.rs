//! All ports on one page: the traits through which deciding code asks the outside world.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{ObjectKey, ObjectReference, Problem, Provider, SecretData};
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use crate::CleanEvent;
use crate::delivery::{Delivery, Outcome};
use crate::provider::Capabilities;
use crate::receiver::kept::{KeptCall, KeptCallId, NewKeptCall};

/// What time it is. Sleeping belongs to the runtime.
pub trait Clock: Send + Sync {
    /// Wall-clock time.
    fn now(&self) -> Timestamp;
}

/// Random numbers.
pub trait Random: Send + Sync {
    /// A number in `0.0..1.0`.
    fn fraction(&self) -> f64;
}

/// Labels of the objects that events are about.
pub trait ObjectReader: Send + Sync {
    /// The labels of one object; `None` if it does not exist or cannot be read.
    fn labels<'a>(
        &'a self,
        object: &'a ObjectReference,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>>;
}

/// A Secret as it is now.
#[derive(Clone, Debug)]
pub struct VersionedSecret {
    /// Changes whenever the data changes; reveals nothing about it.
    pub version: String,
    /// The data.
    pub data: Arc<SecretData>,
}

/// Why a Secret could not be read; missing ones are `Ok(None)`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("reading secret `{key}`: {reason}")]
pub struct SecretError {
    /// Which one.
    pub key: ObjectKey,
    /// What went wrong; never the content.
    pub reason: String,
}

/// Secrets, read when an attempt starts.
pub trait SecretReader: Send + Sync {
    /// The data of a Secret, now.
    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Option<VersionedSecret>, SecretError>>;
}

/// Which provider types exist and what they need. Answered by `providers`, asked by validation, so
/// that conditions, `check` and start-up all say the same thing.
pub trait KindDirectory: Send + Sync {
    /// All type names, sorted.
    fn names(&self) -> Vec<&'static str>;
    /// What a type can do; `None` if there is no such type.
    fn capabilities(&self, kind: &str) -> Option<Capabilities>;
    /// Problems of a Provider that only its type knows, without looking at Secrets.
    fn check(&self, provider: &Provider) -> Vec<Problem>;
}

/// One attempt to keep a promise, all look-ups included.
pub trait Courier: Send + Sync {
    /// Finds the Provider, reads its Secrets, sends. Never longer than the Provider's timeout plus
    /// the time its Secrets take; every detail in the answer is redacted. `attempt` is 1 for the
    /// first.
    fn deliver<'a>(
        &'a self,
        delivery: &'a Delivery,
        event: &'a CleanEvent,
        attempt: u32,
    ) -> BoxFuture<'a, Outcome>;
}

/// Facts remembered between deliveries.
pub trait Memory: Send + Sync {
    /// The value stored last under a key; `None` if there is none or it cannot be read.
    fn recall<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<String>>;
}

/// Why an object could not be read, or could not be asked for a reconciliation.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ObjectError {
    /// There is no such object, or no such kind.
    #[error("not found")]
    NotFound,
    /// Whoever knows is away or overloaded; the same may work later.
    #[error("{0}")]
    Unavailable(String),
    /// It will not work until somebody changes something, for example permissions.
    #[error("{0}")]
    Refused(String),
}

/// The objects that Receivers name, as they are now. What is answered is `apiVersion`, `kind` and
/// `metadata`; more may be left out.
pub trait Resources: Send + Sync {
    /// One object.
    fn get<'a>(
        &'a self,
        object: &'a ObjectReference,
    ) -> BoxFuture<'a, Result<Arc<Value>, ObjectError>>;

    /// Objects of the version, kind and namespace of `like` that carry all labels, at most `limit`.
    fn list<'a>(
        &'a self,
        like: &'a ObjectReference,
        labels: &'a BTreeMap<String, String>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Value>>, ObjectError>>;
}

/// Somebody wants an object to be reconciled at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconcileRequest {
    /// Which object: version, kind, namespace, name.
    pub object: ObjectReference,
    /// When; what the annotation says, as RFC 3339.
    pub at: Timestamp,
    /// The Receiver that was called.
    pub receiver: ObjectKey,
}

/// Passes requests for reconciliation on.
pub trait ReconcileRequester: Send + Sync {
    /// Asks. Asking twice is no different from asking once, later.
    fn request<'a>(
        &'a self,
        request: &'a ReconcileRequest,
    ) -> BoxFuture<'a, Result<(), ObjectError>>;
}

/// Why a call was not kept.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeepError {
    /// Too many are kept already, of this Receiver or in all.
    #[error("too many calls are kept already")]
    Full,
    /// The medium failed or is closed.
    #[error("{0}")]
    Failed(String),
}

/// Genuine calls that could not be answered for with deeds yet, durably and bounded. They hold
/// neither paths nor tokens.
pub trait KeptCalls: Send + Sync {
    /// Keeps a call; it is on the medium when this returns. A call without content is kept once per
    /// Receiver, however often it comes.
    fn keep(&self, call: NewKeptCall) -> BoxFuture<'_, Result<(), KeepError>>;

    /// Calls that are due, oldest first.
    fn due_calls(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<KeptCall>, KeepError>>;

    /// Puts a call off, counting one more attempt.
    fn postpone(&self, id: KeptCallId, until: Timestamp) -> BoxFuture<'_, Result<(), KeepError>>;

    /// Forgets a call: it was answered for, or it never will be.
    fn forget(&self, id: KeptCallId) -> BoxFuture<'_, Result<(), KeepError>>;
}
