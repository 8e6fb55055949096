//! What the tests of stores are made of: events, deliveries, and short ways to say what happens.

use std::sync::Arc;
use std::time::Duration;

use api::{Event, ObjectKey, ObjectReference};
use delivery::Store;
use delivery::store::open::QueueLimit;
use delivery::store::{
    Claimed, DeliveryFilter, LastAttempt, NewEvent, PlannedEvent, Retention, Settlement, StoreError,
};
use domain::CleanEvent;
use domain::delivery::{
    Content, Delivery, DeliveryId, DeliveryState, FailureClass, Lane, Position, SupersedeKey,
};
use domain::plan::Dispositions;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

/// Where a store lives, so that it can be opened again.
pub(crate) trait Place {
    fn open_with(&self, limit: QueueLimit) -> Arc<dyn Store>;

    /// The place as a crash at this moment would leave it; the open store is not told.
    fn after_crash(&self) -> Box<dyn Place>;

    /// Makes what is stored of an event unreadable. The store must be closed.
    fn spoil(&self, position: Position);

    fn open(&self) -> Arc<dyn Store> {
        self.open_with(QueueLimit::default())
    }
}

/// A moment, in seconds after the tests begin.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::constant(1_709_629_811, 0) + SignedDuration::from_secs(seconds)
}

pub(crate) fn provider(name: &str) -> ObjectKey {
    ObjectKey::new("team", name)
}

pub(crate) fn new_event(message: &str, received_at: Timestamp) -> NewEvent {
    let event = Event {
        involved_object: ObjectReference {
            kind: "Kustomization".into(),
            namespace: "team".into(),
            name: "shop".into(),
            ..ObjectReference::default()
        },
        severity: "info".into(),
        timestamp: Some(at(0)),
        message: message.into(),
        reason: "Done".into(),
        ..Event::default()
    };
    let (event, key) = CleanEvent::from_wire(event).unwrap();
    NewEvent {
        event: Arc::new(event),
        key,
        interval_start: received_at,
        received_at,
    }
}

pub(crate) async fn try_append(store: &dyn Store, event: NewEvent) -> Result<Position, StoreError> {
    let (answer, outcome) = oneshot::channel();
    store.append(
        event,
        Box::new(move |result| {
            let _ = answer.send(result);
        }),
    );
    outcome.await.expect("every append is answered")
}

pub(crate) async fn append(store: &dyn Store, message: &str) -> Position {
    try_append(store, new_event(message, at(0))).await.unwrap()
}

pub(crate) fn delivery(
    position: Position,
    ordinal: u32,
    provider: &ObjectKey,
    lane: u64,
) -> Delivery {
    Delivery {
        id: DeliveryId { position, ordinal },
        lane: Lane(lane),
        provider: provider.clone(),
        alert: ObjectKey::new("team", "everything"),
        accepted_at: at(0),
        supersede_key: None,
        content: Content {
            kind: "slack".into(),
            alert_uid: "u-1".into(),
            ..Content::default()
        },
    }
}

pub(crate) fn planned(position: Position, deliveries: Vec<Delivery>) -> PlannedEvent {
    PlannedEvent {
        position,
        event: None,
        deliveries,
        dispositions: Dispositions::default(),
    }
}

/// Appends an event and plans one delivery for it.
pub(crate) async fn accept(store: &dyn Store, provider: &ObjectKey, lane: u64) -> DeliveryId {
    accept_superseding(store, provider, lane, None).await
}

/// As [`accept`], with a supersede key.
pub(crate) async fn accept_superseding(
    store: &dyn Store,
    provider: &ObjectKey,
    lane: u64,
    key: Option<u64>,
) -> DeliveryId {
    let position = append(store, "something happened").await;
    let mut delivery = delivery(position, 0, provider, lane);
    delivery.supersede_key = key.map(SupersedeKey);
    let id = delivery.id;
    store
        .commit(vec![planned(position, vec![delivery])])
        .await
        .unwrap();
    id
}

/// Claims for one minute whatever is due.
pub(crate) async fn claim(store: &dyn Store, provider: &ObjectKey, now: Timestamp) -> Vec<Claimed> {
    let lease = now + SignedDuration::from_mins(1);
    let claims = store.claim(provider, now, 1000, lease).await.unwrap();
    claims.claimed
}

/// Claims what must be exactly one delivery.
pub(crate) async fn claim_one(store: &dyn Store, provider: &ObjectKey, now: Timestamp) -> Claimed {
    let mut claimed = claim(store, provider, now).await;
    assert_eq!(claimed.len(), 1, "{:?}", ids(&claimed));
    claimed.remove(0)
}

pub(crate) fn ids(claimed: &[Claimed]) -> Vec<DeliveryId> {
    let mut ids: Vec<_> = claimed.iter().map(|claim| claim.delivery.id).collect();
    ids.sort_unstable();
    ids
}

/// The end of an attempt in a state; live ones are due a minute later.
pub(crate) fn settlement(state: DeliveryState, now: Timestamp) -> Settlement {
    let has_failed = state != DeliveryState::Delivered;
    Settlement {
        state,
        due_at: state.is_live().then(|| now + SignedDuration::from_mins(1)),
        attempted: true,
        last: LastAttempt {
            at: Some(now),
            class: has_failed.then_some(FailureClass::ServerFault),
            status: Some(if has_failed { 503 } else { 200 }),
            detail: if has_failed { "busy" } else { "" }.to_owned(),
        },
        remember: Vec::new(),
        now,
    }
}

pub(crate) async fn settle(
    store: &dyn Store,
    claimed: &Claimed,
    state: DeliveryState,
    now: Timestamp,
) -> Option<Timestamp> {
    store.settle(claimed, settlement(state, now)).await.unwrap()
}

/// Claims and delivers everything that can be delivered at once; how many that were.
pub(crate) async fn deliver_all(store: &dyn Store, provider: &ObjectKey, now: Timestamp) -> usize {
    let mut delivered = 0;
    loop {
        let claimed = claim(store, provider, now).await;
        if claimed.is_empty() {
            return delivered;
        }
        delivered += claimed.len();
        for claim in &claimed {
            settle(store, claim, DeliveryState::Delivered, now).await;
        }
    }
}

pub(crate) async fn prune_all(store: &dyn Store, retention: Retention, now: Timestamp) {
    let mut rounds = 0;
    while store.prune(retention, now).await.unwrap() {
        rounds += 1;
        assert!(rounds < 10_000, "pruning comes to an end");
    }
}

/// Keeps everything.
pub(crate) const KEEP: Retention = Retention {
    age: Duration::from_secs(1 << 40),
    bytes: u64::MAX,
};

/// Exactly these deliveries.
pub(crate) fn only(ids: &[DeliveryId]) -> DeliveryFilter {
    DeliveryFilter {
        ids: ids.to_vec(),
        ..DeliveryFilter::default()
    }
}

/// Deliveries in these states.
pub(crate) fn in_states(states: &[DeliveryState]) -> DeliveryFilter {
    DeliveryFilter {
        states: states.to_vec(),
        ..DeliveryFilter::default()
    }
}
