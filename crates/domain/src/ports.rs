//! All ports on one page: the traits through which deciding code asks the outside world.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{ObjectKey, ObjectReference, Problem, Provider, Secret, SecretData};
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use crate::delivery::{Delivery, DeliveryState, Failure, FailureClass, Outcome};
use crate::provider::Capabilities;
use crate::receiver::kept::{KeptCall, KeptCallId, NewKeptCall};
use crate::{CleanEvent, ValidProvider};

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
    /// It may work the next time without anybody changing anything, for example because the API
    /// server does not answer right now.
    pub is_temporary: bool,
}

/// Secrets, read when an attempt starts.
pub trait SecretReader: Send + Sync {
    /// The data of a Secret, now.
    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Option<VersionedSecret>, SecretError>>;
}

/// Why a ServiceAccount's identity cannot be used. Never holds a token.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TokenIssuerError {
    /// There is no cluster to ask.
    #[error("service account `{0}`: service accounts exist only in a cluster")]
    NoCluster(ObjectKey),
    /// The cluster says no: a change of configuration or permission heals it.
    #[error("service account `{account}`: {reason}")]
    Refused {
        /// Whose identity.
        account: ObjectKey,
        /// What the cluster said.
        reason: String,
    },
    /// The cluster did not answer: worth trying again.
    #[error("service account `{account}`: {reason}")]
    Unavailable {
        /// Whose identity.
        account: ObjectKey,
        /// What happened.
        reason: String,
    },
}

/// Identities of ServiceAccounts, which clouds take in exchange for tokens of their own
/// (`operations.md` section 8.2).
///
/// Both are asked at each attempt that needs a new token; `annotations` at every attempt of a
/// Provider with such an identity, so it should be answered from a cache.
pub trait TokenIssuer: Send + Sync {
    /// The annotations of a ServiceAccount; `None` if it does not exist.
    fn annotations<'a>(
        &'a self,
        account: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<String, String>>, TokenIssuerError>>;

    /// A short-lived token for a ServiceAccount that only `audience` takes, as the API server's
    /// TokenRequest gives it, of the default lifetime. It is used at once and never kept.
    fn issue<'a>(
        &'a self,
        account: &'a ObjectKey,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<Secret<String>, TokenIssuerError>>;
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

/// Whether a Provider could be sent to as it is configured now.
pub trait ProviderCheck: Send + Sync {
    /// Reads its Secrets and prepares everything that an attempt needs, but sends nothing. The error
    /// is what an attempt would fail with; its detail is redacted.
    fn check<'a>(&'a self, provider: &'a Arc<ValidProvider>) -> BoxFuture<'a, Result<(), Failure>>;
}

/// What became of a delivery: it was settled, or given back for later.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// Which one.
    pub delivery: &'a Delivery,
    /// Its event; `None` if it cannot be read any more.
    pub event: Option<&'a CleanEvent>,
    /// Where it is now.
    pub state: DeliveryState,
    /// Attempts made so far.
    pub attempts: u32,
    /// What sort of failure the last attempt met; `None` if it succeeded or none was made.
    pub class: Option<FailureClass>,
    /// HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// What happened, redacted, at most about 1 KiB.
    pub detail: &'a str,
    /// When.
    pub at: Timestamp,
}

/// Hears what becomes of deliveries. Calls come from busy tasks: they must be quick and never block.
pub trait NoticeSink: Send + Sync {
    /// An attempt ended, or a delivery was settled without one.
    fn settled(&self, notice: Notice<'_>);
    /// A destination is left alone until then; `None` when it is not any more.
    fn paused(&self, provider: &ObjectKey, until: Option<Timestamp>);
}

/// Why a sender may not send events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderRefused {
    /// It has no token, or one that nobody vouches for.
    Unknown,
    /// Its token is genuine, but it is not on the list.
    NotAllowed,
    /// Nobody could be asked; it may try again.
    Undecided,
}

/// Whether a sender may send events.
pub trait SenderCheck: Send + Sync {
    /// Judges the bearer token of a request.
    fn check<'a>(&'a self, token: &'a Secret<String>) -> BoxFuture<'a, Result<(), SenderRefused>>;
}

/// How many deliveries of a Provider are in a state.
pub type Tally = (ObjectKey, DeliveryState, u64);

/// Counts deliveries.
pub trait DeliveryTallies: Send + Sync {
    /// All counts there are, within reason; `None` if they cannot be read right now.
    fn tallies(&self) -> BoxFuture<'_, Option<Vec<Tally>>>;
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
    fn keep(&self, call: NewKeptCall) -> BoxFuture<'_, Result<KeptCallId, KeepError>>;

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
