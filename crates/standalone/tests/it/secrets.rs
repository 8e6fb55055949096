//! Secrets from manifests and from files.

use std::os::unix::fs::symlink;

use api::ObjectKey;
use domain::ports::{SecretError, SecretReader as _, VersionedSecret};
use futures::FutureExt as _;
use standalone::{Configuration, Current, Source, directory};

use crate::folder::{Folder, Kinds, provider};

fn read(folder: &Folder) -> Configuration {
    let source = Source {
        paths: vec![folder.at("conf")],
        secrets: Some(folder.at("secrets")),
        ..Source::default()
    };
    directory::read(&source, &Kinds)
}

fn secret(current: &Current, name: &str) -> Result<Option<VersionedSecret>, SecretError> {
    current
        .read(&ObjectKey::new("flux", name))
        .now_or_never()
        .unwrap()
}

fn value(current: &Current, name: &str, key: &str) -> Vec<u8> {
    let secret = secret(current, name).unwrap().unwrap();
    secret.data.get(key).unwrap().expose().clone()
}

const MANIFEST: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: flux}\nstringData: {token: from manifest}\n";

#[test]
fn files_are_secrets_as_they_are_and_win_over_manifests() {
    let folder = Folder::new();
    folder
        .write("conf/a.yaml", MANIFEST)
        .write("secrets/flux/a/token", "from file\n")
        .write("secrets/flux/b/.dockerconfigjson", [0, 255])
        .write("secrets/README", "x");
    let configuration = read(&folder);
    assert_eq!(folder.shorten(&configuration), Vec::<String>::new());
    let current = Current::new(configuration);
    assert_eq!(value(&current, "a", "token"), b"from file\n");
    assert_eq!(value(&current, "b", ".dockerconfigjson"), [0, 255]);
    assert!(secret(&current, "c").unwrap().is_none());
}

#[test]
fn a_mounted_secret_has_only_its_keys() {
    let folder = Folder::new();
    folder
        .write("conf/p.yaml", provider("p"))
        .write("secrets/flux/a/..2024/token", "x");
    symlink("..2024", folder.at("secrets/flux/a/..data")).unwrap();
    symlink("..data/token", folder.at("secrets/flux/a/token")).unwrap();
    let configuration = read(&folder);
    assert_eq!(configuration.problems(), []);
    let current = Current::new(configuration);
    let secret = secret(&current, "a").unwrap().unwrap();
    assert_eq!(secret.data.keys().collect::<Vec<_>>(), ["token"]);
}

#[test]
fn a_secret_that_cannot_be_read_is_an_error_and_not_missing() {
    let folder = Folder::new();
    folder
        .write(
            "conf/a.yaml",
            MANIFEST.replace(
                "stringData: {token: from manifest}",
                "data: {token: 'hunter2!'}",
            ),
        )
        .write(
            "conf/p.yaml",
            provider("p").replace("name: p", "name: p\n  namespace: flux")
                + "  secretRef: {name: a}\n",
        )
        .write("secrets/flux/b/large", vec![b'x'; (1 << 20) + 1])
        .write("secrets/flux/b/fine", "x")
        .write("secrets/Not_A_Namespace/b/fine", "x");
    let configuration = read(&folder);
    let problems = folder.shorten(&configuration);
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert_eq!(
        problems[0],
        "conf/a.yaml:4:8: Secret flux/a: data.token: is no base64 (put plain text under \
         `stringData` instead)"
    );
    assert!(
        problems[1].starts_with("secrets/Not_A_Namespace: `Not_A_Namespace` is no valid namespace")
    );
    assert_eq!(
        problems[2],
        "secrets/flux/b/large: Secret flux/b: is larger than 1 MiB"
    );
    let current = Current::new(configuration);
    assert!(secret(&current, "a").is_err());
    assert!(secret(&current, "b").is_err());
}
