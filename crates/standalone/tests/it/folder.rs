//! A folder to write manifests into, and provider types to check them against.

use std::fs;
use std::path::{Path, PathBuf};

use api::{Problem, Provider};
use domain::ports::KindDirectory;
use domain::provider::Progressing;
use domain::{Capabilities, Family};
use standalone::{Configuration, Source, directory};
use tempfile::TempDir;

/// Two types.
pub(crate) struct Kinds;

impl KindDirectory for Kinds {
    fn names(&self) -> Vec<&'static str> {
        vec!["github", "slack"]
    }

    fn capabilities(&self, kind: &str) -> Option<Capabilities> {
        self.names().contains(&kind).then_some(Capabilities {
            family: Family::Chat,
            commit_status_updates: false,
            commit_status: kind == "github",
            change_request: false,
            progressing: Progressing::Sent,
            expires: true,
            skipped_kinds: &[],
        })
    }

    fn check(&self, _provider: &Provider) -> Vec<Problem> {
        Vec::new()
    }
}

/// A temporary folder.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn source(&self) -> Source {
        Source::new(self.path())
    }

    pub(crate) fn read(&self) -> Configuration {
        directory::read(&self.source(), &Kinds)
    }

    /// All problems, with paths inside the folder.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.shorten(&self.read())
    }

    pub(crate) fn shorten(&self, configuration: &Configuration) -> Vec<String> {
        let folder = format!("{}/", self.path().display());
        configuration
            .problems()
            .iter()
            .map(|problem| problem.to_string().replace(&folder, ""))
            .collect()
    }
}

pub(crate) fn provider(name: &str) -> String {
    format!(
        "apiVersion: notification.toolkit.fluxcd.io/v1beta3\nkind: Provider\nmetadata:\n  \
         name: {name}\nspec:\n  type: slack\n"
    )
}

pub(crate) fn alert(name: &str, provider: &str) -> String {
    format!(
        "apiVersion: notification.toolkit.fluxcd.io/v1beta3\nkind: Alert\nmetadata:\n  \
         name: {name}\nspec:\n  providerRef: {{name: {provider}}}\n  eventSources:\n    \
         - kind: Kustomization\n      name: '*'\n"
    )
}
