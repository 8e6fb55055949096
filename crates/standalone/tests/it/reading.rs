//! What is read, what is passed over, and what is said about it.

use std::fs;
use std::os::unix::fs::symlink;

use api::{ObjectKey, ObjectReference};
use domain::ports::ObjectReader as _;
use futures::FutureExt as _;
use standalone::{Counts, Current, Source, directory};

use crate::folder::{Folder, Kinds, alert, provider};

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

#[test]
fn folders_are_read_recursively_and_hidden_ones_are_not() {
    let folder = Folder::new();
    folder
        .write("a.yaml", provider("a"))
        .write("deep/er/b.yml", provider("b"))
        .write("c.json", r#"{"apiVersion": "notification.toolkit.fluxcd.io/v1beta3", "kind": "Provider", "metadata": {"name": "c"}, "spec": {"type": "slack"}}"#)
        .write(".hidden.yaml", provider("d"))
        .write(".git/e.yaml", provider("e"))
        .write("notes.txt", provider("f"));
    let configuration = folder.read();
    assert_eq!(configuration.problems(), []);
    let mut names: Vec<_> = configuration
        .catalog()
        .providers()
        .map(|(key, _)| key.to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["default/a", "default/b", "default/c"]);
    assert_eq!(
        configuration.counts(),
        Counts {
            files: 3,
            providers: 3,
            others: 3,
            ..Counts::default()
        }
    );
}

#[test]
fn problems_are_at_the_line_of_the_field() {
    let folder = Folder::new();
    folder.write("p.yaml", provider("slack")).write(
        "alerts.yaml",
        concat!(
            "apiVersion: notification.toolkit.fluxcd.io/v1beta3\n",
            "kind: Alert\n",
            "metadata:\n",
            "  name: on-call\n",
            "  namespace: default\n",
            "spec:\n",
            "  providerRef:\n",
            "    name: slack\n",
            "  eventSeverity: warning\n",
            "  eventSources:\n",
            "    - name: '*'\n",
        ),
    );
    assert_eq!(
        folder.problems(),
        [
            "alerts.yaml:9:3: Alert default/on-call: spec.eventSeverity: expected one of info, \
             error, got `warning`",
            "alerts.yaml:11:7: Alert default/on-call: spec.eventSources[0].kind: is required",
        ]
    );
}

#[test]
fn a_broken_document_leaves_the_others_of_its_file_alone() {
    let folder = Folder::new();
    let text = format!("{}---\nkind: [\n---\n{}", provider("a"), alert("x", "a"));
    folder.write("all.yaml", text);
    let configuration = folder.read();
    assert_eq!(configuration.catalog().alerts().len(), 1);
    let problems = folder.shorten(&configuration);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("all.yaml:8:") || problems[0].starts_with("all.yaml:9:"));
    assert!(problems[0].contains(": not YAML: "), "{problems:?}");
}

#[test]
fn an_object_with_a_broken_expression_is_used_without_it() {
    let folder = Folder::new();
    let text = alert("x", "a") + "  inclusionList: ['ok', '(']\n";
    folder.write("p.yaml", provider("a")).write("x.yaml", text);
    let configuration = folder.read();
    assert_eq!(configuration.catalog().alerts()[0].inclusions.len(), 1);
    assert!(
        folder.shorten(&configuration)[0]
            .starts_with("x.yaml:10:25: Alert default/x: spec.inclusionList[1]: ")
    );
}

#[test]
fn groups_versions_and_kinds_are_checked() {
    let folder = Folder::new();
    let manifest = |api_version: &str, kind: &str| {
        format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\n")
    };
    folder
        .write(
            "a.yaml",
            manifest("notification.toolkit.fluxcd.io/v1", "Alert"),
        )
        .write(
            "b.yaml",
            manifest("notification.toolkit.fluxcd.io/v1beta3", "Alerts"),
        )
        .write("c.yaml", "metadata: {name: x}\nkind: Alert\n")
        .write("d.yaml", "apiVersion: v1\nkind: 7\n")
        .write(
            "e.yaml",
            manifest("notification.toolkit.fluxcd.io/v1", "Receiver"),
        )
        .write(
            "f.yaml",
            manifest("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
        )
        .write(
            "g.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n",
        );
    assert_eq!(
        folder.problems(),
        [
            "a.yaml:1:1: apiVersion: version `v1` of Alert is not served (served versions: \
             v1beta3, v1beta2, v1beta1)",
            "b.yaml:2:1: kind: there is no kind `Alerts` in notification.toolkit.fluxcd.io (known \
             kinds: Provider, Alert, Receiver)",
            "c.yaml:1:1: apiVersion: is required (is this a Kubernetes manifest?)",
            "d.yaml:2:1: kind: expected a string",
            "e.yaml:1:1: Receiver default/x: spec: is required",
            "e.yaml:1:1: Receiver default/x: spec.secretRef: secretRef is required when type is \
             not generic-oidc",
        ]
    );
}

#[test]
fn names_are_checked() {
    let folder = Folder::new();
    folder
        .write("a.yaml", provider("On_Call"))
        .write("b.yaml", provider("12"))
        .write("c.yaml", provider("''"))
        .write("d.yaml", provider("ok\n  namespace: a.b"));
    let problems = folder.problems();
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(problems[0].starts_with(
        "a.yaml:4:3: Provider default/On_Call: metadata.name: `On_Call` is no valid name"
    ));
    assert_eq!(
        problems[1],
        "b.yaml:4:3: Provider default/: metadata.name: expected a string, got a number (put the \
         value in quotes)"
    );
    assert_eq!(
        problems[2],
        "c.yaml:4:3: Provider default/: metadata.name: is required"
    );
    assert!(problems[3].contains("metadata.namespace: `a.b` is no valid namespace"));
}

#[test]
fn of_two_objects_with_one_name_the_first_wins() {
    let folder = Folder::new();
    let second = provider("a").replace("type: slack", "type: github");
    folder
        .write("a.yaml", provider("a"))
        .write("b.yaml", second)
        .write("c.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n");
    let configuration = folder.read();
    let catalog = configuration.catalog();
    assert_eq!(
        catalog.provider(&key("a")).unwrap().valid().unwrap().kind,
        "slack"
    );
    assert_eq!(
        folder.shorten(&configuration),
        [
            "b.yaml:1:1: Provider default/a: is defined twice; the one at a.yaml:1:1 is in force \
             (remove or rename one of them)",
            "c.yaml:5:1: Secret default/s: is defined twice; the one at c.yaml:1:1 is in force \
             (remove or rename one of them)",
        ]
    );
}

#[test]
fn missing_objects_are_reported_where_they_are_named() {
    let folder = Folder::new();
    let needy = provider("needy") + "  secretRef:\n    name: token\n";
    folder
        .write("a.yaml", alert("x", "slak"))
        .write(
            "b.yaml",
            alert("z", "needy")
                .replace("    - kind: Kustomization\n      name: '*'\n", "")
                .replace("eventSources:", "eventSources: []"),
        )
        .write("p.yaml", needy);
    assert_eq!(
        folder.problems(),
        [
            "a.yaml:6:17: Alert default/x: spec.providerRef.name: there is no Provider \
             default/slak (providers in default: needy)",
            "b.yaml:7:3: Alert default/z: spec.eventSources: is empty, so that the Alert matches \
             nothing",
            "p.yaml:8:5: Provider default/needy: spec.secretRef.name: there is no Secret \
             default/token (add it as a manifest, or as files in the secrets folder: \
             NAMESPACE/NAME/KEY)",
        ]
    );
}

#[test]
fn keys_of_old_that_a_provider_reads_are_told() {
    let folder = Folder::new();
    let secret = |name: &str, keys: &[&str]| {
        let keys: Vec<String> = keys
            .iter()
            .map(|key| format!("  {key}: MARKED\n"))
            .collect();
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n{}",
            keys.concat()
        )
    };
    folder.write("s.yaml", secret("old", &["proxy", "caFile"]));
    folder.write("t.yaml", secret("new", &["caFile", "ca.crt", "keyFile"]));
    let references = "  secretRef:\n    name: old\n";
    let both = format!("{references}  certSecretRef:\n    name: new\n");
    folder.write("p.yaml", provider("p") + &both);
    let status = provider("q").replace("type: slack", "type: github");
    folder.write("q.yaml", status + references);
    assert_eq!(
        folder.problems(),
        [
            "p.yaml:8:5: Provider default/p: spec.secretRef.name: key `proxy` of Secret default/old \
             is deprecated (use `proxySecretRef`)",
            "p.yaml:10:5: Provider default/p: spec.certSecretRef.name: key `keyFile` of Secret \
             default/new is deprecated (call it `tls.key`)",
            "q.yaml:8:5: Provider default/q: spec.secretRef.name: key `proxy` of Secret default/old \
             is deprecated (use `proxySecretRef`)",
            "q.yaml:8:5: Provider default/q: spec.secretRef.name: key `caFile` of Secret default/old \
             is deprecated (call it `ca.crt`)",
        ]
    );
    let configuration = folder.read();
    assert!(
        configuration
            .problems()
            .iter()
            .all(|found| !found.problem.is_error())
    );
}

#[test]
fn kubernetes_mounts_work_and_are_read_once() {
    let folder = Folder::new();
    folder
        .write("..2024_11_24/a.yaml", provider("a"))
        .write("..2024_11_24/sub/b.yaml", provider("b"));
    symlink("..2024_11_24", folder.at("..data")).unwrap();
    symlink("..data/a.yaml", folder.at("a.yaml")).unwrap();
    symlink("..data/sub", folder.at("sub")).unwrap();
    let configuration = folder.read();
    assert_eq!(configuration.problems(), []);
    assert_eq!(configuration.counts().providers, 2);
}

#[test]
fn links_in_circles_end() {
    let folder = Folder::new();
    folder.write("sub/a.yaml", provider("a"));
    symlink("..", folder.at("sub/up")).unwrap();
    symlink(".", folder.at("here")).unwrap();
    symlink("sub/a.yaml", folder.at("again.yaml")).unwrap();
    let configuration = folder.read();
    assert_eq!(configuration.problems(), []);
    assert_eq!(configuration.counts().providers, 1);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_loads() {
    let folder = Folder::new();
    folder
        .write("good.yaml", provider("a"))
        .write("latin.yaml", b"a: \xe4\n");
    fs::create_dir(folder.at("folder.yaml")).unwrap();
    symlink("nowhere", folder.at("gone.yaml")).unwrap();
    let configuration = folder.read();
    assert_eq!(configuration.counts().providers, 1);
    assert_eq!(
        folder.shorten(&configuration),
        [
            "gone.yaml: cannot be read: No such file or directory (os error 2)",
            "latin.yaml:1:4: not YAML: this is no UTF-8 text (save the file in UTF-8)",
        ]
    );
}

#[test]
fn an_empty_and_a_missing_folder_say_what_to_do() {
    let folder = Folder::new();
    let problem = &folder.read().problems()[0].clone();
    assert!(!problem.problem.is_error());
    assert_eq!(problem.problem.message, "there are no manifests here");
    assert!(
        problem
            .problem
            .hint
            .as_deref()
            .unwrap()
            .contains("Providers and Alerts")
    );
    let missing = directory::read(&Source::new(folder.at("missing")), &Kinds);
    assert_eq!(missing.problems().len(), 1);
    assert!(missing.problems()[0].problem.is_error());
}

#[test]
fn a_single_file_may_be_named_whatever_it_is_called() {
    let folder = Folder::new();
    folder.write("manifest.txt", provider("a"));
    let configuration = directory::read(&Source::new(folder.at("manifest.txt")), &Kinds);
    assert_eq!(configuration.problems(), []);
    assert_eq!(configuration.counts().providers, 1);
}

#[test]
fn labels_are_found_by_group_kind_and_name() {
    let folder = Folder::new();
    folder.write(
        "k.yaml",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: app\n  labels: {team: red}\n",
    );
    let current = Current::new(folder.read());
    let labels = |api_version: &str, kind: &str, namespace: &str| {
        let object = ObjectReference {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: "app".to_owned(),
            ..ObjectReference::default()
        };
        current.labels(&object).now_or_never().unwrap().is_some()
    };
    assert!(labels(
        "kustomize.toolkit.fluxcd.io/v1",
        "Kustomization",
        "default"
    ));
    assert!(labels(
        "kustomize.toolkit.fluxcd.io/v1beta2",
        "Kustomization",
        "default"
    ));
    assert!(!labels("", "Kustomization", "default"));
    assert!(!labels(
        "helm.toolkit.fluxcd.io/v1",
        "Kustomization",
        "default"
    ));
    assert!(!labels(
        "kustomize.toolkit.fluxcd.io/v1",
        "HelmRelease",
        "default"
    ));
    assert!(!labels(
        "kustomize.toolkit.fluxcd.io/v1",
        "Kustomization",
        "other"
    ));
}

#[test]
fn warnings_do_not_hide_an_error() {
    let folder = Folder::new();
    let noisy = (0..90).fold(provider("noisy"), |text, number| {
        text + &format!("  odd{number}: x\n")
    });
    for number in 0..150 {
        let name = format!("noisy-{number}");
        folder.write(&format!("{name}.yaml"), noisy.replace("noisy", &name));
    }
    folder.write("wrong.yaml", provider("wrong").replace("slack", "slak"));
    let configuration = folder.read();
    assert_eq!(configuration.problems().len(), 10_000);
    assert!(
        configuration
            .problems()
            .iter()
            .any(|found| found.problem.is_error())
    );
}
