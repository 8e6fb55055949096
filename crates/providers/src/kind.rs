//! The static description of a provider type: everything the rest of the program may ask about it.

use api::{Problem, Provider};
use domain::Capabilities;

use crate::notifier::Notifier;
use crate::settings::{ConfigError, ProviderSettings};

/// How often a notification can arrive. For documentation; the engine always retries until it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// The service recognises repeats, or writing the same thing again changes nothing.
    ExactlyOnce,
    /// A message can repeat when an answer was lost.
    AtLeastOnce,
}

/// What a type speaks with its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP, through [`outbound::HttpTransport`]. The rules for statuses, redirects and
    /// `Retry-After` hold.
    Http,
    /// Another protocol, by its name, through [`outbound::StreamTransport`].
    Other(&'static str),
}

/// One provider type. Each file under `kinds/` has one as `pub(crate) const KIND`.
pub struct ProviderKind {
    /// The type's name in `spec.type`.
    pub name: &'static str,
    /// The service, as people call it.
    pub title: &'static str,
    /// Which events it takes.
    pub capabilities: Capabilities,
    /// How often a notification can arrive.
    pub guarantee: Guarantee,
    /// What it speaks.
    pub protocol: Protocol,
    /// Problems that show without Secrets: address forms, channels. Must not print the address.
    pub check: fn(&Provider) -> Vec<Problem>,
    /// Makes a notifier; no I/O.
    pub build: fn(&ProviderSettings) -> Result<Box<dyn Notifier>, ConfigError>,
    /// The user page: the module's own documentation.
    pub page: &'static str,
}
