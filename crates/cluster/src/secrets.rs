//! Secrets by name: read when they are needed, kept until they change, never listed.
//!
//! While a watch says which Secrets change, what was read stays good; without one it is good for half
//! a minute. When the API server does not answer, what was read last serves on.

pub(crate) mod following;
pub(crate) mod reading;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::ObjectKey;
use domain::ports::{SecretError, SecretReader, VersionedSecret};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::Client;

/// How long a Secret is good that no watch vouches for.
const UNWATCHED: Duration = Duration::from_secs(30);

/// After a failure, how long the API server is not asked again for the same Secret.
const REST: Duration = Duration::from_secs(2);

/// Secrets kept that no Provider and no Receiver names (any more).
const MOST_STRANGERS: usize = 1000;

/// Reads Secrets of the cluster.
pub struct Secrets {
    client: Client,
    slots: Mutex<HashMap<ObjectKey, Arc<Slot>>>,
    watched: Mutex<Watched>,
}

/// Where a watch vouches for what was read.
#[derive(Default)]
struct Watched {
    everywhere: bool,
    namespaces: HashSet<String>,
}

#[derive(Default)]
struct Slot {
    /// Held while the API server is asked, so that it is asked once.
    asking: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    /// The last question failed, and until when that answer is good enough.
    failed: Option<(SecretError, Instant)>,
    /// Counts changes, so that an answer that was under way meanwhile is not taken for the newest.
    changes: u64,
}

#[derive(Clone)]
struct Known {
    /// `None`: there is no such Secret.
    secret: Option<VersionedSecret>,
    read_at: Instant,
    is_outdated: bool,
}

impl Secrets {
    /// Nothing read yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            slots: Mutex::default(),
            watched: Mutex::default(),
        }
    }

    async fn find(&self, key: &ObjectKey) -> Result<Option<VersionedSecret>, SecretError> {
        let slot = lock(&self.slots).entry(key.clone()).or_default().clone();
        if let Some(answer) = self.good_answer(key, &slot) {
            return answer;
        }
        let _asking = slot.asking.lock().await;
        if let Some(answer) = self.good_answer(key, &slot) {
            return answer;
        }
        let changes = lock(&slot.state).changes;
        let answer = reading::get(&self.client, key).await;
        let mut state = lock(&slot.state);
        match answer {
            Ok(secret) => {
                state.failed = None;
                state.known = Some(Known {
                    secret: secret.clone(),
                    read_at: Instant::now(),
                    is_outdated: state.changes != changes,
                });
                Ok(secret)
            }
            Err(error) => {
                state.failed = Some((error.clone(), Instant::now() + REST));
                match &state.known {
                    Some(known) if error.is_temporary => Ok(known.secret.clone()),
                    _ => Err(error),
                }
            }
        }
    }

    /// An answer that needs no question.
    fn good_answer(
        &self,
        key: &ObjectKey,
        slot: &Slot,
    ) -> Option<Result<Option<VersionedSecret>, SecretError>> {
        let is_watched = lock(&self.watched).covers(key);
        let state = lock(&slot.state);
        let now = Instant::now();
        if let Some(known) = &state.known
            && !known.is_outdated
            && (is_watched || now - known.read_at < UNWATCHED)
        {
            return Some(Ok(known.secret.clone()));
        }
        let (error, until) = state.failed.as_ref()?;
        if now >= *until {
            return None;
        }
        match &state.known {
            Some(known) if error.is_temporary => Some(Ok(known.secret.clone())),
            _ => Some(Err(error.clone())),
        }
    }

    /// Whether a watch tells when this Secret changes.
    pub(crate) fn is_watched(&self, key: &ObjectKey) -> bool {
        lock(&self.watched).covers(key)
    }

    /// Forgets what nobody names any more.
    pub(crate) fn only(&self, named: &BTreeSet<ObjectKey>) {
        let mut slots = lock(&self.slots);
        if slots.len() > named.len() + MOST_STRANGERS {
            slots.retain(|key, _| named.contains(key));
        }
    }

    /// A Secret may have changed; `version` is its new one if it still exists. Answers whether what
    /// we know of it, if anything, is outdated by that.
    fn note(&self, key: &ObjectKey, version: Option<&str>) -> bool {
        let Some(slot) = lock(&self.slots).get(key).cloned() else {
            return false;
        };
        let mut state = lock(&slot.state);
        state.changes += 1;
        state.failed = None;
        match &mut state.known {
            Some(known) if known.version() != version => {
                known.is_outdated = true;
                true
            }
            Some(_) => false,
            // It could not be read, or is being read.
            None => true,
        }
    }

    /// All keys that something is known of, as far as `within` says.
    fn known(&self, within: impl Fn(&ObjectKey) -> bool) -> Vec<ObjectKey> {
        let slots = lock(&self.slots);
        slots.keys().filter(|key| within(key)).cloned().collect()
    }

    fn watch_everywhere(&self, works: bool) {
        lock(&self.watched).everywhere = works;
    }

    fn watch_namespace(&self, namespace: &str, works: bool) {
        let mut watched = lock(&self.watched);
        if works {
            watched.namespaces.insert(namespace.to_owned());
        } else {
            watched.namespaces.remove(namespace);
        }
    }
}

impl Watched {
    fn covers(&self, key: &ObjectKey) -> bool {
        self.everywhere || self.namespaces.contains(&key.namespace)
    }
}

impl Known {
    fn version(&self) -> Option<&str> {
        self.secret.as_ref().map(|secret| secret.version.as_str())
    }
}

impl SecretReader for Secrets {
    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Option<VersionedSecret>, SecretError>> {
        self.find(key).boxed()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is complete at once.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
