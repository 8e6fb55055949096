//! Writes the status of Receivers, if it would differ, and tells their owners when it did.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::ObjectKey;
use domain::receiver::status::{Facts, Notice, ReceiverStatus, decide};
use futures::StreamExt as _;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Finding, Seen};
use crate::Client;
use crate::recorder::{Report, Reporter};
use crate::resource;
use crate::status::conditions;
use crate::status::writing::{Writer, Written};
use crate::world::ReceiverRecord;

/// Writes at once.
const AT_ONCE: usize = 4;

/// How soon a failed write is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// How soon the same is written again although it was written: until then the watch has shown it, or
/// the server keeps it otherwise than we wrote it, which is no reason to write in a loop.
const SAME_AGAIN: Duration = Duration::from_mins(1);

/// The fields of a status that are ours.
const OURS: [&str; 4] = [
    "conditions",
    "lastHandledReconcileAt",
    "observedGeneration",
    "webhookPath",
];

/// Writes statuses and remembers what it wrote.
pub(super) struct Statuses {
    writer: Writer,
    reporter: Reporter,
    written: BTreeMap<ObjectKey, (Instant, Value)>,
    due: BTreeSet<ObjectKey>,
    later: BTreeMap<ObjectKey, Instant>,
    /// Nothing was written lately, so everything has to be looked at.
    is_idle: bool,
}

impl Statuses {
    pub(super) fn new(client: Client, reporter: Reporter) -> Self {
        Self {
            writer: Writer::new(client),
            reporter,
            written: BTreeMap::new(),
            due: BTreeSet::new(),
            later: BTreeMap::new(),
            is_idle: true,
        }
    }

    /// When something is to be written although nothing happens.
    pub(super) fn alarm(&self) -> Option<Instant> {
        let later = self.later.values().copied();
        later.chain(self.writer.blocked_until()).min()
    }

    /// Forgets Receivers that do not exist.
    pub(super) fn only(&mut self, exists: impl Fn(&ObjectKey) -> bool) {
        self.written.retain(|key, _| exists(key));
        self.due.retain(|key| exists(key));
        self.later.retain(|key, _| exists(key));
    }

    /// This status may have to be another.
    pub(super) fn is_due(&mut self, key: ObjectKey) {
        self.due.insert(key);
    }

    /// Writes every status that is due and not as it should be, if this process leads.
    pub(super) async fn write(
        &mut self,
        seen: &BTreeMap<ObjectKey, Seen>,
        is_leader: bool,
        now: Timestamp,
    ) {
        if !is_leader || self.writer.blocked_until().is_some() {
            self.due.clear();
            self.later.clear();
            self.is_idle = true;
            return;
        }
        let mut due = std::mem::take(&mut self.due);
        if std::mem::take(&mut self.is_idle) {
            due.extend(seen.keys().cloned());
        }
        let instant = Instant::now();
        let ripe = self.later.iter().filter(|(_, at)| **at <= instant);
        due.extend(ripe.map(|(key, _)| key.clone()));
        self.later.retain(|_, at| *at > instant);
        let mut writes = Vec::new();
        for key in due {
            let Some(seen) = seen.get(&key).filter(|seen| seen.is_current) else {
                continue;
            };
            let Some(finding) = &seen.finding else {
                continue;
            };
            let (status, notice) = desired(&seen.record, finding, now);
            if status != seen.record.observed.status && self.is_time(&key, &status) {
                writes.push((seen.record.observed.clone(), status, notice));
            }
        }
        let writer = &self.writer;
        let answers: Vec<_> = futures::stream::iter(writes)
            .map(|(observed, status, notice)| async move {
                let patch = conditions::patch(&observed.status, &status);
                let written = writer.write(&resource::receivers(), &observed, patch).await;
                (observed.key, status, notice, written)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let now = Instant::now();
        for (key, status, notice, written) in answers {
            self.later.remove(&key);
            match written {
                Written::Yes => {
                    // The reference tells at every interval, too, although nothing changed.
                    if let Some(notice) = notice {
                        self.reporter.tell(Report::of_receiver(&key, notice));
                    }
                    self.written.insert(key, (now, status));
                }
                Written::Failed => {
                    self.later.insert(key, now + AGAIN);
                }
                Written::Outdated | Written::NoStatus => {}
            }
        }
    }

    /// Whether this may be written now; if not, it may be later.
    fn is_time(&mut self, key: &ObjectKey, status: &Value) -> bool {
        let same = self
            .written
            .get(key)
            .filter(|(_, last)| conditions::says_the_same(last, status));
        let until = same.map(|(at, _)| *at + SAME_AGAIN);
        if let Some(until) = until.filter(|until| Instant::now() < *until) {
            self.later.insert(key.clone(), until);
            return false;
        }
        true
    }
}

/// The status that a Receiver should have, and what its owner is told; what is not ours in it stays.
fn desired(record: &ReceiverRecord, finding: &Finding, now: Timestamp) -> (Value, Option<Notice>) {
    let observed = &record.observed;
    // What cannot be read is written anew.
    let previous: ReceiverStatus =
        serde_json::from_value(observed.status.clone()).unwrap_or_default();
    let decision = decide(
        &previous,
        &Facts {
            generation: observed.generation,
            requested_at: record.requested_at.as_deref(),
            is_suspended: record.is_suspended,
            is_deleting: observed.is_being_deleted,
            fault: record.checked.as_ref().err(),
            path: finding.path.clone(),
            interval: record.interval(),
            now,
        },
    );
    let mut status: Map<String, Value> = observed.status.as_object().cloned().unwrap_or_default();
    status.retain(|name, _| !OURS.contains(&name.as_str()));
    if let Ok(Value::Object(ours)) = serde_json::to_value(&decision.status) {
        status.extend(ours);
    }
    (Value::Object(status), decision.notice)
}
