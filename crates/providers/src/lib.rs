//! The destinations, one file each.
//!
//! To add one: a file under `kinds/` whose module docs are its user page, its line in [`kinds`],
//! and a folder of fixtures. Nothing else changes. `CONTRIBUTING.md` has the recipe.
//!
//! A provider renders and classifies; it never decides about retries, never logs, and knows nothing
//! of Kubernetes.

pub mod classify;
pub mod courier;
pub mod directory;
pub mod identity;
pub mod kind;
pub mod kinds;
pub mod notifier;
pub mod render;
pub mod settings;
mod shared;

pub use courier::{Courier, CourierSettings};
pub use directory::{Directory, ObjectLevelDirectory};
pub use identity::Identities;
pub use kind::ProviderKind;
pub use notifier::{AttemptContext, Notifier, OneRequest};
pub use settings::{ConfigError, ProviderSettings};
pub use shared::token_cache::TokenCache;
