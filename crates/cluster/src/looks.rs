//! Tells whoever counts of every look at an object.

use std::time::Duration;

use api::ObjectKey;

/// The kinds that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookedAt {
    /// A Provider, with its Secrets.
    Provider,
    /// A Receiver, with its Secret.
    Receiver,
}

/// What a look led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookResult {
    /// The object is in use.
    Well,
    /// It is not, until something outside it changes; or the API server did not answer.
    Troubled,
    /// It is not, until it is changed itself.
    Broken,
}

/// Hears how looks at objects went, for metrics.
pub trait LookObserver: Send + Sync {
    /// An object was looked at, which took so long.
    fn looked(&self, kind: LookedAt, object: &ObjectKey, took: Duration, result: LookResult);

    /// An object is gone.
    fn gone(&self, kind: LookedAt, object: &ObjectKey);
}
