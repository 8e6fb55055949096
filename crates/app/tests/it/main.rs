//! The built binary, as people and controllers meet it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests end at the first surprise"
)]

mod bad_input;
mod canaries;
mod command_line;
mod configuration;
mod controller_flags;
mod crashes;
mod destinations;
mod disk;
mod guide;
mod hostile_http;
mod identities;
mod in_cluster;
mod incidents;
mod secrecy;
mod sender;
mod shutdown;
mod support;
mod webhooks;
