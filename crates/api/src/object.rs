//! Identity of Kubernetes objects: names, uids, labels.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// API group of Providers, Alerts and Receivers.
pub const GROUP: &str = "notification.toolkit.fluxcd.io";

/// Namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectKey {
    /// A key from its parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// The part of an object's metadata that we use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The uid, empty when the manifest has none.
    pub uid: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

impl ObjectMeta {
    /// Reads the metadata of an object; what has the wrong type is left out, `schema` reports it.
    pub fn from_object(object: &Value) -> Self {
        let metadata = object.get("metadata");
        let text = |key: &str| {
            metadata
                .and_then(|metadata| metadata.get(key))
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let map = |key: &str| string_map(metadata.and_then(|metadata| metadata.get(key)));
        Self {
            key: ObjectKey::new(text("namespace"), text("name")),
            uid: text("uid"),
            labels: map("labels"),
            annotations: map("annotations"),
        }
    }
}

/// The string entries of a JSON object.
pub(crate) fn string_map(value: Option<&Value>) -> BTreeMap<String, String> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
