//! Random histories of a worker: nobody is lined up twice, nobody is forgotten, namespaces take turns.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::ObjectKey;
use domain::delivery::retry::later;
use jiff::Timestamp;
use proptest::prelude::{
    ProptestConfig, Strategy, TestCaseError, prop, prop_assert, prop_assert_eq, prop_oneof,
    proptest,
};

use super::{Place, Queues};

/// Attempts at once, per Provider.
const SLOTS: usize = 2;

const NAMES: [&str; 5] = ["a/1", "a/2", "a/3", "b/1", "c/1"];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A delivery of a Provider was planned, and is due so many seconds from now.
    Planned(usize, u8),
    /// Time passes, and whoever is due is lined up.
    Seconds(u8),
    /// One turn: so many are claimed, and the rest is due so many seconds from now, if there is any.
    Turn(usize, Option<u8>),
    /// The destination made us wait.
    Paused(u8),
    /// An attempt was answered.
    Answered(usize),
    /// An outcome is on disk; the Provider's next delivery is due then.
    Settled(usize, Option<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let provider = 0..NAMES.len();
    prop_oneof![
        4 => (provider.clone(), 0_u8..60).prop_map(|(p, s)| Step::Planned(p, s)),
        4 => (0_u8..30).prop_map(Step::Seconds),
        8 => (0_usize..4, prop::option::of(0_u8..60)).prop_map(|(n, s)| Step::Turn(n, s)),
        1 => (0_u8..60).prop_map(Step::Paused),
        4 => provider.clone().prop_map(Step::Answered),
        4 => (provider, prop::option::of(0_u8..60)).prop_map(|(p, s)| Step::Settled(p, s)),
    ]
}

fn key(index: usize) -> ObjectKey {
    let (namespace, name) = NAMES[index].split_once('/').unwrap();
    ObjectKey::new(namespace, name)
}

/// What the worker knows by other means.
#[derive(Default)]
struct World {
    queues: Queues,
    seconds: u64,
    /// When each Provider has something due, at the latest.
    owed: BTreeMap<ObjectKey, Timestamp>,
    running: BTreeMap<ObjectKey, usize>,
    unsettled: BTreeMap<ObjectKey, usize>,
}

impl World {
    fn at(&self, seconds: u8) -> Timestamp {
        later(
            Timestamp::UNIX_EPOCH,
            Duration::from_secs(self.seconds + u64::from(seconds)),
        )
    }

    fn due(&mut self, provider: &ObjectKey, at: Timestamp) {
        self.queues.due(provider, at);
        let owed = self.owed.entry(provider.clone()).or_insert(at);
        *owed = at.min(*owed);
    }

    /// As the worker does when it was told what is next.
    fn next(&mut self, provider: &ObjectKey, next: Option<u8>) {
        match next {
            Some(seconds) => self.due(provider, self.at(seconds)),
            None => self.queues.drained(provider),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Planned(provider, seconds) => self.due(&key(provider), self.at(seconds)),
            Step::Seconds(seconds) => {
                self.seconds += u64::from(seconds);
                self.queues.ring(self.at(0));
            }
            Step::Turn(claimed, next) => self.turn(claimed, next),
            Step::Paused(seconds) => {
                if let Some(provider) = self.queues.next_ready() {
                    let until = self.at(seconds);
                    self.queues.wait_until(&provider, until);
                    self.owed.insert(provider, until);
                }
            }
            Step::Answered(provider) => {
                let provider = key(provider);
                if let Some(running) = self.running.get_mut(&provider).filter(|some| **some > 0) {
                    *running -= 1;
                    self.queues.finished(&provider);
                }
            }
            Step::Settled(provider, next) => {
                let provider = key(provider);
                let running = self.running.get(&provider).copied().unwrap_or(0);
                let waiting = self.unsettled.get_mut(&provider);
                if let Some(unsettled) = waiting.filter(|unsettled| **unsettled > running) {
                    *unsettled -= 1;
                    self.queues.settled(&provider);
                    self.next(&provider, next);
                }
            }
        }
    }

    fn turn(&mut self, claimed: usize, next: Option<u8>) {
        let Some(provider) = self.queues.next_ready() else {
            return;
        };
        let running = self.running.entry(provider.clone()).or_default();
        let room = SLOTS - *running;
        if room == 0 {
            self.queues.wait_for_attempt(&provider);
            return;
        }
        for _ in 0..claimed.min(room) {
            *running += 1;
            *self.unsettled.entry(provider.clone()).or_default() += 1;
            self.queues.started(&provider);
        }
        self.owed.remove(&provider);
        self.next(&provider, next);
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let in_line: Vec<&ObjectKey> = self.queues.ready.values().flatten().collect();
        prop_assert_eq!(in_line.len(), self.queues.ready_len());
        let namespaces: BTreeSet<&String> = self.queues.rotation.iter().collect();
        prop_assert_eq!(namespaces.len(), self.queues.rotation.len());
        prop_assert!(
            namespaces
                .iter()
                .eq(&self.queues.ready.keys().collect::<BTreeSet<_>>())
        );
        for provider in (0..NAMES.len()).map(key) {
            let lines = in_line.iter().filter(|known| ***known == provider).count();
            let timers: Vec<Timestamp> = self
                .queues
                .timers
                .iter()
                .filter(|(_, known)| *known == provider)
                .map(|(at, _)| *at)
                .collect();
            prop_assert!(lines + timers.len() <= 1, "{provider} has two places");
            let queue = self.queues.providers.get(&provider);
            let is_blocked = queue.is_some_and(|queue| queue.place == Place::Blocked);
            let running = self.running.get(&provider).copied().unwrap_or(0);
            let unsettled = self.unsettled.get(&provider).copied().unwrap_or(0);
            prop_assert_eq!(queue.map_or(0, |queue| queue.running), running);
            prop_assert_eq!(queue.map_or(0, |queue| queue.unsettled), unsettled);
            prop_assert!(!is_blocked || running > 0, "nothing will wake {provider}");
            if let Some(owed) = self.owed.get(&provider) {
                let is_awaited = timers.iter().all(|at| at <= owed) && !timers.is_empty();
                prop_assert!(
                    lines == 1 || is_blocked || is_awaited,
                    "{provider} is forgotten"
                );
            }
        }
        Ok(())
    }

    /// Everyone in line, in turn.
    fn drain(mut self) -> Vec<ObjectKey> {
        std::iter::from_fn(|| self.queues.next_ready()).collect()
    }
}

/// While two namespaces both have somebody in line, neither gets two turns more than the other.
fn assert_fair(turns: &[ObjectKey]) -> Result<(), TestCaseError> {
    let namespaces: BTreeSet<&String> = turns.iter().map(|turn| &turn.namespace).collect();
    for one in &namespaces {
        for other in &namespaces {
            let mut lead = 0_i64;
            for (index, turn) in turns.iter().enumerate() {
                let both_wait = [one, other].iter().all(|namespace| {
                    turns[index..]
                        .iter()
                        .any(|turn| turn.namespace == ***namespace)
                });
                if !both_wait {
                    break;
                }
                lead += i64::from(turn.namespace == **one);
                lead -= i64::from(turn.namespace == **other);
                prop_assert!(lead.abs() <= 1, "{turns:?}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_forgotten_or_lined_up_twice_and_namespaces_take_turns(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut world = World::default();
        for step in steps {
            world.take(step);
            world.check()?;
        }
        assert_fair(&world.drain())?;
    }
}
