//! HTTP: events, webhooks, health, metrics, and control of a running process.

pub mod admin;
pub mod control;
pub mod events;
pub mod hooks;
pub mod listener;

mod body;
mod guarded;
mod metrics;
mod path;

pub use admin::Admin;
pub use control::Control;
pub use events::{Events, EventsSettings};
pub use hooks::HookPort;
pub use listener::{BindError, CommonRoom, Listener, Room};
