//! Keeps the status of Providers and Alerts true.
//!
//! An object is looked at when it, what it names, or what is known of its deliveries changed. It is
//! written to only if its status would differ, changes of mere counts at most once a minute, and only
//! by the holder of the lease.

pub(crate) mod conditions;
pub(crate) mod facts;
mod inspection;
mod verdict;
pub(crate) mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use domain::ports::{Clock, DeliveryTallies};
use futures::StreamExt as _;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::Client;
use crate::follower::Input;
use crate::labels::Labels;
use crate::object::Observed;
use crate::resource;
use crate::suspects::Suspects;
use crate::world::World;

use facts::Facts;
use inspection::Inspection;
use verdict::{Surroundings, Verdict};
use writing::{Target, Writer, Written};

pub(crate) use inspection::Inspector;
pub(crate) use writing::FIELD_MANAGER;

/// Between two rounds, so that what belongs together is seen together.
const ROUND: Duration = Duration::from_millis(300);

/// How often counts and times of deliveries are written at most, per object.
const COUNTS_EVERY: Duration = Duration::from_mins(1);

/// How soon a failed write is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// After a write, how long we trust that the watch will show it.
const ECHO: Duration = Duration::from_secs(5);

/// Writes at once.
const WRITES: usize = 4;

/// Writes in one round; the rest has its turn in the next ones.
const MOST_WRITES: usize = 50;

/// How often deliveries are counted, if there were any.
const COUNT_EVERY: Duration = Duration::from_secs(15);

/// What the keeper needs.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) inspector: Inspector,
    pub(crate) labels: Arc<Labels>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) tallies: Arc<dyn DeliveryTallies>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) no_cross_namespace_references: bool,
    pub(crate) world: watch::Receiver<Arc<World>>,
    pub(crate) suspects: Arc<Suspects>,
    /// Providers whose Secrets turned out to be different reach the follower this way.
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) is_leader: watch::Receiver<bool>,
}

/// Keeps statuses.
pub(crate) struct Keeper {
    parts: Parts,
    writer: Writer,
    inspection: Inspection,
    world: Arc<World>,
    /// What to look at in the next round.
    due: BTreeSet<Target>,
    /// What to look at later.
    later: BTreeMap<Target, Instant>,
    /// When each object was written to, and what its status was to be.
    written: BTreeMap<Target, (Instant, Value)>,
    counted_at: Option<Instant>,
    /// Nothing was written lately, so everything has to be looked at.
    is_idle: bool,
}

impl Keeper {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            writer: Writer::new(parts.client.clone()),
            inspection: Inspection::default(),
            world: Arc::default(),
            due: BTreeSet::new(),
            later: BTreeMap::new(),
            written: BTreeMap::new(),
            counted_at: None,
            is_idle: true,
            parts,
        }
    }

    /// Keeps statuses until dropped.
    pub(crate) async fn run(mut self) {
        let mut labels = self.parts.labels.troubles();
        loop {
            let alarm = self.alarm();
            tokio::select! {
                Ok(()) = self.parts.world.changed() => {}
                () = self.parts.suspects.added() => {}
                () = self.parts.facts.touched() => {}
                Ok(()) = self.parts.is_leader.changed() => {}
                Ok(()) = labels.changed() => self.labelled_are_due(),
                () = sleep_until(alarm) => {}
            }
            tokio::time::sleep(ROUND).await;
            self.inspection.suspect(self.parts.suspects.take());
            self.take_world();
            if self.world.is_known() {
                self.round().await;
            }
        }
    }

    /// When something is to be done although nothing happens.
    fn alarm(&self) -> Instant {
        let far = Instant::now() + Duration::from_hours(1);
        let soon = (!self.due.is_empty()).then(Instant::now);
        let later = self.later.values().min().copied();
        [
            soon,
            self.inspection.alarm(),
            later,
            self.writer.blocked_until(),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(far)
    }

    /// Takes the newest world and notes what is different in it.
    fn take_world(&mut self) {
        let world = self.parts.world.borrow_and_update().clone();
        // Before everything was listed, what is not there may still exist.
        if Arc::ptr_eq(&world, &self.world) || !world.is_known() {
            return;
        }
        for (key, record) in &world.providers {
            let before = self.world.providers.get(key);
            if !before.is_some_and(|before| Arc::ptr_eq(before, record)) {
                self.due.insert(Target::Provider(key.clone()));
            }
            if before.is_none() {
                self.alerts_of_are_due(&world, key);
            }
        }
        for (key, record) in &world.alerts {
            let before = self.world.alerts.get(key);
            if !before.is_some_and(|before| Arc::ptr_eq(before, record)) {
                self.due.insert(Target::Alert(key.clone()));
            }
        }
        let gone: Vec<ObjectKey> = self
            .world
            .providers
            .keys()
            .filter(|key| !world.providers.contains_key(*key))
            .cloned()
            .collect();
        for key in &gone {
            self.alerts_of_are_due(&world, key);
        }
        let exists = |target: &Target| match target {
            Target::Provider(key) => world.providers.contains_key(key),
            Target::Alert(key) => world.alerts.contains_key(key),
        };
        self.written.retain(|target, _| exists(target));
        self.later.retain(|target, _| exists(target));
        self.inspection
            .only(|key| world.providers.contains_key(key));
        self.parts
            .facts
            .only(|key| world.providers.contains_key(key));
        self.world = world;
    }

    fn alerts_of_are_due(&mut self, world: &World, provider: &ObjectKey) {
        let of_it = world.alerts.iter().filter(|(_, record)| {
            let alert = record.alert.as_ref();
            alert.is_some_and(|alert| alert.provider == *provider)
        });
        self.due
            .extend(of_it.map(|(key, _)| Target::Alert(key.clone())));
    }

    fn everything_is_due(&mut self) {
        self.due
            .extend(self.world.providers.keys().cloned().map(Target::Provider));
        self.due
            .extend(self.world.alerts.keys().cloned().map(Target::Alert));
    }

    fn labelled_are_due(&mut self) {
        let labelled = self.world.alerts.iter().filter(|(_, record)| {
            let alert = record.alert.as_ref();
            alert.is_some_and(|alert| alert.sources.iter().any(|it| it.match_labels.is_some()))
        });
        self.due
            .extend(labelled.map(|(key, _)| Target::Alert(key.clone())));
    }

    async fn round(&mut self) {
        let world = self.world.clone();
        let changed = self.inspection.inspect(&self.parts.inspector, &world).await;
        for (provider, is_healed) in changed {
            self.due.insert(Target::Provider(provider.clone()));
            self.alerts_of_are_due(&world, &provider);
            if is_healed {
                self.tell_of_healing(&world, &provider);
            }
        }
        let is_leader = *self.parts.is_leader.borrow_and_update();
        if !is_leader || self.writer.blocked_until().is_some() {
            self.due.clear();
            self.later.clear();
            self.parts.facts.take_touched();
            self.is_idle = true;
            return;
        }
        if std::mem::take(&mut self.is_idle) {
            self.everything_is_due();
        }
        self.count().await;
        let touched = self.parts.facts.take_touched();
        self.due.extend(touched.into_iter().map(Target::Provider));
        let now = Instant::now();
        let ripe: Vec<Target> = self
            .later
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(target, _)| target.clone())
            .collect();
        for target in ripe {
            self.later.remove(&target);
            self.due.insert(target);
        }
        self.write_what_is_due().await;
    }

    /// What waits for a Provider whose Secret turned up without a watch saying so is worth a try.
    fn tell_of_healing(&self, world: &World, provider: &ObjectKey) {
        let Some(record) = world.providers.get(provider) else {
            return;
        };
        for secret in &record.secrets {
            if !self.parts.inspector.is_watched(secret) {
                // A full backlog means that a change is under way anyhow.
                let _ = self.parts.inputs.try_send(Input::Secret(secret.clone()));
            }
        }
    }

    async fn count(&mut self) {
        let now = Instant::now();
        if self.counted_at.is_some_and(|at| now - at < COUNT_EVERY) {
            return;
        }
        self.counted_at = Some(now);
        if let Some(tallies) = self.parts.tallies.tallies().await {
            self.parts.facts.count(tallies);
        }
    }

    async fn write_what_is_due(&mut self) {
        let mut writes = Vec::new();
        while writes.len() < MOST_WRITES {
            let Some(target) = self.due.pop_first() else {
                break;
            };
            if let Some((observed, status)) = self.change_of(&target) {
                writes.push((target, observed, status));
            }
        }
        let writer = &self.writer;
        let answers: Vec<(Target, Value, Written)> = futures::stream::iter(writes)
            .map(|(target, observed, status)| async move {
                let resource = match &target {
                    Target::Provider(_) => resource::providers(),
                    Target::Alert(_) => resource::alerts(),
                };
                let patch = conditions::patch(&observed.status, &status);
                let written = writer.write(&resource, &observed, patch).await;
                (target, status, written)
            })
            .buffer_unordered(WRITES)
            .collect()
            .await;
        let now = Instant::now();
        for (target, status, written) in answers {
            match written {
                Written::Yes => {
                    self.written.insert(target, (now, status));
                }
                Written::Failed => {
                    self.later.insert(target, now + AGAIN);
                }
                Written::Outdated | Written::NoStatus => {}
            }
        }
    }

    /// What to write to an object now, if anything.
    fn change_of(&mut self, target: &Target) -> Option<(Observed, Value)> {
        let world = self.world.clone();
        let now = self.parts.clock.now();
        let (observed, status) = match target {
            Target::Provider(key) => {
                let record = world.providers.get(key)?;
                let verdict = self.inspection.verdict(key)?;
                let facts = self.parts.facts.of(key);
                let status = conditions::desired(&record.observed, &verdict, facts.as_ref(), now);
                (&record.observed, status)
            }
            Target::Alert(key) => {
                let record = world.alerts.get(key)?;
                let verdict = self.alert_verdict(&world, key)?;
                (
                    &record.observed,
                    conditions::desired(&record.observed, &verdict, None, now),
                )
            }
        };
        if status == observed.status {
            return None;
        }
        let instant = Instant::now();
        if let Some((at, last)) = self.written.get(target) {
            // The watch has not shown our last write yet, or the server keeps it otherwise than we
            // wrote it. Neither is a reason to write in a loop.
            let is_new = !conditions::says_the_same(last, &status);
            let wait = if is_new && conditions::is_urgent(last, &status) {
                Duration::ZERO
            } else {
                COUNTS_EVERY
            };
            let until = *at + wait;
            if instant < until {
                self.later.insert(target.clone(), until);
                return None;
            }
            if instant - *at < ECHO && observed.status != *last {
                self.later.insert(target.clone(), *at + ECHO);
                return None;
            }
        }
        Some((observed.clone(), status))
    }

    fn alert_verdict(&self, world: &World, key: &ObjectKey) -> Option<Verdict> {
        let record = world.alerts.get(key)?;
        // A Provider that was not looked at yet will make its Alerts due again.
        let provider = record.alert.as_ref().map(|alert| &alert.provider);
        let is_waiting = provider.is_some_and(|key| {
            world.providers.contains_key(key) && self.inspection.verdict(key).is_none()
        });
        if is_waiting {
            return None;
        }
        Some(verdict::alert(
            record,
            &Surroundings {
                no_cross_namespace_references: self.parts.no_cross_namespace_references,
                provider: &|key| {
                    world.providers.get(key)?;
                    self.inspection.verdict(key)
                },
                labels: &|kind| self.parts.labels.trouble(kind),
            },
        ))
    }
}
