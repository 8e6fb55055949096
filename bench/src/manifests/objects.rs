//! Manifests of single objects.

use serde::Serialize;
use serde_json::{Value, json};

use crate::event::NAMESPACE;

use super::{AUTHORITY, Destination};

/// An Alert for Kustomizations.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    /// Its name.
    pub(crate) name: String,
    /// Name of its Provider.
    pub(crate) provider: String,
    /// Names of the objects that it takes events of; `*` for all.
    pub(crate) sources: Vec<String>,
    /// The regular expression that a message must match, if any.
    pub(crate) inclusion: Option<String>,
}

#[derive(Serialize)]
struct Manifest<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    #[serde(flatten)]
    content: Value,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    namespace: &'static str,
}

pub(crate) fn secret(name: &str, key: &str, value: &str) -> anyhow::Result<String> {
    document(
        "v1",
        "Secret",
        name,
        json!({ "stringData": { key: value } }),
    )
}

pub(crate) fn provider(name: &str, destination: &Destination<'_>) -> anyhow::Result<String> {
    let mut spec = json!({
        "type": "generic",
        "address": destination.url,
        "timeout": format!("{}s", destination.timeout.as_secs()),
    });
    if destination.authority.is_some() {
        add(&mut spec, "certSecretRef", json!({ "name": AUTHORITY }));
    }
    let version = "notification.toolkit.fluxcd.io/v1beta3";
    document(version, "Provider", name, json!({ "spec": spec }))
}

pub(crate) fn alert(alert: &Alert) -> anyhow::Result<String> {
    let source = |name: &String| json!({ "kind": "Kustomization", "name": name });
    let mut spec = json!({
        "providerRef": { "name": alert.provider },
        "eventSeverity": "info",
        "eventSources": alert.sources.iter().map(source).collect::<Vec<_>>(),
    });
    if let Some(pattern) = &alert.inclusion {
        add(&mut spec, "inclusionList", json!([pattern]));
    }
    let version = "notification.toolkit.fluxcd.io/v1beta3";
    document(version, "Alert", &alert.name, json!({ "spec": spec }))
}

/// A Receiver whose Secret and object have its name.
pub(crate) fn receiver(name: &str, kind: &str) -> anyhow::Result<String> {
    let spec = json!({
        "type": kind,
        "secretRef": { "name": name },
        "resources": [{ "kind": "GitRepository", "name": name }],
    });
    let version = "notification.toolkit.fluxcd.io/v1";
    document(version, "Receiver", name, json!({ "spec": spec }))
}

fn add(spec: &mut Value, field: &str, value: Value) {
    if let Some(fields) = spec.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

/// One YAML document; JSON is YAML.
fn document(
    api_version: &'static str,
    kind: &'static str,
    name: &str,
    content: Value,
) -> anyhow::Result<String> {
    let manifest = Manifest {
        api_version,
        kind,
        metadata: Metadata {
            name,
            namespace: NAMESPACE,
        },
        content,
    };
    Ok(format!("---\n{}\n", serde_json::to_string(&manifest)?))
}
