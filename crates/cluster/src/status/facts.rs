//! What became of deliveries, Provider by Provider, as far as its status tells.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use api::ObjectKey;
use domain::delivery::{DeliveryState, FailureClass};
use domain::ports::{Notice, Tally};
use jiff::Timestamp;
use tokio::sync::Notify;

/// Most Providers that facts are kept of.
const MOST_PROVIDERS: usize = 20_000;

/// What is known of one Provider's deliveries since the process started.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DeliveryFacts {
    pub(crate) last_delivered_at: Option<Timestamp>,
    pub(crate) last_failed_at: Option<Timestamp>,
    pub(crate) last_error: Option<String>,
    pub(crate) last_class: Option<FailureClass>,
    /// Failed attempts since the last success.
    pub(crate) failures_in_a_row: u32,
    pub(crate) paused_until: Option<Timestamp>,
    /// Deliveries that wait and that failed for good, once they were counted.
    pub(crate) counts: Option<Counts>,
}

/// Deliveries of a Provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) pending: u64,
    pub(crate) failed: u64,
}

/// Collects facts from busy tasks; cheap.
#[derive(Default)]
pub(crate) struct Facts {
    known: Mutex<Known>,
    bell: Notify,
}

#[derive(Default)]
struct Known {
    providers: HashMap<ObjectKey, DeliveryFacts>,
    touched: BTreeSet<ObjectKey>,
}

impl Facts {
    /// Takes note of what became of a delivery.
    pub(crate) fn settled(&self, notice: &Notice<'_>) {
        self.change(&notice.delivery.provider, |facts| match notice.class {
            Some(class) => {
                facts.last_failed_at = Some(notice.at);
                facts.last_error = Some(notice.detail.to_owned());
                facts.last_class = Some(class);
                facts.failures_in_a_row = facts.failures_in_a_row.saturating_add(1);
            }
            None if notice.state == DeliveryState::Delivered => {
                facts.last_delivered_at = Some(notice.at);
                facts.failures_in_a_row = 0;
                facts.paused_until = None;
            }
            None => {}
        });
    }

    /// Takes note that a destination is left alone, or not any more.
    pub(crate) fn paused(&self, provider: &ObjectKey, until: Option<Timestamp>) {
        self.change(provider, |facts| facts.paused_until = until);
    }

    /// Takes note of how many deliveries there are; what is not counted has none.
    pub(crate) fn count(&self, tallies: Vec<Tally>) {
        let mut counts: HashMap<ObjectKey, Counts> = HashMap::new();
        for (provider, state, number) in tallies {
            let counts = counts.entry(provider).or_default();
            match state {
                DeliveryState::Pending | DeliveryState::Parked => counts.pending += number,
                DeliveryState::Failed => counts.failed += number,
                _ => {}
            }
        }
        let mut known = self.lock();
        for provider in counts.keys() {
            known.entry(provider);
        }
        let Known { providers, touched } = &mut *known;
        for (provider, facts) in providers {
            let now = counts.get(provider).copied().unwrap_or_default();
            if facts.counts != Some(now) {
                facts.counts = Some(now);
                touched.insert(provider.clone());
            }
        }
    }

    /// What is known of a Provider.
    pub(crate) fn of(&self, provider: &ObjectKey) -> Option<DeliveryFacts> {
        self.lock().providers.get(provider).cloned()
    }

    /// The Providers of which something new is known since the last call.
    pub(crate) fn take_touched(&self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut self.lock().touched)
    }

    /// Waits until something new is known.
    pub(crate) async fn touched(&self) {
        self.bell.notified().await;
    }

    /// Forgets Providers that do not exist.
    pub(crate) fn only(&self, exists: impl Fn(&ObjectKey) -> bool) {
        self.lock().providers.retain(|provider, _| exists(provider));
    }

    fn change(&self, provider: &ObjectKey, change: impl FnOnce(&mut DeliveryFacts)) {
        {
            let mut known = self.lock();
            let Some(facts) = known.entry(provider) else {
                return;
            };
            change(facts);
            if !known.touched.contains(provider) {
                known.touched.insert(provider.clone());
            }
        }
        self.bell.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Every change under this lock is complete at once.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn entry(&mut self, provider: &ObjectKey) -> Option<&mut DeliveryFacts> {
        if !self.providers.contains_key(provider) {
            if self.providers.len() >= MOST_PROVIDERS {
                return None;
            }
            self.providers
                .insert(provider.clone(), DeliveryFacts::default());
        }
        self.providers.get_mut(provider)
    }
}
