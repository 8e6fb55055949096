//! The configuration that a scenario runs with, as a folder of manifests.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::event::{NAMESPACE, OBJECTS, object_name};

/// How many Alerts go into one file.
const PER_FILE: u32 = 500;

/// Which Alerts there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alerts {
    /// One, for objects that never send anything.
    NoneMatches,
    /// So many, of which the first names the 100 objects and each other one an object that never
    /// sends anything.
    ByName(u32),
    /// So many for all objects, of which only the first includes the messages that are sent.
    ByRegex(u32),
}

/// Where to deliver.
#[derive(Clone, Debug)]
pub(crate) struct Destination<'a> {
    /// Address of the sink.
    pub(crate) url: String,
    /// The CA to trust.
    pub(crate) authority: Option<&'a str>,
    /// Longest attempt.
    pub(crate) timeout: Duration,
}

#[derive(Serialize)]
struct Manifest<S: Serialize> {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    #[serde(flatten)]
    content: S,
}

#[derive(Serialize)]
struct Metadata {
    name: String,
    namespace: &'static str,
}

/// Writes the folder.
pub(crate) fn write(
    folder: &Path,
    destination: &Destination<'_>,
    alerts: Alerts,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    std::fs::write(folder.join("provider.yaml"), provider(destination)?)?;
    if let Some(authority) = destination.authority {
        let secret = Manifest {
            api_version: "v1",
            kind: "Secret",
            metadata: metadata("sink-ca"),
            content: serde_json::json!({ "stringData": { "ca.crt": authority } }),
        };
        std::fs::write(folder.join("secret.yaml"), document(&secret)?)?;
    }
    let count = alerts.count();
    for (file, start) in (0..count).step_by(PER_FILE as usize).enumerate() {
        let mut text = String::new();
        for index in start..count.min(start + PER_FILE) {
            text.push_str(&document(&alert(alerts, index))?);
        }
        std::fs::write(folder.join(format!("alerts-{file:03}.yaml")), text)?;
    }
    Ok(())
}

impl Alerts {
    fn count(self) -> u32 {
        match self {
            Self::NoneMatches => 1,
            Self::ByName(count) | Self::ByRegex(count) => count,
        }
    }
}

fn provider(destination: &Destination<'_>) -> anyhow::Result<String> {
    let mut spec = serde_json::json!({
        "type": "generic",
        "address": destination.url,
        "timeout": format!("{}s", destination.timeout.as_secs()),
    });
    if destination.authority.is_some()
        && let Some(fields) = spec.as_object_mut()
    {
        let reference = serde_json::json!({ "name": "sink-ca" });
        fields.insert("certSecretRef".to_owned(), reference);
    }
    document(&Manifest {
        api_version: "notification.toolkit.fluxcd.io/v1beta3",
        kind: "Provider",
        metadata: metadata("sink"),
        content: serde_json::json!({ "spec": spec }),
    })
}

fn alert(alerts: Alerts, index: u32) -> impl Serialize {
    let source = |name: String| serde_json::json!({ "kind": "Kustomization", "name": name });
    let (sources, inclusion) = match (alerts, index) {
        (Alerts::ByName(_), 0) => ((0..OBJECTS).map(|o| source(object_name(o))).collect(), None),
        (Alerts::ByName(_) | Alerts::NoneMatches, _) => {
            (vec![source(format!("elsewhere-{index}"))], None)
        }
        (Alerts::ByRegex(_), 0) => {
            let pattern = "order [0-9]+/[0-9]+ at .*configured".to_owned();
            (vec![source("*".to_owned())], Some(pattern))
        }
        (Alerts::ByRegex(_), _) => {
            let pattern = format!(".*Deployment/[a-z]+/shop-{index} (failed|timed out).*");
            (vec![source("*".to_owned())], Some(pattern))
        }
    };
    let mut spec = serde_json::json!({
        "providerRef": { "name": "sink" },
        "eventSeverity": "info",
        "eventSources": sources,
    });
    if let (Some(pattern), Some(fields)) = (inclusion, spec.as_object_mut()) {
        fields.insert("inclusionList".to_owned(), serde_json::json!([pattern]));
    }
    Manifest {
        api_version: "notification.toolkit.fluxcd.io/v1beta3",
        kind: "Alert",
        metadata: metadata(&format!("alert-{index}")),
        content: serde_json::json!({ "spec": spec }),
    }
}

fn metadata(name: &str) -> Metadata {
    Metadata {
        name: name.to_owned(),
        namespace: NAMESPACE,
    }
}

/// One YAML document; JSON is YAML.
fn document(manifest: &impl Serialize) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(text, "---\n{}", serde_json::to_string(manifest)?)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_alerts_are_written_and_only_the_first_is_for_us() {
        let folder = tempfile::tempdir().unwrap();
        let destination = Destination {
            url: "https://127.0.0.1:1/".to_owned(),
            authority: Some("-----BEGIN CERTIFICATE-----\n"),
            timeout: Duration::from_secs(15),
        };
        write(folder.path(), &destination, Alerts::ByRegex(1001)).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let text = ["000", "001", "002"].map(|file| read(&format!("alerts-{file}.yaml")));
        let text = text.concat();
        assert_eq!(text.matches("\"kind\":\"Alert\"").count(), 1001);
        assert_eq!(text.matches("order [0-9]+").count(), 1);
        assert!(read("provider.yaml").contains("\"certSecretRef\":{\"name\":\"sink-ca\"}"));
        assert!(read("secret.yaml").contains("\"ca.crt\""));
    }
}
