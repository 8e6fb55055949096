//! All Receivers that can be called, by the digest in their path; their tokens, and for a while those
//! they had before.
//!
//! Everything a call needs to be told genuine or not is in memory. Nothing of it is ever stored, so a
//! restart ends the time in which a former token still counts.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use api::{ObjectKey, SecretData};
use domain::ValidReceiver;
use domain::delivery::retry::later;
use domain::receiver::PathDigest;
use jiff::Timestamp;

use crate::kind::ReceiverKind;
use crate::kinds;
use crate::replays::Replays;
use crate::throttle::Throttle;

/// Former tokens of one Receiver that may still count.
const MOST_FORMER: usize = 3;

/// Most Receivers that one path may belong to. Equal paths are possible, because token, name and
/// namespace are put together without separators.
const MOST_ON_ONE_PATH: usize = 8;

/// What a Receiver's callers must know.
#[derive(Clone)]
pub struct Credentials {
    digest: PathDigest,
    secret: Arc<SecretData>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials(*****)")
    }
}

impl Credentials {
    /// Those of a Receiver with a Secret; `None` if its token is missing or empty.
    pub fn from_secret(receiver: &ObjectKey, secret: Arc<SecretData>) -> Option<Self> {
        let token = secret.get("token")?.expose();
        if token.is_empty() {
            return None;
        }
        let digest = PathDigest::of(token, receiver);
        Some(Self { digest, secret })
    }

    /// Those of a Receiver that takes tokens of issuers and has no Secret.
    pub fn without_secret(receiver: &ObjectKey) -> Self {
        Self {
            digest: PathDigest::of(b"", receiver),
            secret: Arc::default(),
        }
    }

    /// The digest in the path.
    pub fn digest(&self) -> PathDigest {
        self.digest
    }

    pub(crate) fn token(&self) -> &[u8] {
        self.secret
            .get("token")
            .map(|token| token.expose().as_slice())
            .unwrap_or_default()
    }

    pub(crate) fn secret(&self) -> &SecretData {
        &self.secret
    }
}

/// Whether a Receiver serves calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// It does.
    Ready,
    /// The user switched it off.
    Suspended,
    /// Its specification or its Secret cannot be used.
    NotReady,
}

/// A Receiver as a call finds it.
#[derive(Clone)]
pub struct Found {
    pub(crate) receiver: Arc<ValidReceiver>,
    pub(crate) kind: &'static ReceiverKind,
    /// The current ones and former ones that still count. Any of them will do on any of its paths: a
    /// sender's address and its secret are rarely changed in one step.
    pub(crate) credentials: Vec<Credentials>,
    pub(crate) service: Service,
    pub(crate) recent: Arc<Recent>,
}

impl fmt::Debug for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Found")
            .field("receiver", &self.receiver.key)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl Found {
    /// Namespace and name.
    pub fn key(&self) -> &ObjectKey {
        &self.receiver.key
    }
}

/// What is remembered of recent calls; survives changes of the Receiver.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    pub(crate) replays: Replays,
    pub(crate) throttle: Throttle,
}

/// The table.
pub struct Table {
    overlap: Duration,
    inner: RwLock<Inner>,
    are_all_known: AtomicBool,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<ObjectKey, Entry>,
    paths: HashMap<PathDigest, Vec<ObjectKey>>,
}

struct Entry {
    receiver: Arc<ValidReceiver>,
    kind: &'static ReceiverKind,
    is_usable: bool,
    current: Option<Credentials>,
    /// Newest first, each until when it counts.
    former: Vec<(Credentials, Timestamp)>,
    recent: Arc<Recent>,
}

impl Table {
    /// An empty table. A former token counts for `overlap` after it was replaced; zero for not at all.
    pub fn new(overlap: Duration) -> Self {
        Self {
            overlap,
            inner: RwLock::default(),
            are_all_known: AtomicBool::new(true),
        }
    }

    /// The same, but until [`Table::all_are_known`] a path that is not in it may yet turn out to be
    /// somebody's: callers are told to come again, and kept calls wait.
    pub fn to_be_filled(overlap: Duration) -> Self {
        Self {
            are_all_known: AtomicBool::new(false),
            ..Self::new(overlap)
        }
    }

    /// Everybody who exists has been put in.
    pub fn all_are_known(&self) {
        self.are_all_known.store(true, Ordering::Release);
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.are_all_known.load(Ordering::Acquire)
    }

    /// Puts a Receiver in force. Types that are unknown are left out; validation reports them.
    pub fn serve(&self, receiver: Arc<ValidReceiver>, credentials: Credentials, now: Timestamp) {
        let Some(kind) = kinds::find(&receiver.kind) else {
            return self.remove(&receiver.key.clone());
        };
        self.change(&receiver.key.clone(), |entry| {
            let mut entry = match entry {
                Some(entry) => Entry {
                    receiver,
                    kind,
                    is_usable: true,
                    ..entry
                },
                None => Entry {
                    receiver,
                    kind,
                    is_usable: true,
                    current: None,
                    former: Vec::new(),
                    recent: Arc::default(),
                },
            };
            entry.replace(Some(credentials), later(now, self.overlap), now);
            Some(entry)
        });
    }

    /// A Receiver's specification cannot be used any more: its path stays and answers 503.
    pub fn hold(&self, receiver: &ObjectKey) {
        self.change(receiver, |entry| {
            entry.map(|entry| Entry {
                is_usable: false,
                ..entry
            })
        });
    }

    /// A Receiver has no token any more: the last one counts as a former one, and proves only that
    /// the caller may be told 503.
    pub fn lose_token(&self, receiver: &ObjectKey, now: Timestamp) {
        self.change(receiver, |entry| {
            let mut entry = entry?;
            entry.is_usable = false;
            entry.replace(None, later(now, self.overlap), now);
            (!entry.former.is_empty()).then_some(entry)
        });
    }

    /// A Receiver is gone.
    pub fn remove(&self, receiver: &ObjectKey) {
        self.change(receiver, |_| None);
    }

    /// All Receivers that are known.
    pub fn keys(&self) -> Vec<ObjectKey> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.entries.keys().cloned().collect()
    }

    /// The Receivers of a path, in order of their keys; usually one or none.
    pub fn find(&self, digest: &PathDigest, now: Timestamp) -> Vec<Found> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let keys = inner.paths.get(digest).into_iter().flatten();
        keys.filter_map(|key| inner.entries.get(key)?.found(digest, now))
            .collect()
    }

    /// A Receiver by its name, for calls that were kept.
    pub fn get(&self, receiver: &ObjectKey, now: Timestamp) -> Option<Found> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let entry = inner.entries.get(receiver)?;
        let digest = entry.digests().next()?;
        entry.found(&digest, now)
    }

    fn change(&self, key: &ObjectKey, change: impl FnOnce(Option<Entry>) -> Option<Entry>) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        let before = inner.entries.remove(key);
        for digest in before.iter().flat_map(Entry::digests) {
            if let Some(keys) = inner.paths.get_mut(&digest) {
                keys.retain(|other| other != key);
                if keys.is_empty() {
                    inner.paths.remove(&digest);
                }
            }
        }
        if let Some(entry) = change(before) {
            for digest in entry.digests() {
                let keys = inner.paths.entry(digest).or_default();
                if !keys.contains(key) && keys.len() < MOST_ON_ONE_PATH {
                    keys.push(key.clone());
                    keys.sort();
                }
            }
            inner.entries.insert(key.clone(), entry);
        }
    }
}

impl Entry {
    fn digests(&self) -> impl Iterator<Item = PathDigest> + '_ {
        let former = self.former.iter().map(|(credentials, _)| credentials);
        self.current.iter().chain(former).map(Credentials::digest)
    }

    /// Puts other credentials in force; those that were count until `until`.
    fn replace(&mut self, next: Option<Credentials>, until: Timestamp, now: Timestamp) {
        let is_same = match (&self.current, &next) {
            (Some(current), Some(next)) => current.token() == next.token(),
            _ => false,
        };
        if let Some(current) = self.current.take().filter(|_| !is_same) {
            self.former.insert(0, (current, until));
        }
        let digest = next.as_ref().map(Credentials::digest);
        self.former
            .retain(|(former, until)| *until > now && Some(former.digest()) != digest);
        self.former.truncate(MOST_FORMER);
        self.current = next;
    }

    fn found(&self, digest: &PathDigest, now: Timestamp) -> Option<Found> {
        let former = self.former.iter().filter(|(_, until)| *until > now);
        let credentials: Vec<Credentials> = self
            .current
            .iter()
            .chain(former.map(|(credentials, _)| credentials))
            .cloned()
            .collect();
        if !credentials.iter().any(|known| known.digest == *digest) {
            return None;
        }
        let service = if !self.is_usable || self.current.is_none() {
            Service::NotReady
        } else if self.receiver.suspend {
            Service::Suspended
        } else {
            Service::Ready
        };
        Some(Found {
            receiver: self.receiver.clone(),
            kind: self.kind,
            credentials,
            service,
            recent: self.recent.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
