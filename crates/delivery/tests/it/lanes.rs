//! Random histories against a model that is a few lists in memory: after every step the store must
//! hand out exactly the deliveries that the model says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use delivery::Store;
use delivery::store::open::{QueueLimit, StoreSettings, open};
use delivery::store::{Claimed, DeliveryFilter};
use domain::delivery::{DeliveryId, DeliveryState, Position};
use jiff::SignedDuration;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestCaseError};
use proptest::{prop_assert_eq, proptest};

use crate::setting::{append, at, delivery, in_states, planned, provider, settlement};

/// Lanes, two for each Provider.
const LANES: u64 = 4;

#[derive(Clone, Debug)]
enum Step {
    /// An event with deliveries for these lanes.
    Accept(Vec<u64>),
    Claim {
        provider: u64,
        limit: usize,
    },
    /// Settles one of the open claims.
    Settle {
        which: usize,
        state: DeliveryState,
    },
    /// Lets go of all claims without settling them, and time passes.
    Wait,
    /// Settles a claim of long ago again.
    SettleStale(usize),
    Replay(usize),
    Drop {
        provider: u64,
        limit: usize,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let state = prop_oneof![
        4 => proptest::strategy::Just(DeliveryState::Delivered),
        2 => proptest::strategy::Just(DeliveryState::Pending),
        1 => proptest::strategy::Just(DeliveryState::Parked),
        2 => proptest::strategy::Just(DeliveryState::Failed),
    ];
    prop_oneof![
        6 => proptest::collection::vec(0..LANES, 0..4).prop_map(Step::Accept),
        6 => (0..2_u64, 0..4_usize).prop_map(|(provider, limit)| Step::Claim { provider, limit }),
        8 => (any::<usize>(), state).prop_map(|(which, state)| Step::Settle { which, state }),
        1 => proptest::strategy::Just(Step::Wait),
        2 => any::<usize>().prop_map(Step::SettleStale),
        2 => (1..4_usize).prop_map(Step::Replay),
        1 => (0..2_u64, 1..3_usize).prop_map(|(provider, limit)| Step::Drop { provider, limit }),
        1 => proptest::strategy::Just(Step::Reopen),
    ]
}

/// What is known of a delivery.
#[derive(Clone, Debug)]
struct Known {
    lane: u64,
    state: DeliveryState,
    /// Seconds; counts while it is the head.
    due_at: i64,
}

#[derive(Debug, Default)]
struct Model {
    now: i64,
    deliveries: BTreeMap<DeliveryId, Known>,
    /// Live deliveries in order.
    lanes: BTreeMap<u64, Vec<DeliveryId>>,
    claimed: BTreeSet<DeliveryId>,
}

impl Model {
    fn heads(&self, provider: u64) -> BTreeSet<DeliveryId> {
        let heads = self
            .lanes
            .iter()
            .filter(|(lane, _)| *lane % 2 == provider)
            .filter_map(|(_, lane)| lane.first().copied());
        heads
            .filter(|id| !self.claimed.contains(id) && self.deliveries[id].due_at <= self.now)
            .collect()
    }

    fn accept(&mut self, id: DeliveryId, lane: u64) {
        let known = Known {
            lane,
            state: DeliveryState::Pending,
            due_at: 0,
        };
        self.deliveries.insert(id, known);
        self.lanes.entry(lane).or_default().push(id);
    }

    fn settle(&mut self, id: DeliveryId, state: DeliveryState) {
        self.claimed.remove(&id);
        let known = self.deliveries.get_mut(&id).unwrap();
        known.state = state;
        if state.is_live() {
            known.due_at = self.now + 60;
        } else {
            let lane = known.lane;
            self.leave(lane, id);
        }
    }

    fn leave(&mut self, lane: u64, id: DeliveryId) {
        let order = self.lanes.get_mut(&lane).unwrap();
        let was_head = order.first() == Some(&id);
        order.retain(|other| *other != id);
        if was_head && let Some(next) = order.first() {
            self.deliveries.get_mut(next).unwrap().due_at = self.now;
        }
    }

    fn replay(&mut self, limit: usize) -> usize {
        let failed: Vec<_> = self
            .deliveries
            .iter()
            .filter(|(_, known)| known.state == DeliveryState::Failed)
            .map(|(id, _)| *id)
            .take(limit)
            .collect();
        for id in &failed {
            let known = self.deliveries.get_mut(id).unwrap();
            known.state = DeliveryState::Pending;
            known.due_at = self.now;
            self.lanes.entry(known.lane).or_default().push(*id);
        }
        failed.len()
    }

    fn count(&self, matches: impl Fn(DeliveryState) -> bool) -> u64 {
        self.deliveries
            .values()
            .filter(|known| matches(known.state))
            .count() as u64
    }
}

struct Run {
    directory: tempfile::TempDir,
    store: Arc<dyn Store>,
    model: Model,
    open_claims: Vec<Claimed>,
    old_claims: Vec<Claimed>,
}

impl Run {
    fn new() -> Self {
        let directory = tempfile::TempDir::new().unwrap();
        Self {
            store: open_in(&directory),
            directory,
            model: Model::default(),
            open_claims: Vec::new(),
            old_claims: Vec::new(),
        }
    }

    fn provider_of(lane: u64) -> api::ObjectKey {
        provider(&format!("provider-{}", lane % 2))
    }

    async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now = at(self.model.now);
        match step {
            Step::Accept(lanes) => self.accept(lanes).await,
            Step::Claim { provider, limit } => self.claim_some(provider, limit).await?,
            Step::Settle { which, state } => {
                if self.open_claims.is_empty() {
                    return Ok(());
                }
                let claim = self.open_claims.swap_remove(which % self.open_claims.len());
                let id = claim.delivery.id;
                let due = self
                    .store
                    .settle(&claim, settlement(state, now))
                    .await
                    .unwrap();
                let lane = self.model.deliveries[&id].lane;
                self.model.settle(id, state);
                let head = self.model.lanes[&lane].first();
                let expected = head.map(|head| at(self.model.deliveries[head].due_at));
                prop_assert_eq!(due, expected);
                self.old_claims.push(claim);
            }
            Step::Wait => {
                self.old_claims.append(&mut self.open_claims);
                self.model.claimed.clear();
                self.model.now += 700;
            }
            Step::SettleStale(which) => {
                if self.old_claims.is_empty() {
                    return Ok(());
                }
                let claim = &self.old_claims[which % self.old_claims.len()];
                let id = claim.delivery.id;
                // One whose lease ran out may still be settled, unless it was handed out anew: those
                // are left alone here, their outcome is told elsewhere.
                if self.model.deliveries[&id].state.is_live() {
                    return Ok(());
                }
                self.store
                    .settle(claim, settlement(DeliveryState::Delivered, now))
                    .await
                    .unwrap();
            }
            Step::Replay(limit) => {
                let failed = in_states(&[DeliveryState::Failed]);
                let replayed = self.store.replay(&failed, limit, now).await.unwrap();
                prop_assert_eq!(replayed, self.model.replay(limit) as u64);
            }
            Step::Drop { provider, limit } => self.drop_some(provider, limit).await?,
            Step::Reopen => {
                self.store.close().await;
                self.store = open_in(&self.directory);
                self.old_claims.clear();
                self.open_claims.clear();
                self.model.claimed.clear();
            }
        }
        let backlog = self.store.backlog();
        prop_assert_eq!(backlog.live, self.model.count(DeliveryState::is_live));
        let parked = self.model.count(|state| state == DeliveryState::Parked);
        prop_assert_eq!(backlog.parked, parked);
        prop_assert_eq!(backlog.oldest.is_some(), backlog.live > 0);
        Ok(())
    }

    async fn accept(&mut self, lanes: Vec<u64>) {
        let position = append(&*self.store, "something happened").await;
        let mut deliveries = Vec::new();
        for (ordinal, lane) in (0_u32..).zip(lanes) {
            let mut promised = delivery(position, ordinal, &Self::provider_of(lane), lane);
            promised.accepted_at = at(0);
            self.model.accept(promised.id, lane);
            deliveries.push(promised);
        }
        self.store
            .commit(vec![planned(position, deliveries)])
            .await
            .unwrap();
    }

    async fn claim_some(&mut self, provider: u64, limit: usize) -> Result<(), TestCaseError> {
        let now = at(self.model.now);
        let lease = now + SignedDuration::from_secs(600);
        let name = Self::provider_of(provider);
        let claims = self.store.claim(&name, now, limit, lease).await.unwrap();
        let expected = self.model.heads(provider);
        let claimed: BTreeSet<_> = claims
            .claimed
            .iter()
            .map(|claim| claim.delivery.id)
            .collect();
        prop_assert_eq!(claimed.len(), claims.claimed.len(), "handed out twice");
        prop_assert_eq!(claimed.len(), limit.min(expected.len()));
        prop_assert_eq!(claimed.difference(&expected).count(), 0, "not due");
        self.model.claimed.extend(claimed);
        self.open_claims.extend(claims.claimed);
        Ok(())
    }

    async fn drop_some(&mut self, provider: u64, limit: usize) -> Result<(), TestCaseError> {
        let now = at(self.model.now);
        let filter = DeliveryFilter {
            provider: Some(Self::provider_of(provider)),
            ..DeliveryFilter::default()
        };
        let dropped = self
            .store
            .drop_deliveries(&filter, limit, now)
            .await
            .unwrap();
        let candidates: Vec<_> = self
            .model
            .deliveries
            .iter()
            .filter(|(_, known)| known.state.is_live() && known.lane % 2 == provider)
            .map(|(id, known)| (*id, known.lane))
            .take(limit)
            .collect();
        let mut expected = 0;
        for (id, lane) in candidates {
            if !self.model.claimed.contains(&id) {
                self.model.deliveries.get_mut(&id).unwrap().state = DeliveryState::Dropped;
                self.model.leave(lane, id);
                expected += 1;
            }
        }
        prop_assert_eq!(dropped, expected);
        Ok(())
    }

    /// Delivers all that is left: each lane in order, each delivery once.
    async fn drain(&mut self) -> Result<(), TestCaseError> {
        self.take(Step::Wait).await?;
        let mut rest = self.model.lanes.clone();
        for number in [0, 1] {
            loop {
                let now = at(self.model.now);
                let lease = now + SignedDuration::from_secs(600);
                let name = Self::provider_of(number);
                let claims = self.store.claim(&name, now, 100, lease).await.unwrap();
                if claims.claimed.is_empty() {
                    break;
                }
                for claim in claims.claimed {
                    let expected = rest.get_mut(&claim.delivery.lane.0).unwrap().remove(0);
                    prop_assert_eq!(claim.delivery.id, expected);
                    self.store
                        .settle(&claim, settlement(DeliveryState::Delivered, now))
                        .await
                        .unwrap();
                }
            }
        }
        prop_assert_eq!(rest.values().map(Vec::len).sum::<usize>(), 0);
        prop_assert_eq!(self.store.backlog().live, 0);
        prop_assert_eq!(
            self.store
                .read_after(Position(u64::MAX), 1)
                .await
                .unwrap()
                .len(),
            0
        );
        Ok(())
    }
}

fn open_in(directory: &tempfile::TempDir) -> Arc<dyn Store> {
    let settings = StoreSettings {
        directory: directory.path().to_owned(),
        queue_limit: QueueLimit::default(),
        lock_wait: Duration::from_secs(10),
    };
    open(settings).unwrap()
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    #[test]
    fn lanes_stay_in_order_and_claims_stay_exclusive(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new();
            for step in steps {
                run.take(step).await?;
            }
            run.drain().await
        })?;
    }
}
