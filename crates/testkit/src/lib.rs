//! Fakes, fixtures and real sinks for tests. Never a product dependency.
//!
//! Everything here may panic: a test that cannot be set up has failed.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::missing_panics_doc,
    reason = "test code: a panic is the answer to what cannot be set up"
)]

pub mod alertmanager;
pub mod certificates;
pub mod clock;
pub mod conditions;
pub mod control_plane;
pub mod corpus;
pub mod exchange;
pub mod fixture;
pub mod http_proxy;
pub mod http_sink;
pub mod memory;
pub mod otlp;
pub mod secrets;
pub mod servers;
pub mod service_accounts;
pub mod streams;
pub mod yaml;

pub use alertmanager::Alertmanager;
pub use certificates::{Authority, Pair};
pub use clock::MovableClock;
pub use conditions::Conditions;
pub use control_plane::ControlPlane;
pub use exchange::{ScriptedResponse, ScriptedTransport, SentRequest};
pub use http_proxy::HttpProxy;
pub use http_sink::{Answer, HttpSink, SeenRequest};
pub use memory::Facts;
pub use secrets::Secrets;
pub use service_accounts::ServiceAccounts;
pub use streams::ScriptedStreams;
