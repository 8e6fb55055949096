//! Schemas of `status`.
//!
//! They say what we write and are no stricter than needed: a status that was stored by another
//! controller must not get in the way of ours.

use serde_json::{Value, json};

use super::versions::Version;

/// `status` of an Alert.
pub(super) fn of_alert(version: &Version) -> Value {
    object(
        "What became of the Alert.",
        &reconciled(),
        !version.is_stored(),
    )
}

/// `status` of a Provider.
pub(super) fn of_provider(version: &Version) -> Value {
    let mut properties = reconciled();
    set(&mut properties, "delivery", delivery());
    object(
        "What became of the Provider and of what it was to deliver.",
        &properties,
        !version.is_stored(),
    )
}

/// `status` of a Receiver.
pub(super) fn of_receiver(version: &Version) -> Value {
    let mut properties = reconciled();
    set(
        &mut properties,
        "webhookPath",
        text("Path of the webhook, `/hook/` and 64 hexadecimal digits."),
    );
    if !version.is_stored() {
        set(
            &mut properties,
            "url",
            text("Former name of `webhookPath`; no longer set."),
        );
    }
    object("What became of the Receiver.", &properties, true)
}

/// What all our kinds have in their status.
fn reconciled() -> Value {
    json!({
        "conditions": {
            "type": "array",
            "description": "Conditions of the object; `Ready` says whether it is in use.",
            "items": condition(),
        },
        "lastHandledReconcileAt": text(
            "Value of the annotation `reconcile.fluxcd.io/requestedAt` that was handled last.",
        ),
        "observedGeneration": {
            "type": "integer",
            "format": "int64",
            "description": "Generation of the object that the status is about.",
        },
    })
}

fn delivery() -> Value {
    let count = |description: &str| json!({"type": "integer", "format": "int64", "minimum": 0, "description": description});
    json!({
        "type": "object",
        "description": "What became of deliveries to this Provider; written now and then, and on changes.",
        "properties": {
            "failed": count("Deliveries that failed for good and are kept for `fanfare queue replay`."),
            "lastDeliveredAt": time("When the Provider took a message last."),
            "lastError": text("Why the last failed attempt failed, without secrets."),
            "lastFailedAt": time("When an attempt failed last."),
            "pausedUntil": time("While its destination is down: when it is tried again."),
            "pending": count("Deliveries that wait."),
        },
    })
}

/// A condition with the limits of `metav1.Condition` (`crds.md` section 4.3).
fn condition() -> Value {
    json!({
        "type": "object",
        "description": "One aspect of the state of the object.",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "lastTransitionTime": time("When `status` changed last."),
            "message": {
                "type": "string",
                "maxLength": 32768,
                "description": "The details, for people.",
            },
            "observedGeneration": {
                "type": "integer",
                "format": "int64",
                "minimum": 0,
                "description": "Generation of the object that the condition is about.",
            },
            "reason": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                "description": "Why, in one word for programs.",
            },
            "status": {
                "type": "string",
                "enum": ["True", "False", "Unknown"],
                "description": "Whether it holds.",
            },
            "type": {
                "type": "string",
                "maxLength": 316,
                "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                "description": "What it is about, such as `Ready`.",
            },
        },
    })
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn time(description: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": description})
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

/// `is_defaulted`: as in the reference, an object without status then reads as one whose status is
/// about no generation yet.
fn object(description: &str, properties: &Value, is_defaulted: bool) -> Value {
    let mut schema = json!({
        "type": "object",
        "description": description,
        "properties": properties,
    });
    if is_defaulted {
        set(&mut schema, "default", json!({"observedGeneration": -1}));
    }
    schema
}
