//! From accepted event to settled delivery, durably.
//!
//! Three stages, each resting on the store: [`intake`] appends accepted events to the journal,
//! `dispatch` plans them and commits deliveries, `worker` keeps the promises. A crash between any
//! two steps repeats work, and loses none.

pub mod engine;
pub mod intake;
pub mod store;

mod breaker;
mod contained;
mod dispatch;
mod duplicates;
mod gate;
mod janitor;
mod memory;
mod metrics;
mod settlement;
mod tail;
mod worker;

pub use engine::{Engine, Handle, Ports, Settings};
pub use intake::{Accepted, Intake, NotAccepted};
pub use memory::StoreMemory;
pub use store::{Store, StoreError};
pub use worker::Limits;
