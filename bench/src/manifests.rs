//! The configuration that a scenario runs with, as a folder of manifests.

mod objects;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::event::{OBJECTS, OTHER_PREFIX, PREFIX, object_name};
use crate::webhook::Hook;

use objects::{Alert, alert, provider, receiver, secret};

/// How many objects go into one file.
const PER_FILE: usize = 500;
/// Where the CA of a sink stands.
const AUTHORITY: &str = "sink-ca";

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

/// One Provider, and Alerts for it.
pub(crate) fn write(
    folder: &Path,
    destination: &Destination<'_>,
    alerts: Alerts,
) -> anyhow::Result<()> {
    let mut documents = vec![provider("sink", destination)?];
    if let Some(authority) = destination.authority {
        documents.push(secret(AUTHORITY, "ca.crt", authority)?);
    }
    for index in 0..alerts.count() {
        documents.push(alert(&alerts.nth(index))?);
    }
    write_documents(folder, &documents)
}

/// A Provider for each destination, each with an Alert for all objects.
pub(crate) fn write_fan_out(folder: &Path, destinations: &[Destination<'_>]) -> anyhow::Result<()> {
    let mut documents = Vec::new();
    for (index, destination) in destinations.iter().enumerate() {
        let name = format!("sink-{index}");
        documents.push(provider(&name, destination)?);
        documents.push(alert(&Alert {
            name: format!("alert-{index}"),
            provider: name,
            sources: vec!["*".to_owned()],
            inclusion: None,
        })?);
    }
    write_documents(folder, &documents)
}

/// One destination for the usual objects, and one for those with the other prefix.
pub(crate) fn write_two(
    folder: &Path,
    usual: &Destination<'_>,
    other: &Destination<'_>,
) -> anyhow::Result<()> {
    let mut documents = Vec::new();
    for (name, destination, prefix) in [("sink", usual, PREFIX), ("other", other, OTHER_PREFIX)] {
        documents.push(provider(name, destination)?);
        documents.push(alert(&Alert {
            name: name.to_owned(),
            provider: name.to_owned(),
            sources: (0..OBJECTS).map(|o| object_name(prefix, o)).collect(),
            inclusion: None,
        })?);
    }
    write_documents(folder, &documents)
}

/// Receivers with their Secrets; each names an object of its own.
pub(crate) fn write_receivers(folder: &Path, hooks: &[Hook]) -> anyhow::Result<()> {
    let mut documents = Vec::new();
    for hook in hooks {
        documents.push(secret(&hook.name, "token", &hook.token)?);
        documents.push(receiver(&hook.name, hook.kind.name())?);
    }
    write_into(folder, "receivers", &documents)
}

impl Alerts {
    fn count(self) -> u32 {
        match self {
            Self::NoneMatches => 1,
            Self::ByName(count) | Self::ByRegex(count) => count,
        }
    }

    fn nth(self, index: u32) -> Alert {
        let (sources, inclusion) = match (self, index) {
            (Self::ByName(_), 0) => {
                let all = (0..OBJECTS).map(|object| object_name(PREFIX, object));
                (all.collect(), None)
            }
            (Self::ByName(_) | Self::NoneMatches, _) => (vec![format!("elsewhere-{index}")], None),
            (Self::ByRegex(_), 0) => {
                let pattern = "order [0-9]+/[0-9]+ at .*configured".to_owned();
                (vec!["*".to_owned()], Some(pattern))
            }
            (Self::ByRegex(_), _) => {
                let pattern = format!(".*Deployment/[a-z]+/shop-{index} (failed|timed out).*");
                (vec!["*".to_owned()], Some(pattern))
            }
        };
        Alert {
            name: format!("alert-{index}"),
            provider: "sink".to_owned(),
            sources,
            inclusion,
        }
    }
}

fn write_documents(folder: &Path, documents: &[String]) -> anyhow::Result<()> {
    write_into(folder, "objects", documents)
}

fn write_into(folder: &Path, name: &str, documents: &[String]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (file, part) in documents.chunks(PER_FILE).enumerate() {
        std::fs::write(folder.join(format!("{name}-{file:03}.yaml")), part.concat())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::Kind;

    fn text(folder: &Path) -> String {
        let entries = std::fs::read_dir(folder).unwrap();
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(entry.unwrap().path()).unwrap()
        };
        entries.map(read).collect()
    }

    fn destination() -> Destination<'static> {
        Destination {
            url: "https://127.0.0.1:1/".to_owned(),
            authority: Some("-----BEGIN CERTIFICATE-----\n"),
            timeout: Duration::from_secs(15),
        }
    }

    #[test]
    fn ten_thousand_alerts_are_written_and_only_the_first_is_for_us() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &destination(), Alerts::ByRegex(1001)).unwrap();
        let text = text(folder.path());
        assert_eq!(text.matches("\"kind\":\"Alert\"").count(), 1001);
        assert_eq!(text.matches("order [0-9]+").count(), 1);
        assert!(text.contains("\"certSecretRef\":{\"name\":\"sink-ca\"}"));
        assert!(text.contains("\"ca.crt\""));
    }

    #[test]
    fn each_receiver_has_a_secret_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        write_receivers(folder.path(), &Hook::several(Kind::GitHub, 600)).unwrap();
        let text = text(folder.path());
        assert_eq!(text.matches("\"kind\":\"Receiver\"").count(), 600);
        assert_eq!(text.matches("token-of-github-599\"").count(), 1);
    }

    #[test]
    fn two_destinations_share_no_objects() {
        let folder = tempfile::tempdir().unwrap();
        write_two(folder.path(), &destination(), &destination()).unwrap();
        let text = text(folder.path());
        assert_eq!(text.matches("\"app-099\"").count(), 1);
        assert_eq!(text.matches("\"off-099\"").count(), 1);
    }
}
