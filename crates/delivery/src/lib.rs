//! From accepted event to settled delivery, durably.
//!
//! Three stages, each resting on the store: [`intake`] appends accepted events to the journal,
//! [`dispatch`] plans them and commits deliveries, [`worker`] keeps the promises. A crash between
//! any two steps repeats work, and loses none.

pub mod store;

pub use store::{Store, StoreError};
