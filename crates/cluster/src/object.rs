//! Objects of the API server as they come, whatever is in them.
//!
//! Nothing that a permissive schema lets through makes reading a list fail: each object stays text
//! until it is looked at by itself, and only its own text can then be found unreadable.

use std::borrow::Cow;
use std::sync::Arc;

use api::{ObjectKey, Problem};
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope, ObjectMeta};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// An annotation that holds the object once more; nobody needs both.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object, its metadata read and everything else left as text.
#[derive(Clone, Debug)]
pub(crate) struct RawObject {
    metadata: ObjectMeta,
    is_being_deleted: bool,
    text: Box<RawValue>,
}

/// What we need of an object beside what a user wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Observed {
    pub(crate) key: ObjectKey,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) generation: i64,
    pub(crate) finalizers: Vec<String>,
    pub(crate) is_being_deleted: bool,
    /// `status` as it is; `null` if there is none.
    pub(crate) status: Value,
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        // The server itself checks metadata. What it would still let through has no name for us, and
        // is left out.
        let head: Head = serde_json::from_str(text.get()).unwrap_or_default();
        let is_being_deleted = head.metadata.deletion_timestamp.is_some();
        Ok(Self {
            metadata: head.metadata.into(),
            is_being_deleted,
            text,
        })
    }
}

/// What we need of an object before it is read. Everything else is skipped, however deep it is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    finalizers: Option<Vec<String>>,
    deletion_timestamp: Option<String>,
}

impl From<Metadata> for ObjectMeta {
    fn from(metadata: Metadata) -> Self {
        Self {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            generation: metadata.generation,
            finalizers: metadata.finalizers,
            ..Self::default()
        }
    }
}

impl RawObject {
    /// Its namespace and name; `None` if it has no name.
    pub(crate) fn key(&self) -> Option<ObjectKey> {
        let name = self.metadata.name.clone()?;
        let namespace = self.metadata.namespace.clone().unwrap_or_default();
        Some(ObjectKey::new(namespace, name))
    }

    /// Reads it: what we observe, and what its user wrote, without what changes by itself.
    pub(crate) fn read(&self) -> (Observed, Result<Arc<Value>, Problem>) {
        let metadata = &self.metadata;
        let mut observed = Observed {
            key: self.key().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            finalizers: metadata.finalizers.clone().unwrap_or_default(),
            is_being_deleted: self.is_being_deleted,
            status: Value::Null,
        };
        let mut object = match serde_json::from_str::<Value>(self.text.get()) {
            Ok(object) => object,
            Err(error) => {
                let problem = Problem::error("", format!("the object cannot be read: {error}"))
                    .with_hint("it nests too deeply, or holds numbers that no type can hold");
                return (observed, Err(problem));
            }
        };
        if let Some(fields) = object.as_object_mut() {
            observed.status = fields.remove("status").unwrap_or_default();
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
            if let Some(annotations) = metadata
                .get_mut("annotations")
                .and_then(Value::as_object_mut)
            {
                annotations.remove(LAST_APPLIED);
            }
        }
        (observed, Ok(Arc::new(object)))
    }
}

impl Resource for RawObject {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use kube::core::{ObjectList, WatchEvent};

    use super::*;

    fn list(items: &str) -> Vec<RawObject> {
        let text = format!(
            r#"{{"apiVersion":"v1","kind":"ProviderList","metadata":{{"resourceVersion":"9"}},"items":[{items}]}}"#
        );
        serde_json::from_str::<ObjectList<RawObject>>(&text)
            .unwrap()
            .items
    }

    #[test]
    fn garbage_makes_only_itself_unreadable() {
        let deep = "[".repeat(5_000) + &"]".repeat(5_000);
        let objects = list(&format!(
            r#"{{"metadata":{{"name":"deep","namespace":"a","uid":"1"}},"spec":{deep}}},
               {{"metadata":{{"name":"number","namespace":"a"}},"spec":1e999999}},
               {{"metadata":{{"name":"odd","namespace":"a"}},"spec":"nothing"}},
               {{"metadata":{{"name":"fine","namespace":"b"}},"spec":{{"type":"slack"}}}}"#
        ));
        let read: Vec<_> = objects.iter().map(RawObject::read).collect();
        let readable: Vec<_> = read
            .iter()
            .map(|(observed, object)| (observed.key.name.as_str(), object.is_ok()))
            .collect();
        assert_eq!(
            readable,
            [
                ("deep", false),
                ("number", false),
                ("odd", true),
                ("fine", true)
            ]
        );
        assert_eq!(read[0].0.uid, "1");
    }

    #[test]
    fn watch_events_are_read_the_same_way() {
        let deep = "[".repeat(5_000) + &"]".repeat(5_000);
        let line = format!(
            r#"{{"type":"MODIFIED","object":{{"metadata":{{"name":"x","resourceVersion":"7"}},"spec":{deep}}}}}"#
        );
        match serde_json::from_str(&line).unwrap() {
            WatchEvent::Modified(object) => {
                let object: RawObject = object;
                assert_eq!(object.meta().resource_version.as_deref(), Some("7"));
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    #[test]
    fn what_changes_by_itself_is_set_apart() {
        let text = |version: &str, status: &str| {
            format!(
                r#"{{"metadata":{{"name":"x","resourceVersion":"{version}","generation":3,
                "managedFields":[{{"time":"{version}"}}],"finalizers":["f"],
                "annotations":{{"{LAST_APPLIED}":"…","kept":"1"}}}},
                "spec":{{"a":1}},"status":{{"observedGeneration":{status}}}}}"#
            )
        };
        let objects = list(&format!("{},{}", text("1", "1"), text("2", "2")));
        let (first, second) = (objects[0].read(), objects[1].read());
        assert_eq!(first.1.clone().unwrap(), second.1.unwrap());
        assert_eq!(first.0.status["observedGeneration"], 1);
        assert_eq!(first.0.generation, 3);
        assert_eq!(first.0.finalizers, ["f"]);
        assert_eq!(
            first.1.unwrap()["metadata"]["annotations"],
            serde_json::json!({"kept": "1"})
        );
    }
}
