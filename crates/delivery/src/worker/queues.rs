//! Whose turn it is: per Provider what is due and what runs, round robin between namespaces.
//!
//! Pure bookkeeping. Only Providers with live deliveries, running attempts or an unwell destination
//! have an entry.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use api::ObjectKey;
use jiff::Timestamp;

use crate::breaker::Breaker;

#[derive(Default)]
pub(super) struct Queues {
    providers: HashMap<ObjectKey, Queue>,
    /// When providers that wait become ready.
    timers: BTreeSet<(Timestamp, ObjectKey)>,
    /// Ready providers of each namespace, in turn.
    ready: BTreeMap<String, VecDeque<ObjectKey>>,
    /// Namespaces with ready providers, in turn.
    rotation: VecDeque<String>,
    ready_count: usize,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) breaker: Breaker,
    /// Attempts without an answer yet.
    pub(super) running: usize,
    /// Attempts whose outcome is not on disk yet, running ones among them.
    pub(super) unsettled: usize,
    place: Place,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Nothing is known to be due.
    #[default]
    Idle,
    /// Becomes ready then.
    Timer(Timestamp),
    /// In line for a claim.
    Ready,
    /// Has something due and no slot; the end of an attempt makes it ready.
    Blocked,
}

impl Queues {
    /// A Provider has something due at that time.
    pub(super) fn due(&mut self, provider: &ObjectKey, at: Timestamp) {
        let queue = self.providers.entry(provider.clone()).or_default();
        match queue.place {
            Place::Ready | Place::Blocked => {}
            Place::Timer(earlier) if earlier <= at => {}
            Place::Timer(later) => {
                self.timers.remove(&(later, provider.clone()));
                queue.place = Place::Timer(at);
                self.timers.insert((at, provider.clone()));
            }
            Place::Idle => {
                queue.place = Place::Timer(at);
                self.timers.insert((at, provider.clone()));
            }
        }
    }

    /// Lines up everyone whose time has come.
    pub(super) fn ring(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.timers.first() {
            if *at > now {
                return;
            }
            let Some((_, provider)) = self.timers.pop_first() else {
                return;
            };
            self.line_up(provider);
        }
    }

    fn line_up(&mut self, provider: ObjectKey) {
        if let Some(queue) = self.providers.get_mut(&provider) {
            queue.place = Place::Ready;
        }
        let line = self.ready.entry(provider.namespace.clone()).or_default();
        if line.is_empty() {
            self.rotation.push_back(provider.namespace.clone());
        }
        line.push_back(provider);
        self.ready_count += 1;
    }

    pub(super) fn ready_len(&self) -> usize {
        self.ready_count
    }

    /// The next Provider in turn. It has no place until it is given one.
    pub(super) fn next_ready(&mut self) -> Option<ObjectKey> {
        let namespace = self.rotation.pop_front()?;
        let line = self.ready.get_mut(&namespace)?;
        let provider = line.pop_front()?;
        if line.is_empty() {
            self.ready.remove(&namespace);
        } else {
            self.rotation.push_back(namespace);
        }
        self.ready_count = self.ready_count.saturating_sub(1);
        self.get(&provider).place = Place::Idle;
        Some(provider)
    }

    pub(super) fn get(&mut self, provider: &ObjectKey) -> &mut Queue {
        self.providers.entry(provider.clone()).or_default()
    }

    /// A Provider that may not start anything before that time.
    pub(super) fn wait_until(&mut self, provider: &ObjectKey, until: Timestamp) {
        self.due(provider, until);
    }

    /// A Provider that has something due and all its slots taken.
    pub(super) fn wait_for_attempt(&mut self, provider: &ObjectKey) {
        self.get(provider).place = Place::Blocked;
    }

    /// A Provider without anything more to claim.
    pub(super) fn drained(&mut self, provider: &ObjectKey) {
        self.tidy(provider);
    }

    pub(super) fn started(&mut self, provider: &ObjectKey) {
        let queue = self.get(provider);
        queue.running += 1;
        queue.unsettled += 1;
    }

    /// An attempt was answered: its slot is free.
    pub(super) fn finished(&mut self, provider: &ObjectKey) -> &mut Queue {
        let queue = self.get(provider);
        queue.running = queue.running.saturating_sub(1);
        if queue.place == Place::Blocked {
            self.line_up(provider.clone());
        }
        self.get(provider)
    }

    /// The outcome of an attempt is on disk.
    pub(super) fn settled(&mut self, provider: &ObjectKey) {
        let queue = self.get(provider);
        queue.unsettled = queue.unsettled.saturating_sub(1);
        if queue.place == Place::Blocked {
            self.line_up(provider.clone());
        }
    }

    /// Forgets what is known against a destination whose configuration changed.
    pub(super) fn forget_failures(&mut self, provider: &ObjectKey) {
        if let Some(queue) = self.providers.get_mut(provider) {
            queue.breaker = Breaker::default();
        }
    }

    /// When the next timer rings.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Drops the entry of a Provider about which there is nothing to know.
    fn tidy(&mut self, provider: &ObjectKey) {
        let is_idle = self.providers.get(provider).is_some_and(|queue| {
            queue.unsettled == 0 && queue.place == Place::Idle && !queue.breaker.is_open()
        });
        if is_idle {
            self.providers.remove(provider);
        }
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn key(text: &str) -> ObjectKey {
        let (namespace, name) = text.split_once('/').unwrap();
        ObjectKey::new(namespace, name)
    }

    fn turns(queues: &mut Queues) -> Vec<String> {
        std::iter::from_fn(|| queues.next_ready())
            .map(|key| key.to_string())
            .collect()
    }

    #[test]
    fn namespaces_take_turns_whatever_the_number_of_their_providers() {
        let mut queues = Queues::default();
        for provider in ["a/1", "a/2", "a/3", "b/1"] {
            queues.due(&key(provider), at(0));
        }
        queues.ring(at(0));
        assert_eq!(queues.ready_len(), 4);
        assert_eq!(turns(&mut queues), ["a/1", "b/1", "a/2", "a/3"]);
    }

    #[test]
    fn a_provider_becomes_ready_at_its_earliest_time_and_once() {
        let mut queues = Queues::default();
        for seconds in [30, 10, 20] {
            queues.due(&key("a/1"), at(seconds));
        }
        queues.ring(at(9));
        assert_eq!(queues.ready_len(), 0);
        assert_eq!(queues.next_timer(), Some(at(10)));
        queues.ring(at(60));
        queues.due(&key("a/1"), at(5));
        queues.ring(at(60));
        assert_eq!(turns(&mut queues), ["a/1"]);
        assert_eq!(queues.next_timer(), None);
    }

    #[test]
    fn a_provider_without_slots_is_ready_when_an_attempt_ends() {
        let mut queues = Queues::default();
        queues.started(&key("a/1"));
        queues.wait_for_attempt(&key("a/1"));
        queues.due(&key("a/1"), at(0));
        queues.ring(at(0));
        assert_eq!(queues.ready_len(), 0);
        queues.finished(&key("a/1"));
        assert_eq!(turns(&mut queues), ["a/1"]);
    }

    #[test]
    fn a_provider_that_waits_for_an_outcome_is_ready_when_it_is_on_disk() {
        let mut queues = Queues::default();
        queues.started(&key("a/1"));
        queues.finished(&key("a/1"));
        queues.wait_for_attempt(&key("a/1"));
        assert_eq!(queues.get(&key("a/1")).unsettled, 1);
        queues.settled(&key("a/1"));
        assert_eq!(queues.get(&key("a/1")).unsettled, 0);
        assert_eq!(turns(&mut queues), ["a/1"]);
    }

    #[test]
    fn nothing_is_kept_about_a_provider_that_is_drained() {
        let mut queues = Queues::default();
        queues.due(&key("a/1"), at(0));
        queues.ring(at(0));
        let provider = queues.next_ready().unwrap();
        queues.drained(&provider);
        assert!(queues.providers.is_empty());
    }
}
