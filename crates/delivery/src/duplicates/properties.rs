//! Random histories of posts, storing and restarts against a plain list of what was accepted.

use std::time::Duration;

use domain::EventKey;
use domain::delivery::retry::later;
use jiff::Timestamp;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, TestCaseError, prop, prop_assert, prop_assert_eq, prop_oneof,
    proptest,
};
use tokio::sync::oneshot;

use super::{Duplicates, Verdict};
use crate::store::RecentKey;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Time passes.
    Seconds(u16),
    /// An event with this key arrives.
    Post(u8),
    /// The oldest event under way is stored, or could not be.
    Settle(bool),
    /// The process ends and another one takes over.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u16..400).prop_map(Step::Seconds),
        8 => (0_u8..4).prop_map(Step::Post),
        6 => prop::bool::weighted(0.8).prop_map(Step::Settle),
        1 => Just(Step::Restart),
    ]
}

/// An event that was stored.
#[derive(Clone, Copy, Debug)]
struct Accepted {
    key: u8,
    at: Timestamp,
    interval_start: Timestamp,
}

/// One that is being stored.
struct UnderWay {
    key: u8,
    at: Timestamp,
    interval_start: Timestamp,
    waiting: Vec<oneshot::Receiver<bool>>,
}

struct History {
    interval: Duration,
    now: Timestamp,
    memory: Duplicates,
    accepted: Vec<Accepted>,
    under_way: Vec<UnderWay>,
}

impl History {
    fn new(seconds: u64) -> Self {
        let interval = Duration::from_secs(seconds);
        let now = Timestamp::constant(1_000_000, 0);
        Self {
            interval,
            now,
            memory: Duplicates::new(interval, 3000, now),
            accepted: Vec::new(),
            under_way: Vec::new(),
        }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Seconds(seconds) => {
                self.now = later(self.now, Duration::from_secs(seconds.into()));
            }
            Step::Post(key) => self.post(key)?,
            Step::Settle(stored) => self.settle(stored)?,
            Step::Restart => self.restart(),
        }
        Ok(())
    }

    fn post(&mut self, key: u8) -> Result<(), TestCaseError> {
        let running = self.under_way.iter_mut().find(|event| event.key == key);
        match self.memory.check(&EventKey([key; 32]), self.now) {
            Verdict::InFlight(outcome) => {
                prop_assert!(running.is_some(), "nothing is under way");
                running.unwrap().waiting.push(outcome);
            }
            Verdict::Duplicate { until } => {
                prop_assert!(running.is_none(), "its fate is not known yet");
                prop_assert!(until > self.now);
                prop_assert!(until <= later(self.now, self.interval));
                // A refusal is right only if the same was accepted within the interval.
                let mut same = self.accepted.iter().filter(|event| event.key == key);
                let reason = same.any(|event| later(event.at, self.interval) > self.now);
                prop_assert!(reason, "refused without a reason");
            }
            Verdict::New { interval_start } => {
                prop_assert!(running.is_none(), "two of a kind are under way");
                prop_assert!(interval_start <= self.now);
                prop_assert!(later(interval_start, self.interval) > self.now);
                // One per tick: ticks of a key never overlap.
                let same = self.accepted.iter().filter(|event| event.key == key);
                for event in same {
                    let tick_end = later(event.interval_start, self.interval);
                    prop_assert!(tick_end <= interval_start, "two in one tick: {event:?}");
                }
                self.under_way.push(UnderWay {
                    key,
                    at: self.now,
                    interval_start,
                    waiting: Vec::new(),
                });
            }
        }
        Ok(())
    }

    fn settle(&mut self, stored: bool) -> Result<(), TestCaseError> {
        if self.under_way.is_empty() {
            return Ok(());
        }
        let event = self.under_way.remove(0);
        let key = EventKey([event.key; 32]);
        self.memory
            .settle(&key, event.interval_start, stored, self.now);
        for mut waiting in event.waiting {
            prop_assert_eq!(waiting.try_recv(), Ok(stored), "whoever waits is told");
        }
        if stored {
            self.accepted.push(Accepted {
                key: event.key,
                at: event.at,
                interval_start: event.interval_start,
            });
        }
        Ok(())
    }

    /// What was under way is gone, and what was accepted lately is read from the store.
    fn restart(&mut self) {
        self.under_way.clear();
        self.memory = Duplicates::new(self.interval, 3000, self.now);
        let since = self.memory.horizon();
        let recent: Vec<RecentKey> = self
            .accepted
            .iter()
            .rev()
            .filter(|event| later(event.at, since) >= self.now)
            .map(|event| RecentKey {
                key: EventKey([event.key; 32]),
                interval_start: event.interval_start,
            })
            .collect();
        self.memory.restore(&recent);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_of_a_kind_passes_per_tick_and_nothing_is_refused_without_a_reason(
        seconds in 1_u64..600,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut history = History::new(seconds);
        for step in steps {
            history.take(step)?;
        }
    }
}
