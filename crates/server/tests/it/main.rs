//! The event and the webhook port over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests end at the first surprise"
)]

mod event_port;
mod hook_port;
mod hooks;
mod hostile;
mod senders;
mod support;
mod wire;
