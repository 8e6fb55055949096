//! What users write: events, providers, alerts, secrets, and the manifests they come in.
//!
//! Types here say what was written, not whether it can be used: `domain` turns an `api` value into a
//! `Valid…` one. Nothing here does I/O.

pub mod alert;
pub mod crd;
pub mod duration;
pub mod event;
pub mod manifest;
pub mod object;
pub mod problem;
pub mod provider;
pub mod receiver;
pub mod schema;
pub mod secret;

pub use alert::{Alert, EventSource};
pub use event::{Event, ObjectReference, to_wire_json, to_wire_value};
pub use object::{GROUP, ObjectKey, ObjectMeta};
pub use problem::{Problem, Severity};
pub use provider::Provider;
pub use receiver::{OidcProvider, Receiver, ReceiverResource};
pub use secret::{Secret, SecretData};
