//! Sentry's envelope: a header, the header of one item, and the item, a line each
//! (<https://develop.sentry.dev/sdk/data-model/envelopes/>).

use std::collections::BTreeMap;

use api::Event;
use bytes::Bytes;
use domain::Notification;
use domain::delivery::{Failure, FailureClass};
use jiff::Timestamp;
use serde::Serialize;

use super::limits::Category;

use crate::shared::digest;
use crate::shared::fit::{self, Limits};
use crate::shared::truncate::{self, Unit};

/// Characters of a message, <https://develop.sentry.dev/sdk/data-model/event-payloads/message/>.
const LONGEST_MESSAGE: usize = 8_192;

/// Characters of a transaction's name, a server's name and a tag's key and value,
/// <https://docs.sentry.io/platforms/go/enriching-events/tags/>.
const LONGEST_NAME: usize = 200;

/// Characters of an environment, <https://develop.sentry.dev/sdk/data-model/event-payloads/>.
const LONGEST_ENVIRONMENT: usize = 64;

/// Of the 1 MiB that an item may have, what metadata gets: a transaction has it twice.
const METADATA: Limits = Limits {
    unit: Unit::JsonBytes,
    total: 400_000,
    text: 0,
    name: 1_000,
    value: 100_000,
    fields: 1_000,
    // Quotes, colon and comma.
    field_overhead: r#""":"","#.len(),
};

#[derive(Serialize)]
struct Header<'a> {
    event_id: &'a str,
    sent_at: String,
    dsn: &'a str,
    sdk: Sdk,
}

#[derive(Serialize)]
struct Sdk {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct ItemHeader {
    #[serde(rename = "type")]
    kind: &'static str,
    length: usize,
}

#[derive(Serialize)]
struct Payload<'a> {
    contexts: Contexts<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    environment: &'a str,
    event_id: &'a str,
    level: &'static str,
    message: String,
    platform: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    server_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    transaction: String,
    #[serde(flatten)]
    transaction_only: Option<TransactionOnly<'a>>,
}

#[derive(Default, Serialize)]
struct Contexts<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Trace<'a>>,
}

#[derive(Serialize)]
struct Trace<'a> {
    op: &'static str,
    #[serde(rename = "span_id")]
    span: &'a str,
    #[serde(rename = "trace_id")]
    id: &'a str,
}

#[derive(Serialize)]
struct TransactionOnly<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_timestamp: Option<String>,
    spans: [Span<'a>; 1],
    tags: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Span<'a> {
    #[serde(rename = "trace_id")]
    trace: &'a str,
    #[serde(rename = "span_id")]
    id: &'a str,
    op: &'static str,
    tags: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    origin: &'static str,
}

/// Ids that stay the same over retries, so that Sentry knows a repetition.
struct Ids {
    event: String,
    trace: String,
    span: String,
}

impl Ids {
    fn of(notification: &Notification) -> Self {
        let made = |what: &str, bytes: usize| {
            // The uids tell apart what several clusters send to one project.
            let digest = digest::of_parts([
                what,
                &notification.alert_uid,
                &notification.event.involved_object.uid,
                &notification.idempotency_key,
            ]);
            digest::hexadecimal(digest.get(..bytes).unwrap_or(&digest))
        };
        Self {
            event: made("sentry event", 16),
            trace: made("sentry trace", 16),
            span: made("sentry span", 8),
        }
    }
}

/// The envelope of a notification; `now` is when it is sent, by which Sentry corrects clocks.
pub(super) fn render(
    notification: &Notification,
    dsn: &str,
    environment: &str,
    now: Timestamp,
) -> Result<Bytes, Failure> {
    let event = &notification.event;
    let category = Category::of(event);
    let ids = Ids::of(notification);
    let tags = match category {
        Category::Error => BTreeMap::new(),
        Category::Transaction => tags(event),
    };
    let item = line(&payload(event, category, &ids, &tags, environment))?;
    let header = line(&Header {
        event_id: &ids.event,
        sent_at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        dsn,
        sdk: Sdk {
            name: "fanfare",
            version: env!("CARGO_PKG_VERSION"),
        },
    })?;
    let item_header = line(&ItemHeader {
        kind: category.item_type(),
        length: item.len(),
    })?;
    let mut envelope = Vec::with_capacity(header.len() + item_header.len() + item.len() + 3);
    for line in [header, item_header, item] {
        envelope.extend(line);
        envelope.push(b'\n');
    }
    Ok(Bytes::from(envelope))
}

fn line(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|error| {
        Failure::new(
            FailureClass::Rejected,
            format!("rendering the envelope: {error}"),
        )
    })
}

fn payload<'a>(
    event: &Event,
    category: Category,
    ids: &'a Ids,
    tags: &'a BTreeMap<String, String>,
    environment: &'a str,
) -> Payload<'a> {
    let object = &event.involved_object;
    let name = format!("{}: {}/{}", object.kind, object.namespace, object.name);
    let timestamp = event.timestamp.map(|time| time.to_string());
    let is_error = category == Category::Error;
    let contexts = if is_error {
        Contexts {
            metadata: fitted(event),
            trace: None,
        }
    } else {
        Contexts {
            metadata: BTreeMap::new(),
            trace: Some(Trace {
                op: "event",
                span: &ids.span,
                id: &ids.trace,
            }),
        }
    };
    let transaction_only = (!is_error).then(|| TransactionOnly {
        kind: "transaction",
        start_timestamp: timestamp.clone(),
        spans: [Span {
            trace: &ids.trace,
            id: &ids.span,
            op: "event",
            tags,
            start_timestamp: timestamp.clone(),
            timestamp: timestamp.clone(),
            origin: "manual",
        }],
        tags,
    });
    Payload {
        contexts,
        environment: truncate::prefix(environment, LONGEST_ENVIRONMENT, Unit::Characters),
        event_id: &ids.event,
        level: if is_error { "error" } else { "info" },
        message: truncate::head_and_tail(&event.message, LONGEST_MESSAGE, Unit::Characters),
        // What the reference's library says; Sentry groups by it.
        platform: "go",
        server_name: short(&event.reporting_controller),
        timestamp,
        transaction: short(&name),
        transaction_only,
    }
}

fn short(text: &str) -> String {
    truncate::head_in(text, LONGEST_NAME, Unit::Characters)
}

fn fitted(event: &Event) -> BTreeMap<String, String> {
    let metadata = fit::sorted(&event.metadata, str::to_owned);
    fit::fit("", metadata, 0, &METADATA)
        .fields
        .into_iter()
        .collect()
}

/// What the object is, then the metadata, which wins.
fn tags(event: &Event) -> BTreeMap<String, String> {
    let object = &event.involved_object;
    let mut tags: BTreeMap<String, String> = [
        ("flux_involved_object_kind", &object.kind),
        ("flux_involved_object_namespace", &object.namespace),
        ("flux_involved_object_name", &object.name),
        ("flux_reporting_controller", &event.reporting_controller),
        ("flux_reporting_instance", &event.reporting_instance),
        ("flux_reason", &event.reason),
    ]
    .map(|(key, value)| (key.to_owned(), short(value)))
    .into();
    // Sentry drops a tag with a line break in its value.
    let metadata = fit::sorted(&event.metadata, |text| short(&text.replace('\n', " ")));
    tags.extend(fit::fit("", metadata, 0, &METADATA).fields);
    tags
}
