//! Looks at Receivers with their Secrets: which can be called, with which token. Says so to whoever
//! answers calls, and in their status if this process holds the lease.
//!
//! A Receiver is looked at when it or its Secret changed; where no watch tells of Secrets, now and
//! then. What cannot be known because the API server does not answer changes nothing.

mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use api::{ObjectKey, SecretData};
use domain::ValidReceiver;
use domain::ports::{Clock, SecretReader as _};
use domain::receiver::PathDigest;
use domain::receiver::status::path_from_secret;
use futures::StreamExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::Client;
use crate::follower::Input;
use crate::looks::{LookObserver, LookResult, LookedAt};
use crate::recorder::Reporter;
use crate::secrets::Secrets;
use crate::suspects::Suspects;
use crate::world::{ReceiverRecord, World};

use status::Statuses;

/// Receivers looked at at once.
const AT_ONCE: usize = 8;

/// How soon a look that the API server did not answer is repeated.
const AGAIN: Duration = Duration::from_secs(5);

/// How often Receivers are looked at again whose Secrets no watch tells of.
const UNWATCHED: Duration = Duration::from_secs(30);

/// What changed about a Receiver.
#[derive(Clone)]
pub enum ReceiverUpdate {
    /// It can be called.
    Serve {
        /// The Receiver.
        receiver: Arc<ValidReceiver>,
        /// The data of its Secret; `None` for the type without one.
        secret: Option<Arc<SecretData>>,
    },
    /// Its specification cannot be used.
    Hold(ObjectKey),
    /// Its token cannot be had: no Secret, none of our business, or no token in it.
    LoseToken(ObjectKey),
    /// It is gone.
    Remove(ObjectKey),
    /// All Receivers that existed at the start have been told of: a path that is unknown now belongs
    /// to none.
    AllKnown,
}

impl fmt::Debug for ReceiverUpdate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serve { receiver, .. } => write!(formatter, "Serve({})", receiver.key),
            Self::Hold(key) => write!(formatter, "Hold({key})"),
            Self::LoseToken(key) => write!(formatter, "LoseToken({key})"),
            Self::Remove(key) => write!(formatter, "Remove({key})"),
            Self::AllKnown => formatter.write_str("AllKnown"),
        }
    }
}

/// What the keeper needs.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) world: watch::Receiver<Arc<World>>,
    /// Receivers whose Secrets changed.
    pub(crate) suspects: Arc<Suspects>,
    /// Where findings go.
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) is_leader: watch::Receiver<bool>,
    /// Tells owners what became of their Receivers.
    pub(crate) reporter: Reporter,
    pub(crate) looks: Arc<dyn LookObserver>,
}

/// Keeps what is known of Receivers true.
pub(crate) struct Keeper {
    parts: Parts,
    statuses: Statuses,
    world: Arc<World>,
    seen: BTreeMap<ObjectKey, Seen>,
    are_all_known: bool,
}

/// A Receiver as it was looked at last.
struct Seen {
    record: Arc<ReceiverRecord>,
    /// The last one that could be known.
    finding: Option<Finding>,
    /// Whether that is what this record and its Secret lead to.
    is_current: bool,
    /// When to look again.
    again: Option<Instant>,
}

/// What a look showed.
#[derive(Clone)]
struct Finding {
    /// The path, or why there is none.
    path: Result<PathDigest, String>,
    update: ReceiverUpdate,
}

impl Keeper {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            statuses: Statuses::new(parts.client.clone(), parts.reporter.clone()),
            world: Arc::default(),
            seen: BTreeMap::new(),
            are_all_known: false,
            parts,
        }
    }

    /// Runs until dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let again = self.seen.values().filter_map(|seen| seen.again);
            let far = Instant::now() + Duration::from_hours(1);
            let alarm = again.chain(self.statuses.alarm()).min().unwrap_or(far);
            tokio::select! {
                Ok(()) = self.parts.world.changed() => {}
                () = self.parts.suspects.added() => {}
                Ok(()) = self.parts.is_leader.changed() => {}
                () = sleep_until(alarm) => {}
            }
            self.world = self.parts.world.borrow_and_update().clone();
            if self.world.has_receivers {
                self.round().await;
            }
        }
    }

    async fn round(&mut self) {
        let mut updates = self.forget_what_is_gone();
        for (key, finding) in self.look().await {
            updates.push(finding.update.clone());
            self.statuses.is_due(key.clone());
            if let Some(seen) = self.seen.get_mut(&key) {
                seen.finding = Some(finding);
            }
        }
        if !self.are_all_known && self.seen.values().all(|seen| seen.finding.is_some()) {
            self.are_all_known = true;
            updates.push(ReceiverUpdate::AllKnown);
        }
        if !updates.is_empty() {
            let (in_force, is_in_force) = oneshot::channel();
            let served = Input::Served { updates, in_force };
            // The follower is gone only when all is being shut down.
            let _ = self.parts.inputs.send(served).await;
            // Whoever reads a path in the status may call it at once.
            let _ = is_in_force.await;
        }
        let is_leader = *self.parts.is_leader.borrow_and_update();
        let now = self.parts.clock.now();
        self.statuses.write(&self.seen, is_leader, now).await;
    }

    fn forget_what_is_gone(&mut self) -> Vec<ReceiverUpdate> {
        let exists = |key: &ObjectKey| self.world.receivers.contains_key(key);
        let gone: Vec<ObjectKey> = self
            .seen
            .keys()
            .filter(|key| !exists(key))
            .cloned()
            .collect();
        for key in &gone {
            self.seen.remove(key);
            self.parts.looks.gone(LookedAt::Receiver, key);
        }
        self.statuses.only(exists);
        gone.into_iter().map(ReceiverUpdate::Remove).collect()
    }

    /// Looks at everybody who is new, changed, suspect or due, and answers what could be known.
    async fn look(&mut self) -> Vec<(ObjectKey, Finding)> {
        let suspects = self.parts.suspects.take();
        let due = self.due(&suspects);
        let (secrets, observer) = (&self.parts.secrets, &self.parts.looks);
        let looks: Vec<_> = futures::stream::iter(due)
            .map(|(key, record)| async move {
                let started = Instant::now();
                let finding = look_at(&record, secrets).await;
                let result = match &finding {
                    Some(Finding { path: Ok(_), .. }) => LookResult::Well,
                    Some(_) if record.checked.is_err() => LookResult::Broken,
                    _ => LookResult::Troubled,
                };
                observer.looked(LookedAt::Receiver, &key, started.elapsed(), result);
                (key, record, finding)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut findings = Vec::new();
        for (key, record, finding) in looks {
            let is_told = record
                .secret
                .as_ref()
                .is_none_or(|it| secrets.is_watched(it));
            let pause = match &finding {
                None => Some(AGAIN),
                Some(_) if is_told => None,
                Some(_) => Some(UNWATCHED),
            };
            let before = self.seen.remove(&key).and_then(|seen| seen.finding);
            let seen = Seen {
                record,
                is_current: finding.is_some(),
                finding: before,
                again: pause.map(|pause| Instant::now() + pause),
            };
            self.seen.insert(key.clone(), seen);
            findings.extend(finding.map(|finding| (key, finding)));
        }
        findings
    }

    fn due(&self, suspects: &BTreeSet<ObjectKey>) -> Vec<(ObjectKey, Arc<ReceiverRecord>)> {
        let now = Instant::now();
        let is_due = |key: &ObjectKey, record: &Arc<ReceiverRecord>| match self.seen.get(key) {
            None => true,
            Some(seen) => {
                !Arc::ptr_eq(&seen.record, record)
                    || suspects.contains(key)
                    || seen.again.is_some_and(|again| again <= now)
            }
        };
        let receivers = self.world.receivers.iter();
        receivers
            .filter(|(key, record)| is_due(key, record))
            .map(|(key, record)| (key.clone(), record.clone()))
            .collect()
    }
}

/// What can be said of a Receiver; `None` if that cannot be known right now.
async fn look_at(record: &ReceiverRecord, secrets: &Secrets) -> Option<Finding> {
    let key = &record.observed.key;
    let Ok(receiver) = &record.checked else {
        return Some(Finding {
            path: Err(String::new()),
            update: ReceiverUpdate::Hold(key.clone()),
        });
    };
    let Some(secret) = &receiver.secret else {
        return Some(Finding {
            path: Ok(PathDigest::of(b"", key)),
            update: ReceiverUpdate::Serve {
                receiver: receiver.clone(),
                secret: None,
            },
        });
    };
    let (path, data) = match secrets.read(secret).await {
        Ok(found) => {
            let data = found.map(|found| found.data);
            (path_from_secret(key, secret, data.as_deref()), data)
        }
        Err(error) if error.is_temporary => return None,
        Err(error) => {
            let words = format!(
                "unable to read token from secret '{secret}' error: {}",
                error.reason
            );
            (Err(words), None)
        }
    };
    let update = match &path {
        Ok(_) => ReceiverUpdate::Serve {
            receiver: receiver.clone(),
            secret: data,
        },
        Err(_) => ReceiverUpdate::LoseToken(key.clone()),
    };
    Some(Finding { path, update })
}
