//! The definitions of the reference, made from ours by the rules in which they differ (`crds.md`
//! sections 1 and 3.2 of the reference's specification).

use api::crd::{ProviderTypes, definitions};
use api::schema::RECONCILED_KINDS;
use serde_json::{Value, json};

/// They serve one version each, know no status of Alerts and Providers, and limit kinds.
pub fn reference_definitions() -> String {
    let types = ProviderTypes {
        all: &[],
        commit_status: &[],
    };
    let items: Vec<Value> = definitions(types).into_values().map(reduced).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn reduced(mut definition: Value) -> Value {
    let is_static = definition.pointer("/spec/names/kind") != Some(&json!("Receiver"));
    let versions = definition
        .pointer_mut("/spec/versions")
        .and_then(Value::as_array_mut)
        .expect("a definition has versions");
    versions.truncate(1);
    for version in versions {
        if is_static {
            set(version, "subresources", json!({}));
            let age =
                json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
            set(version, "additionalPrinterColumns", json!([age]));
            version
                .pointer_mut("/schema/openAPIV3Schema/properties")
                .and_then(Value::as_object_mut)
                .expect("a version has properties")
                .remove("status");
        }
        let kind =
            "/schema/openAPIV3Schema/properties/spec/properties/eventSources/items/properties/kind";
        if let Some(kind) = version.pointer_mut(kind) {
            *kind = json!({"type": "string", "enum": RECONCILED_KINDS});
        }
    }
    definition
}

fn set(object: &mut Value, key: &str, value: Value) {
    object
        .as_object_mut()
        .expect("a version is an object")
        .insert(key.to_owned(), value);
}
