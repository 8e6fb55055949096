//! What we ship, tried on a real Kubernetes API server; the tests are in `tests/it`.
//!
//! Everything here may panic: a test that cannot be set up has failed.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "test code: a panic is the answer to what cannot be set up"
)]

pub mod api_client;
pub mod kustomize;
pub mod reference;
pub mod repository;

pub use api_client::{Answer, ApiClient};
