//! Changes of a folder, without a folder.

use std::fs;
use std::path::PathBuf;

use api::{Problem, Provider};
use domain::provider::Progressing;
use domain::{Capabilities, Family};
use tempfile::TempDir;

use super::*;

struct Kinds;

impl KindDirectory for Kinds {
    fn names(&self) -> Vec<&'static str> {
        vec!["slack"]
    }

    fn capabilities(&self, kind: &str) -> Option<Capabilities> {
        (kind == "slack").then_some(Capabilities {
            family: Family::Chat,
            commit_status_updates: false,
            commit_status: false,
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

/// A folder that is read again and again, as the watch does.
struct Folder {
    folder: TempDir,
    current: Arc<Configuration>,
}

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let mut folder = Self {
            folder: tempfile::tempdir().unwrap(),
            current: Arc::default(),
        };
        for (name, content) in files {
            folder.write(name, content);
        }
        folder.reload();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("conf").join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn reload(&mut self) -> Reload {
        let source = Source {
            paths: vec![self.folder.path().join("conf")],
            secrets: Some(self.folder.path().join("conf/.secrets")),
            ..Source::default()
        };
        let reload = succeed(directory::read(&source, &Kinds), &self.current);
        self.current = reload.configuration.clone();
        reload
    }
}

fn provider(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: notification.toolkit.fluxcd.io/v1beta3\nkind: Provider\nmetadata: \
         {{name: {name}}}\nspec: {{{spec}}}\n---\n"
    )
}

fn secret(name: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n{data}\n---\n")
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

fn names(reload: &Reload) -> Vec<String> {
    let mut names: Vec<_> = reload
        .catalog
        .providers()
        .filter(|(_, entry)| entry.valid().is_some())
        .map(|(key, _)| key.name.clone())
        .collect();
    names.sort();
    names
}

#[test]
fn an_unchanged_configuration_changes_nothing() {
    let mut folder = Folder::with(&[("a.yaml", &provider("a", "type: slack"))]);
    let before = folder.current.clone();
    let reload = folder.reload();
    assert_eq!(reload.changed, []);
    assert_eq!(reload.configuration.content, before.content);
    assert_eq!(reload.configuration.fingerprint, before.fingerprint);
}

#[test]
fn changed_added_and_healed_providers_are_named() {
    let mut folder = Folder::with(&[(
        "a.yaml",
        &(provider("same", "type: slack")
            + &provider("changes", "type: slack")
            + &provider("heals", "type: slak")
            + &provider("goes", "type: slack")),
    )]);
    folder.write(
        "a.yaml",
        &(provider("same", "type: slack")
            + &provider("changes", "type: slack, channel: x")
            + &provider("heals", "type: slack")
            + &provider("added", "type: slack")
            + &provider("wrong", "type: slak")),
    );
    let reload = folder.reload();
    assert_eq!(reload.changed, [key("added"), key("changes"), key("heals")]);
    assert_eq!(names(&reload), ["added", "changes", "heals", "same"]);
    assert_eq!(reload.kept, Vec::<String>::new());
}

#[test]
fn a_change_of_a_secret_is_one_of_the_providers_that_use_it() {
    let providers = provider("one", "type: slack, secretRef: {name: s}")
        + &provider("two", "type: slack, certSecretRef: {name: s}")
        + &provider("three", "type: slack, proxySecretRef: {name: other}")
        + &provider("four", "type: slack");
    let mut folder = Folder::with(&[("a.yaml", &providers)]);
    folder.write("s.yaml", &secret("s", "stringData: {token: a}"));
    assert_eq!(folder.reload().changed, [key("one"), key("two")]);
    folder.write("s.yaml", &secret("s", "stringData: {token: b}"));
    assert_eq!(folder.reload().changed, [key("one"), key("two")]);
    folder.write(".secrets/default/other/address", "http://proxy");
    assert_eq!(folder.reload().changed, [key("three")]);
    folder.write(".secrets/default/other/address", "http://proxy:1");
    assert_eq!(folder.reload().changed, [key("three")]);
}

#[test]
fn a_broken_document_keeps_what_came_from_its_file() {
    let mut folder = Folder::with(&[
        (
            "a.yaml",
            &(provider("a", "type: slack") + &provider("b", "type: slack")),
        ),
        ("c.yaml", &provider("c", "type: slack")),
    ]);
    folder.write(
        "a.yaml",
        &(provider("a", "type: slack, channel: new") + "kind: ["),
    );
    fs::remove_file(folder.path("c.yaml")).unwrap();
    let reload = folder.reload();
    assert_eq!(names(&reload), ["a", "b"]);
    assert_eq!(reload.kept, ["Provider default/b"]);
    assert_eq!(reload.changed, [key("a")]);
    assert!(
        reload
            .configuration
            .problems()
            .iter()
            .any(|found| found.problem.is_error())
    );

    // It stays for as long as the file is broken, and goes with its next good version.
    folder.write("a.yaml", "kind: {");
    assert_eq!(names(&folder.reload()), ["a", "b"]);
    folder.write("a.yaml", &provider("b", "type: slack"));
    let reload = folder.reload();
    assert_eq!(names(&reload), ["b"]);
    assert_eq!(reload.changed, []);
}

#[test]
fn an_object_that_became_invalid_keeps_its_last_good_version() {
    let mut folder = Folder::with(&[
        ("a.yaml", &provider("a", "type: slack, channel: good")),
        ("s.yaml", &secret("s", "stringData: {token: good}")),
    ]);
    folder.write("b.yaml", &provider("a", "type: slak"));
    fs::remove_file(folder.path("a.yaml")).unwrap();
    folder.write("s.yaml", &secret("s", "data: {token: '?'}"));
    let reload = folder.reload();
    assert_eq!(reload.kept, ["Provider default/a", "Secret default/s"]);
    let entry = reload.catalog.provider(&key("a")).unwrap();
    assert_eq!(entry.valid().unwrap().spec.channel, "good");
    let secret = reload.configuration.secrets[&key("s")]
        .value
        .as_ref()
        .unwrap();
    assert_eq!(secret.data.get("token").unwrap().expose(), b"good");
    let problems = reload.configuration.problems();
    assert_eq!(
        problems
            .iter()
            .filter(|found| found.problem.is_error())
            .count(),
        3,
        "{problems:?}"
    );
}

#[test]
fn an_empty_or_missing_folder_keeps_everything() {
    let mut folder = Folder::with(&[
        (
            "a.yaml",
            &provider("a", "type: slack, secretRef: {name: s}"),
        ),
        (".secrets/default/s/token", "x"),
    ]);
    fs::remove_dir_all(folder.path("")).unwrap();
    let reload = folder.reload();
    assert_eq!(names(&reload), ["a"]);
    assert_eq!(reload.kept, ["Provider default/a", "Secret default/s"]);
    assert_eq!(reload.changed, []);

    fs::create_dir_all(folder.path("")).unwrap();
    let reload = folder.reload();
    assert_eq!(names(&reload), ["a"]);
    assert!(!reload.configuration.problems().is_empty());

    folder.write("b.yaml", &provider("b", "type: slack"));
    folder.write(".secrets/default/t/token", "x");
    let reload = folder.reload();
    assert_eq!(names(&reload), ["b"]);
    assert_eq!(reload.kept, Vec::<String>::new());
}

#[test]
fn a_name_that_became_invalid_keeps_what_the_file_had() {
    let mut folder = Folder::with(&[("a.yaml", &provider("a", "type: slack"))]);
    folder.write("a.yaml", &provider("A", "type: slack"));
    assert_eq!(names(&folder.reload()), ["a"]);
}
