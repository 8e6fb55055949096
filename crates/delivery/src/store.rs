//! What a store must do: keep the journal of accepted events and the outbox of deliveries.
//!
//! `tests/it/every_store.rs` says it in code; any implementation must pass it.

pub mod open;
mod sqlite;

use std::sync::Arc;

use api::ObjectKey;
use domain::delivery::{Delivery, DeliveryId, DeliveryState, FailureClass, Position, Remembered};
use domain::plan::Dispositions;
use domain::ports::KeptCalls;
use domain::{CleanEvent, EventKey};
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a store did not do what it was asked to. Texts name files and operations, never content.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// No room: disk full, or the limit on pending work is reached. Nothing was stored.
    #[error("the store is full: {0}")]
    Full(String),
    /// The medium failed. Nothing was stored.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// An event to append to the journal.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The event, metadata cleaned, prefixes kept.
    pub event: Arc<CleanEvent>,
    /// Its identity for duplicate detection.
    pub key: EventKey,
    /// Start of the duplicate interval it was accepted in; see `intake`.
    pub interval_start: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
}

/// Called exactly once, from any thread, when an append is durable or has failed. It runs even if
/// the one who asked is gone, and must be quick.
pub type OnAppended = Box<dyn FnOnce(Result<Position, StoreError>) + Send>;

/// An accepted event as stored.
#[derive(Clone, Debug)]
pub struct JournalEntry {
    /// Its place.
    pub position: Position,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The event; `None` if what is stored cannot be read any more, which must stop nothing else.
    pub event: Option<Arc<CleanEvent>>,
}

/// Key and interval of a recently accepted event, to restore duplicate detection after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentKey {
    /// The event's key.
    pub key: EventKey,
    /// Start of the interval it was accepted in.
    pub interval_start: Timestamp,
}

/// One planned event.
#[derive(Clone, Debug)]
pub struct PlannedEvent {
    /// Which event.
    pub position: Position,
    /// The event itself, if it is at hand: it saves the store from reading it for the first claims.
    pub event: Option<Arc<CleanEvent>>,
    /// What to deliver.
    pub deliveries: Vec<Delivery>,
    /// What became of the event otherwise.
    pub dispositions: Dispositions,
}

/// A delivery that was handed out for one attempt. It is given back by [`Store::settle`]; if it is
/// not, its lease runs out and it is handed out again.
#[derive(Clone, Debug)]
#[must_use = "a claim is given back by settling it"]
pub struct Claimed {
    /// The delivery.
    pub delivery: Delivery,
    /// Its event; `None` if it cannot be read any more.
    pub event: Option<Arc<CleanEvent>>,
    /// Attempts made before this claim.
    pub attempts: u32,
    /// A newer live delivery of the same lane has the same supersede key, or, for a replayed
    /// delivery, one that was accepted later was delivered already.
    pub is_superseded: bool,
}

/// What a claim found.
#[derive(Debug, Default)]
pub struct Claims {
    /// Heads of lanes that are due, oldest due time first.
    pub claimed: Vec<Claimed>,
    /// When the next unclaimed head of this provider is due; `None` if there is none.
    pub next_due: Option<Timestamp>,
}

/// The last attempt, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAttempt {
    /// When it ended.
    pub at: Option<Timestamp>,
    /// What sort of failure; `None` if it succeeded or there was none.
    pub class: Option<FailureClass>,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// What happened, redacted, at most 1 KiB.
    pub detail: String,
}

/// What became of a claimed delivery.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Live states give the delivery back for later, all others end it.
    pub state: DeliveryState,
    /// When it is due again; only for live states.
    pub due_at: Option<Timestamp>,
    /// Whether an attempt was made; counts towards `attempts`.
    pub attempted: bool,
    /// The attempt, or why none was made.
    pub last: LastAttempt,
    /// Facts to remember, stored in the same transaction.
    pub remember: Vec<Remembered>,
    /// When this was decided.
    pub now: Timestamp,
}

/// Which deliveries an operation is about. Conditions that are set must all hold.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// In one of these states; empty means any.
    pub states: Vec<DeliveryState>,
    /// Of this Provider.
    pub provider: Option<ObjectKey>,
    /// Asked for by this Alert.
    pub alert: Option<ObjectKey>,
    /// Exactly these; empty means any.
    pub ids: Vec<DeliveryId>,
}

/// A delivery as people see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryView {
    /// Identity, as text.
    pub id: String,
    /// Where it is in its life.
    pub state: DeliveryState,
    /// `namespace/name`.
    pub provider: ObjectKey,
    /// Provider type when planned.
    pub kind: String,
    /// `namespace/name`.
    pub alert: ObjectKey,
    /// `Kind/namespace/name` of the involved object.
    pub object: String,
    /// Severity of the event.
    pub severity: String,
    /// Reason of the event.
    pub reason: String,
    /// First line of the message, at most 200 characters.
    pub message: String,
    /// When the event was accepted.
    pub accepted_at: Timestamp,
    /// When it is due, while it is live.
    pub due_at: Option<Timestamp>,
    /// Attempts made.
    pub attempts: u32,
    /// The last attempt.
    pub last: LastAttempt,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
}

/// An event as people see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventView {
    /// Its place in the journal.
    pub position: u64,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Whether it was planned.
    pub planned: bool,
    /// The event, metadata cleaned.
    pub event: Option<api::Event>,
    /// What became of it for Alerts that made no delivery.
    pub dispositions: Dispositions,
    /// Its deliveries.
    pub deliveries: Vec<DeliveryView>,
}

/// How many deliveries of a Provider are in a state.
pub type SummaryRow = (ObjectKey, DeliveryState, u64);

/// Counts for metrics and limits; cheap to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// Accepted events that are not planned yet.
    pub unplanned: u64,
    /// Live deliveries, parked ones included.
    pub live: u64,
    /// Those of them that are parked.
    pub parked: u64,
    /// Bytes the store takes on its medium, without what is free for reuse.
    pub bytes: u64,
    /// When the oldest unplanned event or live delivery was accepted.
    pub oldest: Option<Timestamp>,
}

/// How much settled history is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Events older than this go, unless something of them is live.
    pub age: std::time::Duration,
    /// When the store takes more bytes than this, the oldest settled events go first.
    pub bytes: u64,
}

/// A durable journal and outbox, and the calls of Receivers that are kept. Every method may be called
/// concurrently; all results that say so are on the medium when they are returned.
pub trait Store: KeptCalls + Send + Sync + 'static {
    /// Appends an event. `on_appended` runs once it is durable (fsync), or with the error.
    fn append(&self, event: NewEvent, on_appended: OnAppended);

    /// Keys of events accepted at or after `since`, newest first, at most `limit`.
    fn recent_keys(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<RecentKey>, StoreError>>;

    /// Position up to which events are planned.
    fn planned_up_to(&self) -> BoxFuture<'_, Result<Position, StoreError>>;

    /// Entries behind a position, in order, at most `limit`.
    fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<JournalEntry>, StoreError>>;

    /// Stores plans, their deliveries and the new position in one transaction. Positions must follow
    /// the planned ones without a gap of existing events; a plan committed twice is stored once.
    /// Answers which Providers got a delivery that is due.
    fn commit(&self, plans: Vec<PlannedEvent>)
    -> BoxFuture<'_, Result<Vec<ObjectKey>, StoreError>>;

    /// All Providers with live deliveries, and when their first unclaimed head is due.
    fn due(&self) -> BoxFuture<'_, Result<Vec<(ObjectKey, Timestamp)>, StoreError>>;

    /// Hands out due heads of one Provider's lanes, each to one caller only until `lease_until`.
    fn claim<'a>(
        &'a self,
        provider: &'a ObjectKey,
        now: Timestamp,
        limit: usize,
        lease_until: Timestamp,
    ) -> BoxFuture<'a, Result<Claims, StoreError>>;

    /// Ends a claim. Settling twice, or after the lease ran out and another one settled, changes
    /// nothing and is no error. When the delivery is not live any more the next of its lane becomes
    /// the head, due at once. Answers when the lane's head is due, if there is one.
    fn settle(
        &self,
        claimed: &Claimed,
        settlement: Settlement,
    ) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>>;

    /// Makes all heads of a Provider due now, for one whose configuration changed or whose
    /// destination came back. `parked_only` leaves those waiting for a retry alone. Answers whether
    /// there was any.
    fn hasten<'a>(
        &'a self,
        provider: &'a ObjectKey,
        parked_only: bool,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The fact remembered last under a key.
    fn recall<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>>;

    /// Counts, as of the last commit; reads no medium.
    fn backlog(&self) -> Backlog;

    /// Deliveries, newest first, older than `before` if given.
    fn list<'a>(
        &'a self,
        filter: &'a DeliveryFilter,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeliveryView>, StoreError>>;

    /// How many deliveries there are in each state, by Provider; at most `limit` rows.
    fn summary(&self, limit: usize) -> BoxFuture<'_, Result<Vec<SummaryRow>, StoreError>>;

    /// An event with everything that became of it.
    fn event(&self, position: Position) -> BoxFuture<'_, Result<Option<EventView>, StoreError>>;

    /// Makes settled deliveries live again, behind what waits in their lane; at most `limit` in one
    /// transaction. Delivered ones only if the filter asks for them by state or id. Their attempts and
    /// the time that retries may take begin anew: a claim's `accepted_at` is then when it was replayed.
    /// Answers how many.
    fn replay<'a>(
        &'a self,
        filter: &'a DeliveryFilter,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Settles live deliveries as dropped, except those claimed right now; at most `limit` in one
    /// transaction. Answers how many.
    fn drop_deliveries<'a>(
        &'a self,
        filter: &'a DeliveryFilter,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Removes settled history beyond the retention, a bounded amount per call. Answers whether
    /// there is more to remove.
    fn prune(
        &self,
        retention: Retention,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Finishes what was asked and closes. Everything after answers [`StoreError::Closed`].
    fn close(&self) -> BoxFuture<'_, ()>;
}
