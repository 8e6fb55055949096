//! A user's rule "events like these go to that provider": the `Alert` object.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::ObjectMeta;
use crate::object::string_map;
use crate::schema::DEFAULT_EVENT_SEVERITY;

/// An `Alert` as written (`notification.toolkit.fluxcd.io`, any served version).
///
/// Field meanings: `crds.md` section 3.1 of the reference's specification.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alert {
    /// Name, namespace, uid.
    pub meta: ObjectMeta,
    /// `spec.providerRef.name`: a Provider of the same namespace.
    pub provider: String,
    /// `spec.eventSeverity`, `info` when absent.
    pub severity: String,
    /// `spec.eventSources`.
    pub sources: Vec<EventSource>,
    /// `spec.inclusionList`.
    pub inclusions: Vec<String>,
    /// `spec.exclusionList`.
    pub exclusions: Vec<String>,
    /// `spec.eventMetadata`.
    pub event_metadata: BTreeMap<String, String>,
    /// `spec.summary`, deprecated.
    pub summary: String,
    /// `spec.suspend`.
    pub suspend: bool,
    /// The whole object as JSON, for expressions that may look at any of it.
    pub object: Arc<Value>,
}

/// One entry of `spec.eventSources`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSource {
    /// Kind of the object, exact and case-sensitive.
    pub kind: String,
    /// Name of the object, `*` for any.
    pub name: String,
    /// Namespace of the object; empty means the Alert's own.
    pub namespace: String,
    /// Labels the object must carry; `Some` of an empty map still needs the object to exist.
    pub match_labels: Option<BTreeMap<String, String>>,
}

impl Alert {
    /// Reads an Alert from its JSON form; fields of the wrong type count as absent
    /// (`schema::check` reports them).
    pub fn from_object(object: Arc<Value>) -> Self {
        let spec = object.get("spec");
        let field = |key: &str| spec.and_then(|spec| spec.get(key));
        let texts = |key: &str| {
            field(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|text| text.as_str().map(str::to_owned))
                .collect()
        };
        let text = |key: &str| field(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            meta: ObjectMeta::from_object(&object),
            provider: field("providerRef")
                .and_then(|reference| reference.get("name")?.as_str())
                .unwrap_or_default()
                .to_owned(),
            severity: text("eventSeverity")
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| DEFAULT_EVENT_SEVERITY.to_owned()),
            sources: field("eventSources")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(EventSource::from_value)
                .collect(),
            inclusions: texts("inclusionList"),
            exclusions: texts("exclusionList"),
            event_metadata: string_map(field("eventMetadata")),
            summary: text("summary").unwrap_or_default(),
            suspend: field("suspend")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            object,
        }
    }
}

impl EventSource {
    fn from_value(value: &Value) -> Self {
        let text = |key: &str| {
            value
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            kind: text("kind"),
            name: text("name"),
            namespace: text("namespace"),
            match_labels: value
                .get("matchLabels")
                .filter(|labels| labels.is_object())
                .map(|labels| string_map(Some(labels))),
        }
    }
}
