//! What we decide: which alerts an event matches, what becomes of it, when a delivery is tried again.
//!
//! Everything here is a function of plain values. This crate does no I/O, reads no clock, spawns
//! nothing and logs nothing; what it needs from outside it asks through [`ports`].

pub mod alert;
pub mod catalog;
pub mod delivery;
pub mod event;
pub mod notification;
pub mod plan;
pub mod ports;
pub mod provider;
pub mod receiver;
pub mod validated;

pub use alert::ValidAlert;
pub use catalog::{Catalog, CatalogSnapshot};
pub use delivery::{Delivery, DeliveryId, Lane, Outcome, Position};
pub use event::{CleanEvent, EventKey};
pub use notification::Notification;
pub use provider::{Capabilities, Family, ValidProvider};
pub use receiver::ValidReceiver;
pub use validated::Validated;
