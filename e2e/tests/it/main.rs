//! What we ship, tried on a real Kubernetes API server.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests end at the first surprise"
)]

mod columns;
mod deploy;
mod old_versions;
mod recorded;
mod switching;
