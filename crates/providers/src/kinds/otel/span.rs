//! One event as an export request with one span.
//!
//! Field numbers: <https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto>
//! (`collector/trace/v1`, `trace/v1`, `resource/v1`, `common/v1`). Values: `providers-platforms.md`,
//! section `otel`.

use std::collections::BTreeMap;

use domain::Notification;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::shared::protobuf::Message;

const SCOPE: &str = "flux:notification-controller";
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.34.0";

const KIND_INTERNAL: u64 = 1;
const STATUS_OK: u64 = 1;
const STATUS_ERROR: u64 = 2;

/// Sampled, and known to be a remote parent's child: what the reference sets.
const FLAGS: u32 = 0x301;

/// An `ExportTraceServiceRequest`.
pub(super) fn export_request(notification: &Notification) -> Vec<u8> {
    let alert = &notification.alert;
    let name = format!("{}/{}", alert.namespace, alert.name);
    let resource = Message::new()
        .message(1, attribute("service.instance.id", &notification.alert_uid))
        .message(1, attribute("service.name", &name))
        .message(1, attribute("service.namespace", &alert.namespace));
    let scope_spans = Message::new()
        .message(1, Message::new().bytes(1, SCOPE))
        .message(2, span(notification));
    let resource_spans = Message::new()
        .message(1, resource)
        .message(2, scope_spans)
        .bytes(3, SCHEMA);
    Message::new().message(1, resource_spans).into_bytes()
}

fn span(notification: &Notification) -> Message {
    let event = &notification.event;
    let object = &event.involved_object;
    let name = format!("{}: {}/{}", object.kind, object.namespace, object.name);
    let accepted = notification.accepted_at;
    let start = event.timestamp.unwrap_or(accepted);
    let mut span = Message::new()
        .bytes(1, trace_id(notification))
        .bytes(2, span_id(notification))
        .bytes(5, name)
        .varint(6, KIND_INTERNAL)
        .fixed64(7, nanoseconds(start))
        // Clocks differ; a span that ends before it starts is shown by nobody.
        .fixed64(8, nanoseconds(accepted.max(start)));
    for (key, value) in attributes(notification) {
        span = span.message(9, attribute(key, value));
    }
    let status = if event.is_error() {
        Message::new()
            .bytes(2, &event.message)
            .varint(3, STATUS_ERROR)
    } else {
        Message::new().varint(3, STATUS_OK)
    };
    span.message(15, status).fixed32(16, FLAGS)
}

/// The object, then the metadata sorted by key; a metadata entry replaces what has the same name.
fn attributes(notification: &Notification) -> Vec<(&str, &str)> {
    let event = &notification.event;
    let object = &event.involved_object;
    let metadata: &BTreeMap<String, String> = &event.metadata;
    let own = [
        ("object.uid", object.uid.as_str()),
        ("object.kind", object.kind.as_str()),
        ("object.name", object.name.as_str()),
        ("object.namespace", object.namespace.as_str()),
    ];
    let replaced = own.map(|(key, value)| (key, metadata.get(key).map_or(value, String::as_str)));
    let rest = metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        // An attribute without a name is invalid.
        .filter(|(key, _)| !key.is_empty() && own.iter().all(|(known, _)| known != key));
    replaced.into_iter().chain(rest).collect()
}

/// A `KeyValue` with a string.
fn attribute(key: &str, value: &str) -> Message {
    Message::new()
        .bytes(1, key)
        .message(2, Message::new().bytes(1, value))
}

/// The same for all events of an Alert about a revision.
fn trace_id(notification: &Notification) -> [u8; 16] {
    let metadata = &notification.event.metadata;
    let revision = match (metadata.get("app-version"), metadata.get("oci-digest")) {
        (Some(version), Some(digest)) => format!("{version}@{digest}"),
        _ => metadata
            .get("revision")
            .cloned()
            .unwrap_or_else(|| "unknown".to_owned()),
    };
    first_bytes(format!("{}:{revision}", notification.alert_uid).as_bytes())
}

/// The same whenever a delivery is repeated.
fn span_id(notification: &Notification) -> [u8; 8] {
    let mut id: [u8; 8] = first_bytes(notification.idempotency_key.as_bytes());
    // All zeros would mean that there is none.
    if id == [0; 8] {
        id = [1; 8];
    }
    id
}

fn first_bytes<const LENGTH: usize>(text: &[u8]) -> [u8; LENGTH] {
    let mut first = [0; LENGTH];
    for (to, from) in first.iter_mut().zip(Sha256::digest(text)) {
        *to = from;
    }
    first
}

/// Since 1970; what was before that is 1970.
fn nanoseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond()).unwrap_or_default()
}
