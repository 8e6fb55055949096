//! What the API server said under the reference's definitions, it says under ours, but for listed rules.

use std::collections::BTreeSet;

use e2e::{Answer, ApiClient, repository};
use serde_json::{Map, Value, json};
use testkit::ControlPlane;

const AREA: &str = "crd-validation";

/// Recordings of the area.
fn recording() -> Value {
    serde_json::from_str(&repository::text(
        "conformance/incoming/crd-validation.json",
    ))
    .unwrap()
}

/// Rules that `differences.toml` lists for the area.
fn listed_rules() -> BTreeSet<String> {
    let differences: toml::Table = repository::text("conformance/differences.toml")
        .parse()
        .unwrap();
    differences["difference"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["area"].as_str() == Some(AREA))
        .map(|entry| entry["rule"].as_str().unwrap().to_owned())
        .collect()
}

/// Types that our definition of the Provider takes.
fn provider_types(plane: &ControlPlane) -> BTreeSet<String> {
    let definition = plane.stdout(&[
        "get",
        "customresourcedefinition",
        "providers.notification.toolkit.fluxcd.io",
        "--output=jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.type.enum}",
    ]);
    serde_json::from_str(&definition).unwrap()
}

/// The rule by which a refused object is taken by us, if there is one.
fn rule_for_taking(object: &Value, types: &BTreeSet<String>) -> Option<&'static str> {
    let version = object["apiVersion"].as_str()?.rsplit('/').next()?;
    let kind = object["kind"].as_str()?;
    if ["v1beta1", "v1beta2"].contains(&version) {
        return Some("old-versions-are-served");
    }
    let kinds = object["spec"]["eventSources"]
        .as_array()
        .into_iter()
        .flatten();
    let has_foreign_kind = kinds
        .filter_map(|source| source["kind"].as_str())
        .any(|kind| is_kind(kind) && !api::schema::RECONCILED_KINDS.contains(&kind));
    if kind == "Alert" && has_foreign_kind {
        return Some("events-of-any-kind-of-object");
    }
    let provider_type = object["spec"]["type"].as_str().unwrap_or_default();
    (kind == "Provider" && types.contains(provider_type)).then_some("types-of-our-own")
}

fn is_kind(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.chars().all(|other| other.is_ascii_alphanumeric())
}

/// `{"fill", "count"}` stands for repeated text.
fn expand(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 2 && map.contains_key("fill") => {
            let count = usize::try_from(map["count"].as_u64().unwrap()).unwrap();
            json!(map["fill"].as_str().unwrap().repeat(count))
        }
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), expand(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(expand).collect(),
        other => other.clone(),
    }
}

fn target(object: &Value) -> String {
    let plural = object["kind"].as_str().unwrap().to_lowercase();
    format!(
        "/apis/{}/namespaces/default/{plural}s",
        object["apiVersion"].as_str().unwrap()
    )
}

/// What is kept of an object; an empty status is none.
fn stored(object: &Value) -> Value {
    let mut stored = Map::new();
    for key in ["spec", "status"] {
        if let Some(value) = object.get(key).filter(|value| **value != json!({})) {
            stored.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(stored)
}

/// Field, reason and text of each cause; texts that list what a definition takes are left out, and so
/// are shortened ones.
fn causes(causes: &Value) -> BTreeSet<(String, String, String)> {
    let text = |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().to_owned();
    causes
        .as_array()
        .into_iter()
        .flatten()
        .map(|cause| {
            let message = text(cause, "message");
            let is_compared = !message.contains("supported values") && !message.contains("<<");
            (
                text(cause, "field"),
                text(cause, "reason"),
                if is_compared { message } else { String::new() },
            )
        })
        .collect()
}

/// What differs between a recorded case and an answer of ours.
fn difference(case: &Value, answer: &Answer) -> Option<String> {
    if case["accepted"] == true {
        let expected = case.get("stored").unwrap_or(&case["object"]);
        let (expected, found) = (stored(&expand(expected)), stored(&answer.body));
        return (answer.code != 201 || expected != found)
            .then(|| format!("{}: {found}, recorded {expected}", answer.code));
    }
    let expected = causes(&case["causes"]);
    let found = causes(&answer.body["details"]["causes"]);
    // Texts of the shortened kind are empty in the recording only.
    let shortened = expected.iter().any(|(_, _, message)| message.is_empty());
    let is_same = shortened
        && expected
            .iter()
            .map(|cause| (&cause.0, &cause.1))
            .eq(found.iter().map(|cause| (&cause.0, &cause.1)));
    (case["code"] != answer.code || (expected != found && !is_same)).then(|| {
        format!(
            "{} {found:?}, recorded {} {expected:?}",
            answer.code, case["code"]
        )
    })
}

/// A kind that is none is refused by a pattern and not by a list.
fn is_refused_as_no_kind(case: &Value, answer: &Answer) -> bool {
    let fields = |causes: &Value| -> BTreeSet<String> {
        self::causes(causes)
            .into_iter()
            .map(|cause| cause.0)
            .collect()
    };
    case["code"] == answer.code
        && fields(&case["causes"]) == fields(&answer.body["details"]["causes"])
        && fields(&case["causes"])
            .iter()
            .any(|field| field.ends_with("].kind"))
}

#[test]
fn objects_are_taken_and_refused_as_recorded() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    plane.apply_definitions(&repository::definitions());
    let client = ApiClient::new(plane);
    let types = provider_types(plane);
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    let recording = recording();
    for case in recording["cases"].as_array().unwrap() {
        let object = expand(&case["object"]);
        let answer = client.try_create(&target(&object), &object, false);
        if let Some(found) = difference(case, &answer) {
            let rule = rule_for_taking(&object, &types).filter(|_| answer.code == 201);
            let rule = rule.or_else(|| {
                is_refused_as_no_kind(case, &answer).then_some("events-of-any-kind-of-object")
            });
            match rule {
                Some(rule) => drop(used.insert(rule.to_owned())),
                None => wrong.push(format!("{}: {found}", case["name"])),
            }
        }
        if let Some(strict) = case.get("strict") {
            let answer = client.try_create(&target(&object), &object, true);
            if strict["code"] != answer.code || strict["message"] != answer.body["message"] {
                let has_status = object.get("status").is_some() && answer.code == 201;
                if has_status {
                    used.insert("status-of-alerts-and-providers".to_owned());
                } else {
                    wrong.push(format!("{} (strict): {}", case["name"], answer.body));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // This one needs a type that the recordings have as a wrong one.
    used.insert("types-of-our-own".to_owned());
    used.insert("columns-tell-readiness".to_owned());
    assert_eq!(
        used,
        listed_rules(),
        "rules that were needed, and those that are listed"
    );
}

#[test]
fn changes_have_the_recorded_results() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    plane.apply_definitions(&repository::definitions());
    let client = ApiClient::new(plane);
    for step in recording()["updates"].as_array().unwrap() {
        let text = |key: &str| step[key].as_str().unwrap();
        let answer = client.send(
            text("method"),
            text("path"),
            text("content_type"),
            &step["body"],
        );
        // Rule `status-of-alerts-and-providers`: what the schema does not know is dropped.
        if text("name").ends_with("-status-subresource-absent") {
            assert_eq!(answer.code, 200, "{}", text("name"));
            assert_eq!(answer.body["status"]["a"], Value::Null, "{}", text("name"));
            assert_eq!(
                answer.body["metadata"]["generation"],
                1.max(generation(&answer))
            );
            continue;
        }
        assert_eq!(
            step["code"],
            answer.code,
            "{}: {}",
            text("name"),
            answer.body
        );
        if let Some(result) = step.get("result") {
            assert_eq!(stored(result), stored(&answer.body), "{}", text("name"));
            assert_eq!(step["generation"], generation(&answer), "{}", text("name"));
        } else if !text("message").contains(": [") {
            assert_eq!(step["message"], answer.body["message"], "{}", text("name"));
        }
    }
}

fn generation(answer: &Answer) -> i64 {
    answer.body["metadata"]["generation"]
        .as_i64()
        .unwrap_or_default()
}

#[test]
fn discovery_shows_the_recorded_resources_and_the_old_versions() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    plane.apply_definitions(&repository::definitions());
    let client = ApiClient::new(plane);
    let get = |path: &str| {
        client
            .send("GET", path, "application/json", &Value::Null)
            .body
    };
    let recorded = recording()["discovery"].clone();
    for version in ["v1", "v1beta3"] {
        let found = get(&format!("/apis/{}/{version}", api::GROUP));
        for resource in recorded[version].as_array().unwrap() {
            let name = &resource["name"];
            let found = found["resources"].as_array().unwrap();
            let found = found.iter().find(|found| found["name"] == *name).unwrap();
            for key in ["kind", "singularName", "namespaced", "categories"] {
                assert_eq!(resource.get(key), found.get(key), "{version} {name} {key}");
            }
        }
    }
    let group = get(&format!("/apis/{}", api::GROUP));
    let versions: Vec<&str> = group["versions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|version| version["version"].as_str())
        .collect();
    assert_eq!(versions, ["v1", "v1beta3", "v1beta2", "v1beta1"]);
    assert_eq!(
        group["preferredVersion"]["version"],
        recorded["group"]["preferredVersion"]
    );
}
