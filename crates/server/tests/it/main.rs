//! The event port over a real socket, on a real store.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests end at the first surprise"
)]

mod event_port;
mod hostile;
mod senders;
mod support;
