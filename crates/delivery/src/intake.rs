//! Stage 1: recognise duplicates, append to the journal. When [`Intake::accept`] says yes, the event
//! is durable.
//!
//! Nothing here waits for a provider, a name look-up or an API.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::delivery::retry::later;
use domain::ports::Clock;
use domain::{CleanEvent, EventKey};
use jiff::Timestamp;
use tokio::sync::{Notify, oneshot};

use crate::duplicates::{Duplicates, Verdict};
use crate::store::{JournalEntry, NewEvent, Store, StoreError};
use crate::tail::Tail;

/// How long a sender is kept waiting for the disk. Senders give up after 5 s and repeat the event,
/// which is then recognised as the same one.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// An event that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// When the same event would be taken again.
    pub reset_at: Timestamp,
}

/// Why an event was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAccepted {
    /// It was taken before.
    Duplicate {
        /// When it would be taken again.
        reset_at: Timestamp,
    },
    /// It could not be stored; the sender should try again shortly.
    Unavailable {
        /// Why, for the log.
        reason: String,
    },
}

/// Takes events.
#[derive(Clone)]
pub struct Intake {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    duplicates: Mutex<Duplicates>,
    tail: Arc<Tail>,
    /// Rings when there is something to plan.
    bell: Arc<Notify>,
}

impl Intake {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        duplicates: Duplicates,
        tail: Arc<Tail>,
        bell: Arc<Notify>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                clock,
                duplicates: Mutex::new(duplicates),
                tail,
                bell,
            }),
        }
    }

    /// Takes an event. Once this was called the event is stored even if the caller goes away.
    pub async fn accept(&self, event: CleanEvent, key: EventKey) -> Result<Accepted, NotAccepted> {
        let now = self.inner.clock.now();
        let (verdict, interval) = {
            let mut duplicates = self.inner.duplicates();
            (duplicates.check(&key, now), duplicates.interval())
        };
        let interval_start = match verdict {
            Verdict::New { interval_start } => interval_start,
            Verdict::Duplicate { until } => {
                return Err(NotAccepted::Duplicate { reset_at: until });
            }
            Verdict::InFlight(outcome) => {
                return Err(match tokio::time::timeout(LONGEST_WAIT, outcome).await {
                    Ok(Ok(true)) => NotAccepted::Duplicate {
                        reset_at: later(now, interval),
                    },
                    _ => NotAccepted::Unavailable {
                        reason: "the same event is being stored and that failed or takes long"
                            .to_owned(),
                    },
                });
            }
        };
        let (answer, outcome) = oneshot::channel();
        self.append(event, key, interval_start, now, answer);
        match tokio::time::timeout(LONGEST_WAIT, outcome).await {
            Ok(Ok(Ok(()))) => Ok(Accepted {
                reset_at: later(interval_start, interval),
            }),
            Ok(Ok(Err(error))) => Err(NotAccepted::Unavailable {
                reason: error.to_string(),
            }),
            Ok(Err(_)) => Err(NotAccepted::Unavailable {
                reason: StoreError::Closed.to_string(),
            }),
            Err(_) => Err(NotAccepted::Unavailable {
                reason: format!("the store did not answer within {LONGEST_WAIT:?}"),
            }),
        }
    }

    fn append(
        &self,
        event: CleanEvent,
        key: EventKey,
        interval_start: Timestamp,
        received_at: Timestamp,
        answer: oneshot::Sender<Result<(), StoreError>>,
    ) {
        let event = Arc::new(event);
        let inner = self.inner.clone();
        let stored = event.clone();
        let on_appended = Box::new(move |result: Result<_, StoreError>| {
            if let Ok(position) = result {
                inner.tail.push(JournalEntry {
                    position,
                    received_at,
                    event: Some(stored),
                });
                inner.bell.notify_one();
            }
            inner
                .duplicates()
                .settle(&key, interval_start, result.is_ok(), received_at);
            // The sender may have hung up; the event counts all the same.
            let _ = answer.send(result.map(|_| ()));
        });
        let new = NewEvent {
            event,
            key,
            interval_start,
            received_at,
        };
        self.inner.store.append(new, on_appended);
    }
}

impl Inner {
    fn duplicates(&self) -> std::sync::MutexGuard<'_, Duplicates> {
        self.duplicates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
