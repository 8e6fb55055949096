//! Receivers of the cluster, each read and validated by itself.

use std::sync::Arc;
use std::time::Duration;

use api::receiver::REQUESTED_AT;
use api::{ObjectKey, Receiver};
use domain::ValidReceiver;
use domain::receiver::{DEFAULT_INTERVAL, Fault, ReceiverRules};

use super::{Effects, World, not_panicking};
use crate::object::{Observed, RawObject};
use crate::watch::Change;

/// So many times in a row the server must say that the kind does not exist.
const DENIALS: u32 = 3;

/// A Receiver of the cluster.
#[derive(Debug)]
pub(crate) struct ReceiverRecord {
    pub(crate) observed: Observed,
    /// The Receiver, or why it cannot be served.
    pub(crate) checked: Result<Arc<ValidReceiver>, Fault>,
    /// The Secret with its token, even if something else about it is wrong.
    pub(crate) secret: Option<ObjectKey>,
    pub(crate) is_suspended: bool,
    /// What the annotation says that asks for a reconciliation.
    pub(crate) requested_at: Option<String>,
}

impl ReceiverRecord {
    /// Reads and validates; `None` for what has no name.
    pub(crate) fn read(raw: &RawObject, rules: ReceiverRules) -> Option<Arc<Self>> {
        raw.key()?;
        let (observed, object) = raw.read();
        let object = match object {
            Ok(object) => object,
            Err(problem) => {
                return Some(Arc::new(Self {
                    observed,
                    checked: Err(Fault::of_problem(&problem)),
                    secret: None,
                    is_suspended: false,
                    requested_at: None,
                }));
            }
        };
        let requested_at = object
            .get("metadata")
            .and_then(|metadata| metadata.get("annotations")?.get(REQUESTED_AT)?.as_str())
            .map(str::to_owned);
        let receiver = Receiver::from_object(object);
        let checked = not_panicking(|| ValidReceiver::validate(&receiver, rules))
            .map_err(|problem| Fault::of_problem(&problem))
            .and_then(|checked| match (checked.validated.value, checked.fault) {
                (Some(valid), None) => Ok(Arc::new(valid)),
                (_, Some(fault)) => Err(fault),
                (None, None) => Err(Fault::of_problem(&api::Problem::error(
                    "",
                    "the object cannot be used",
                ))),
            });
        let namespace = &observed.key.namespace;
        let secret = receiver.secret.as_deref();
        Some(Arc::new(Self {
            secret: secret.map(|name| ObjectKey::new(namespace, name)),
            observed,
            checked,
            is_suspended: receiver.suspend,
            requested_at,
        }))
    }

    /// How often it is looked at again.
    pub(crate) fn interval(&self) -> Duration {
        let receiver = self.checked.as_ref();
        receiver.map_or(DEFAULT_INTERVAL, |receiver| receiver.interval)
    }
}

impl World {
    /// Takes note of a change of Receivers.
    pub(crate) fn note_receivers(
        &mut self,
        change: Change<Arc<ReceiverRecord>>,
        effects: &mut Effects,
    ) {
        match change {
            Change::Listed(records) => {
                self.has_receivers = true;
                self.receivers = records
                    .into_iter()
                    .map(|record| (record.observed.key.clone(), record))
                    .collect();
            }
            Change::Applied(record) => {
                self.receivers.insert(record.observed.key.clone(), record);
            }
            Change::Deleted(record) => {
                self.receivers.remove(&record.observed.key);
            }
            Change::Failed(failure) => {
                self.receivers_denied = if failure.status == Some(404) {
                    self.receivers_denied.saturating_add(1)
                } else {
                    0
                };
                // Of a kind that does not exist there are no objects. Once is not enough: a server
                // that starts may not know all its kinds yet.
                if self.has_receivers || self.receivers_denied < DENIALS {
                    return;
                }
                self.has_receivers = true;
            }
        }
        effects.world = true;
    }
}
