//! Incoming webhooks: which calls are genuine, and what they ask for.
//!
//! To add a type: a file under `kinds/` whose module docs are its user page, its line in [`kinds`],
//! its name in `api::schema::RECEIVER_TYPES`, and recordings or tests.
//!
//! The rule of the house: authenticate first, then spend. A path is looked up in memory
//! ([`Table`]), what headers alone prove or disprove is decided before a body is read
//! ([`Hooks::screen`]), signatures are verified over the exact bytes, and only then is anything parsed
//! or asked of the outside ([`Hooks::answer`]).

pub mod answer;
pub mod authenticator;
mod bursts;
pub mod call;
mod cdevent;
mod form;
mod google;
pub mod json;
pub mod kept;
pub mod kind;
pub mod kinds;
pub mod media_type;
pub mod metrics;
pub mod oidc;
pub mod payload;
mod reconcile;
mod rejection;
mod replays;
pub mod screening;
pub mod signature;
pub mod table;
mod throttle;

pub use answer::{Answer, Hooks, HooksPorts, HooksSettings};
pub use authenticator::Authenticator;
pub use call::Call;
pub use kind::ReceiverKind;
pub use rejection::Rejection;
pub use screening::Screening;
pub use signature::{Algorithm, SignaturePolicy};
pub use table::{Credentials, Found, Table};
