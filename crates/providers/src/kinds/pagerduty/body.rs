//! Bodies of PagerDuty's events, within its limits
//! (<https://developer.pagerduty.com/docs/send-alert-event>).

use std::collections::BTreeMap;

use api::Event;
use domain::Notification;
use domain::notification::commit_status;
use serde::Serialize;

use crate::shared::digest;
use crate::shared::fit::{self, Limits};
use crate::shared::truncate::{self, Unit};

/// Characters of a summary.
const LONGEST_SUMMARY: usize = 1_024;

/// Characters of a key.
const LONGEST_KEY: usize = 255;

/// Characters of other fields; PagerDuty names no limit of theirs.
const LONGEST_FIELD: usize = 1_024;

/// "The maximum permitted size of PagerDuty event is 512 KB", everything included.
const LIMITS: Limits = Limits {
    unit: Unit::JsonBytes,
    total: 512_000,
    text: 512_000,
    name: 1_000,
    value: 100_000,
    fields: 1_000,
    // Quotes, colon and comma.
    field_overhead: r#""":"","#.len(),
};

#[derive(Debug, Serialize)]
pub(super) struct Trigger<'a> {
    routing_key: &'a str,
    event_action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dedup_key: Option<&'a str>,
    payload: Payload,
}

#[derive(Debug, Serialize)]
pub(super) struct Resolve<'a> {
    routing_key: &'a str,
    event_action: &'static str,
    dedup_key: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Change<'a> {
    routing_key: &'a str,
    payload: Payload,
}

#[derive(Debug, Serialize)]
struct Payload {
    summary: String,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    custom_details: Details,
}

#[derive(Debug, Default, Serialize)]
struct Details {
    message: String,
    metadata: BTreeMap<String, String>,
}

/// Whether a text can be a key.
pub(super) fn is_key(text: &str) -> bool {
    (1..=LONGEST_KEY).contains(&text.chars().count())
}

/// What PagerDuty knows an object's alert by; `None` where the object has no uid.
pub(super) fn dedup_key(event: &Event) -> Option<String> {
    let uid = event.involved_object.uid.as_str();
    match uid {
        "" => None,
        uid if is_key(uid) => Some(uid.to_owned()),
        uid => Some(digest::hexadecimal(&digest::of_parts([uid]))),
    }
}

pub(super) fn trigger<'a>(
    routing_key: &'a str,
    dedup_key: Option<&'a str>,
    notification: &Notification,
) -> Trigger<'a> {
    let object = &notification.event.involved_object;
    let mut trigger = Trigger {
        routing_key,
        event_action: "trigger",
        dedup_key,
        payload: Payload {
            severity: Some("error"),
            component: Some(field(&object.name)),
            group: Some(field(&object.kind)),
            ..Payload::of(&notification.event)
        },
    };
    let fixed = length(&trigger);
    trigger.payload.custom_details = details(&notification.event, fixed);
    trigger
}

pub(super) fn resolve<'a>(routing_key: &'a str, dedup_key: &'a str) -> Resolve<'a> {
    Resolve {
        routing_key,
        event_action: "resolve",
        dedup_key,
    }
}

pub(super) fn change<'a>(routing_key: &'a str, notification: &Notification) -> Change<'a> {
    let mut change = Change {
        routing_key,
        payload: Payload::of(&notification.event),
    };
    let fixed = length(&change);
    change.payload.custom_details = details(&notification.event, fixed);
    change
}

impl Payload {
    /// Without details.
    fn of(event: &Event) -> Self {
        let description = commit_status::description(event);
        let summary = format!("{description}: {}", commit_status::name(event));
        Self {
            summary: truncate::head_in(&summary, LONGEST_SUMMARY, Unit::Characters),
            source: field(&format!("Flux {}", event.reporting_controller)),
            severity: None,
            timestamp: event.timestamp.map(|time| time.to_string()),
            component: None,
            group: None,
            custom_details: Details::default(),
        }
    }
}

fn field(text: &str) -> String {
    truncate::head_in(text, LONGEST_FIELD, Unit::Characters)
}

/// Bytes of a body as they are sent.
fn length(body: &impl Serialize) -> usize {
    // Structs of texts always serialise.
    serde_json::to_vec(body).map_or(0, |bytes| bytes.len())
}

fn details(event: &Event, fixed: usize) -> Details {
    let metadata = fit::sorted(&event.metadata, str::to_owned);
    // The last field has no comma.
    let fixed = fixed.saturating_sub(usize::from(!metadata.is_empty()));
    let fitted = fit::fit(&event.message, metadata, fixed, &LIMITS);
    Details {
        message: fitted.text,
        metadata: fitted.fields.into_iter().collect(),
    }
}
