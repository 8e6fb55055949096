//! The `CustomResourceDefinition`s of our objects, made from the tables in [`schema`](crate::schema).
//!
//! Every version of a kind has the same fields, so that an object that is written through an old
//! version loses none of them (the API server drops fields that the version of a request does not
//! know). What the reference's CRDs accept is accepted; `docs/reference/crds.md` lists what is
//! accepted on top.

mod descriptions;
mod openapi;
mod status;
mod versions;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::GROUP;
use crate::schema::{ALERT, PROVIDER, RECEIVER, RECEIVER_RULES, Shape};

pub use versions::REFERENCE_PROVIDER_TYPES;

use openapi::SpecRule;
use versions::{REFERENCE_COMMIT_STATUS_TYPES, Version, followed_by};

/// The names of provider types, which live with the providers.
#[derive(Clone, Copy, Debug)]
pub struct ProviderTypes<'a> {
    /// All of them.
    pub all: &'a [&'a str],
    /// Those that write commit statuses.
    pub commit_status: &'a [&'a str],
}

/// One of our kinds, as its CRD describes it.
struct Kind {
    name: &'static str,
    plural: &'static str,
    singular: &'static str,
    description: &'static str,
    spec: &'static Shape,
    status: fn(&Version) -> Value,
    versions: &'static [Version],
    /// Columns of `kubectl get` beside name, readiness and age: name, type and path; shown with `-o wide`.
    wide_columns: &'static [[&'static str; 3]],
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "Alert",
        plural: "alerts",
        singular: "alert",
        description: "Alert says which events go to which Provider.",
        spec: &ALERT,
        status: status::of_alert,
        versions: &versions::OF_ALERT,
        wide_columns: &[["Provider", "string", ".spec.providerRef.name"]],
    },
    Kind {
        name: "Provider",
        plural: "providers",
        singular: "provider",
        description: "Provider describes a service that takes notifications.",
        spec: &PROVIDER,
        status: status::of_provider,
        versions: &versions::OF_PROVIDER,
        wide_columns: &[
            ["Type", "string", ".spec.type"],
            ["Last Delivery", "date", ".status.delivery.lastDeliveredAt"],
        ],
    },
    Kind {
        name: "Receiver",
        plural: "receivers",
        singular: "receiver",
        description: "Receiver describes a webhook that asks for the reconciliation of objects.",
        spec: &RECEIVER,
        status: status::of_receiver,
        versions: &versions::OF_RECEIVER,
        wide_columns: &[],
    },
];

/// The `CustomResourceDefinition`s, by the names of their files.
pub fn definitions(types: ProviderTypes<'_>) -> BTreeMap<String, Value> {
    KINDS
        .iter()
        .map(|kind| {
            let file = format!("{GROUP}_{}.yaml", kind.plural);
            (file, definition(kind, types))
        })
        .collect()
}

fn definition(kind: &Kind, types: ProviderTypes<'_>) -> Value {
    let versions: Vec<Value> = kind
        .versions
        .iter()
        .map(|version| served_version(kind, version, types))
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{GROUP}", kind.plural),
            // What the flux CLI selects by in `check`, `migrate` and `uninstall`.
            "labels": {"app.kubernetes.io/part-of": "flux"},
            // Keeps post-build substitution out of `${…}` in descriptions and rules.
            "annotations": {"kustomize.toolkit.fluxcd.io/substitute": "disabled"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": format!("{}List", kind.name),
                "plural": kind.plural,
                "singular": kind.singular,
                "categories": ["all", "fluxcd", "fluxcd-notifications"],
            },
            "conversion": {"strategy": "None"},
            "versions": versions,
        },
    })
}

fn served_version(kind: &Kind, version: &Version, types: ProviderTypes<'_>) -> Value {
    let mut served = json!({
        "name": version.name,
        "served": true,
        "storage": version.is_stored(),
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns(kind),
        "schema": {"openAPIV3Schema": {
            "description": kind.description,
            "type": "object",
            "properties": {
                "apiVersion": {"type": "string", "description": descriptions::API_VERSION},
                "kind": {"type": "string", "description": descriptions::KIND},
                "metadata": {"type": "object"},
                "spec": openapi::spec(kind.name, kind.spec, &rules(kind, types), version, types),
                "status": (kind.status)(version),
            },
        }},
    });
    if let (Some(successor), Some(served)) = (version.successor, served.as_object_mut()) {
        let (name, version) = (kind.name, version.name);
        served.insert("deprecated".to_owned(), Value::Bool(true));
        served.insert(
            "deprecationWarning".to_owned(),
            format!("{version} {name} is deprecated, upgrade to {successor}").into(),
        );
    }
    served
}

/// The rules over several fields of a kind's `spec`.
fn rules(kind: &Kind, types: ProviderTypes<'_>) -> Vec<SpecRule> {
    match kind.name {
        "Provider" => vec![commit_status_rule(types)],
        "Receiver" => RECEIVER_RULES
            .iter()
            .map(|rule| SpecRule {
                expression: rule.expression.to_owned(),
                message: rule.message.to_owned(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Source: `crds.md` section 2.3, which also gives the words of the message.
fn commit_status_rule(types: ProviderTypes<'_>) -> SpecRule {
    let names: Vec<String> = followed_by(&REFERENCE_COMMIT_STATUS_TYPES, types.commit_status)
        .iter()
        .map(|name| format!("'{name}'"))
        .collect();
    let names = names.join(", ");
    SpecRule {
        expression: format!("!has(self.commitStatusExpr) || self.type in [{names}]"),
        message: format!("spec.commitStatusExpr is only supported for the {names} provider types"),
    }
}

fn columns(kind: &Kind) -> Vec<Value> {
    let ready = |member: &str| format!(r#".status.conditions[?(@.type=="Ready")].{member}"#);
    let mut columns = vec![
        json!({"name": "Ready", "type": "string", "jsonPath": ready("status")}),
        json!({"name": "Status", "type": "string", "jsonPath": ready("message")}),
        json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}),
    ];
    columns.extend(kind.wide_columns.iter().map(
        |[name, shape, path]| json!({"name": name, "type": shape, "jsonPath": path, "priority": 1}),
    ));
    columns
}

#[cfg(test)]
mod tests;
