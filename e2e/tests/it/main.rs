//! What we ship, tried on a real Kubernetes API server.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests end at the first surprise, and say when they do not run"
)]

mod columns;
mod deploy;
mod old_versions;
mod recorded;
mod switching;
