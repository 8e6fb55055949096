//! Tests of the `CustomResourceDefinition`s as documents; `e2e` tries them on a real API server.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ProviderTypes, REFERENCE_PROVIDER_TYPES, definitions, descriptions};

const TYPES: ProviderTypes<'_> = ProviderTypes {
    all: &["generic", "mattermost", "slack"],
    commit_status: &["github", "forge"],
};

fn versions(kind: &str) -> Vec<Value> {
    definitions(TYPES)
        .into_iter()
        .find(|(_, definition)| definition["spec"]["names"]["kind"] == kind)
        .map(|(_, definition)| definition["spec"]["versions"].as_array().unwrap().clone())
        .unwrap()
}

fn spec(version: &Value) -> &Value {
    &version["schema"]["openAPIV3Schema"]["properties"]["spec"]
}

/// Paths of all fields of a schema, those of list items included.
fn paths(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        paths(field, &path, found);
        paths(&field["items"], &path, found);
        found.insert(path);
    }
}

fn field_paths(version: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    paths(spec(version), "spec", &mut found);
    found
}

#[test]
fn all_versions_have_the_same_fields_so_that_none_is_lost() {
    for kind in ["Alert", "Provider", "Receiver"] {
        let versions = versions(kind);
        assert_eq!(versions.len(), 3, "{kind}");
        for version in &versions {
            assert_eq!(field_paths(version), field_paths(&versions[0]), "{kind}");
        }
    }
}

#[test]
fn one_version_is_stored_and_the_others_are_deprecated() {
    for (kind, stored) in [
        ("Alert", "v1beta3"),
        ("Provider", "v1beta3"),
        ("Receiver", "v1"),
    ] {
        for version in versions(kind) {
            let name = version["name"].as_str().unwrap();
            assert_eq!(version["storage"], Value::Bool(name == stored));
            let warning = version["deprecationWarning"].as_str();
            let expected = format!("{name} {kind} is deprecated, upgrade to {stored}");
            assert_eq!(warning, (name != stored).then_some(expected.as_str()));
        }
    }
}

#[test]
fn every_field_is_described_and_every_description_has_a_field() {
    let mut count = 0;
    for kind in ["Alert", "Provider", "Receiver"] {
        for path in field_paths(&versions(kind)[0]) {
            assert!(descriptions::find(kind, &path).is_some(), "{kind} {path}");
            count += 1;
        }
    }
    assert_eq!(count, descriptions::COUNT);
}

#[test]
fn types_are_those_of_the_reference_and_then_ours() {
    let versions = versions("Provider");
    let names: Vec<&str> = spec(&versions[0])["properties"]["type"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let (reference, ours) = names.split_at(32);
    assert_eq!(reference, REFERENCE_PROVIDER_TYPES);
    assert_eq!(ours, ["mattermost"]);
}

#[test]
fn the_rule_for_commit_status_types_has_the_words_of_the_reference_and_our_types_behind_them() {
    let versions = versions("Provider");
    assert_eq!(
        spec(&versions[0])["x-kubernetes-validations"][0]["message"],
        "spec.commitStatusExpr is only supported for the 'github', 'gitlab', 'gitea', \
         'bitbucketserver', 'bitbucket', 'azuredevops', 'forge' provider types"
    );
}

#[test]
fn the_first_version_of_all_had_fewer_limits() {
    let alerts = versions("Alert");
    let limit = |version: &Value| {
        spec(version)["properties"]["summary"]
            .get("maxLength")
            .cloned()
    };
    assert_eq!(limit(&alerts[0]), Some(255.into()));
    assert_eq!(limit(&alerts[2]), None);
}

#[test]
fn defaults_are_those_of_the_reference() {
    let receivers = versions("Receiver");
    let interval = |version: &Value| {
        spec(version)["properties"]["interval"]
            .get("default")
            .cloned()
    };
    assert_eq!(interval(&receivers[0]), Some("10m".into()));
    assert_eq!(interval(&receivers[1]), None);
    let status = |version: &Value| {
        version["schema"]["openAPIV3Schema"]["properties"]["status"]
            .get("default")
            .cloned()
    };
    let unobserved = serde_json::json!({"observedGeneration": -1});
    assert_eq!(status(&receivers[0]), Some(unobserved.clone()));
    assert_eq!(status(&versions("Alert")[0]), None);
    assert_eq!(status(&versions("Alert")[1]), Some(unobserved));
}
