//! An event with only the metadata that we may use, and its identity.

pub mod metadata;
pub mod revision;

use std::fmt;

use api::Event;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Prefix of metadata keys that come from annotations of the object.
pub const EVENT_GROUP: &str = "event.toolkit.fluxcd.io";

/// Why a decoded body is no event.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// Typical for a webhook that was pointed at the event port.
    #[error(
        "this is no event: involvedObject.kind is missing; this port takes events of GitOps controllers"
    )]
    NoKind,
    /// As above, with a kind.
    #[error(
        "this is no event: involvedObject.name is missing; this port takes events of GitOps controllers"
    )]
    NoName,
}

/// An event whose metadata went through the clean-up on receipt.
///
/// Keys still carry their prefix; the merge with an Alert's metadata strips them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanEvent(Event);

impl CleanEvent {
    /// Cleans an event as it came over the wire and computes its key.
    ///
    /// The key is made before the token is removed, since the token exists to tell events apart.
    pub fn from_wire(mut event: Event) -> Result<(Self, EventKey), Refused> {
        if event.involved_object.kind.is_empty() {
            return Err(Refused::NoKind);
        }
        if event.involved_object.name.is_empty() {
            return Err(Refused::NoName);
        }
        metadata::clean(&mut event);
        let key = EventKey::of(&event);
        metadata::remove_token(&mut event);
        Ok((Self(event), key))
    }

    /// Takes an event that was cleaned before it was stored.
    pub fn from_journal(event: Event) -> Self {
        Self(event)
    }

    /// The event itself.
    pub fn event(&self) -> &Event {
        &self.0
    }

    /// Whether the event exists only to refresh a commit status.
    pub fn is_commit_status_update(&self) -> bool {
        let group = self.0.involved_object.group();
        metadata::prefixed(&self.0, group, "commit_status") == Some("update")
    }

    /// A value that travels under `event.toolkit.fluxcd.io/`, if it is not empty.
    pub fn annotation(&self, suffix: &str) -> Option<&str> {
        metadata::prefixed(&self.0, EVENT_GROUP, suffix).filter(|value| !value.is_empty())
    }
}

/// Identity of an event for duplicate detection: SHA-256 over the parts that the reference uses
/// (`event-server.md` section 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey(pub [u8; 32]);

impl EventKey {
    /// The key of an event whose metadata is clean and still has its token.
    fn of(event: &Event) -> Self {
        let object = &event.involved_object;
        let mut digest = Sha256::new();
        digest.update(b"event/name=");
        digest.update(&object.name);
        digest.update(b"/namespace=");
        digest.update(&object.namespace);
        digest.update(b"/kind=");
        digest.update(&object.kind);
        digest.update(b"/message=");
        digest.update(&event.message);
        for suffix in ["originRevision", "revision", "token"] {
            if let Some(value) = metadata::prefixed(event, object.group(), suffix) {
                digest.update(b"/");
                digest.update(suffix);
                digest.update(b"=");
                digest.update(value);
            }
        }
        Self(digest.finalize().into())
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests;
