//! The event message that GitOps controllers post, in every published version.
//!
//! Decoding follows Go's standard JSON decoder, since that is what senders were tested against
//! (`event-server.md` section 1.1 of the reference's specification): names match without regard to
//! case, unknown fields are ignored, repeated objects merge, the last duplicate wins, `null` leaves a
//! field as it was, invalid UTF-8 and lone surrogates become U+FFFD.

mod decode;
mod timestamp;
mod wire;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

pub use decode::{DecodeError, decode};
pub use wire::{to_wire_json, to_wire_value};

/// Severity of failures; the only one that an `error` Alert takes.
pub const SEVERITY_ERROR: &str = "error";
/// Severity of everything else that controllers send.
pub const SEVERITY_INFO: &str = "info";

/// An event as it travels (`event.toolkit.fluxcd.io/v1beta1`).
///
/// Field order is the wire order of the reference, and metadata is sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What the event is about.
    pub involved_object: ObjectReference,
    /// `info`, `error`, `trace`, or whatever the sender wrote.
    pub severity: String,
    /// When it happened, by the sender's clock, whole seconds. Never used for ordering.
    #[serde(serialize_with = "timestamp::serialize")]
    pub timestamp: Option<Timestamp>,
    /// The text for people. Real messages exceed 50,000 characters.
    pub message: String,
    /// A machine word such as `ReconciliationSucceeded`.
    pub reason: String,
    /// Extra data; keys carry a prefix while they travel.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The sending controller.
    pub reporting_controller: String,
    /// The sending pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reporting_instance: String,
}

/// A Kubernetes `ObjectReference`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// Kind, such as `Kustomization`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// API group and version, such as `kustomize.toolkit.fluxcd.io/v1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Resource version; often older than the object's final one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Path inside the object; Flux never sets it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field_path: String,
}

impl ObjectReference {
    /// The API group: what stands before the single slash of `apiVersion`. Empty for core versions
    /// and for strings with several slashes.
    pub fn group(&self) -> &str {
        match self.api_version.split_once('/') {
            Some((group, version)) if !version.contains('/') => group,
            _ => "",
        }
    }
}

impl Event {
    /// Whether the event reports a failure.
    pub fn is_error(&self) -> bool {
        self.severity == SEVERITY_ERROR
    }
}

#[cfg(test)]
mod tests;
