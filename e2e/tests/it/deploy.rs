//! What is in `deploy` is accepted by an API server, and asks for no more than Flux has.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use e2e::reference::reference_definitions;
use e2e::{ApiClient, kustomize, repository};
use serde_json::{Value, json};
use testkit::ControlPlane;
use testkit::control_plane::{feed, find_helm};

const NAMESPACE: &str = "
apiVersion: v1
kind: Namespace
metadata:
  name: flux-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
";

/// Definitions of the Prometheus operator's kinds, without its schemas.
fn operator_definitions() -> String {
    let definition = |kind: &str, plural: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
            "spec": {
                "group": "monitoring.coreos.com",
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}],
            },
        })
    };
    let items = [
        definition("PodMonitor", "podmonitors"),
        definition("PrometheusRule", "prometheusrules"),
    ];
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// A control plane with the namespace and all definitions that manifests need.
fn prepared() -> Option<&'static ControlPlane> {
    let plane = ControlPlane::shared()?;
    plane.apply(NAMESPACE);
    plane.apply_definitions(&operator_definitions());
    plane.apply_definitions(&repository::definitions());
    Some(plane)
}

/// The objects that an API server makes of manifests, without keeping them; all must be accepted and none
/// warned about.
fn accepted(plane: &ControlPlane, manifests: &str) -> Vec<Value> {
    let arguments = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--output=json",
        "--filename=-",
    ];
    let output = feed(&mut plane.kubectl(&arguments), manifests);
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaints}");
    assert_eq!(complaints, "");
    let stdout = String::from_utf8(output.stdout).unwrap();
    serde_json::Deserializer::from_str(&stdout)
        .into_iter::<Value>()
        .flat_map(|object| match object.unwrap() {
            Value::Object(list) if list.contains_key("items") => {
                list["items"].as_array().unwrap().clone()
            }
            object => vec![object],
        })
        .collect()
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// A pod of a Deployment's template is admitted where the restricted standard is enforced.
fn assert_is_restricted(plane: &ControlPlane, deployment: &Value) {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe"},
        "spec": deployment["spec"]["template"]["spec"],
    });
    let client = ApiClient::new(plane);
    let pods = "/api/v1/namespaces/flux-system/pods";
    let answer = client.try_create(pods, &pod, true);
    assert_eq!(answer.code, 201, "{}", answer.body);
    let mut open = pod;
    open["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    assert_eq!(client.try_create(pods, &open, true).code, 403);
}

/// What the reference's clients and patches rely on (`operations.md` section 6).
fn assert_is_drop_in(objects: &[Value]) {
    let deployment = find(objects, "Deployment", "notification-controller");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["name"], "manager");
    let args: Vec<&str> = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|argument| argument.as_str().unwrap())
        .collect();
    assert!(args[0].starts_with("--watch-all-namespaces"), "{args:?}");
    assert_eq!(
        args[1..4],
        [
            "--log-level=info",
            "--log-encoding=json",
            "--enable-leader-election"
        ]
    );
    assert_eq!(pod["terminationGracePeriodSeconds"], 10);
    assert_eq!(container["env"][0]["name"], "RUNTIME_NAMESPACE");
    for (service, port) in [
        ("notification-controller", "http"),
        ("webhook-receiver", "http-webhook"),
    ] {
        let service = find(objects, "Service", service);
        assert_eq!(service["spec"]["ports"][0]["targetPort"], port);
        assert_eq!(
            service["spec"]["selector"],
            json!({"app": "notification-controller"})
        );
    }
}

fn words(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Whether Flux grants a verb on a resource (`operations.md` section 6.4).
fn is_granted_by_flux(group: &str, resource: &str, verb: &str) -> bool {
    const READ: [&str; 3] = ["get", "list", "watch"];
    match (group, resource) {
        ("", "secrets" | "configmaps" | "serviceaccounts" | "namespaces") => READ.contains(&verb),
        ("", "events") => ["create", "patch"].contains(&verb),
        ("", "serviceaccounts/token") => verb == "create",
        ("coordination.k8s.io", "leases") => true,
        (group, _) => group.ends_with(".fluxcd.io"),
    }
}

fn assert_no_wider_than_flux(objects: &[Value]) {
    for object in objects {
        let is_role = object["kind"] == "ClusterRole" || object["kind"] == "Role";
        if !is_role || object["metadata"]["name"] == "fanfare-token-review" {
            continue;
        }
        for rule in object["rules"].as_array().unwrap() {
            for group in words(&rule["apiGroups"]) {
                for resource in words(&rule["resources"]) {
                    for verb in words(&rule["verbs"]) {
                        assert!(
                            is_granted_by_flux(group, resource, verb),
                            "{group} {resource} {verb}"
                        );
                    }
                }
            }
            let urls = words(&rule["nonResourceURLs"]);
            assert!(urls.is_empty() || urls == ["/livez/ping"], "{urls:?}");
        }
    }
}

#[test]
fn the_recommended_installation_is_accepted() {
    let Some(plane) = prepared() else { return };
    let objects = accepted(
        plane,
        &kustomize::render(plane, "deploy/kustomize/overlays/flux-system"),
    );
    assert_is_drop_in(&objects);
    assert_no_wider_than_flux(&objects);
    let deployment = find(&objects, "Deployment", "notification-controller");
    assert_is_restricted(plane, deployment);
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
    assert!(
        words(&deployment["spec"]["template"]["spec"]["containers"][0]["args"])
            .contains(&"--data-dir=/data")
    );
    let binding = find(&objects, "ClusterRoleBinding", "fanfare");
    assert_eq!(binding["subjects"][0]["namespace"], "flux-system");
}

#[test]
fn all_components_together_are_accepted() {
    let Some(plane) = prepared() else { return };
    let objects = accepted(plane, &kustomize::render(plane, "e2e/fixtures/everything"));
    assert_is_drop_in(&objects);
    assert_no_wider_than_flux(&objects);
    find(&objects, "PodMonitor", "fanfare");
    find(&objects, "PodDisruptionBudget", "notification-controller");
    let binding = find(&objects, "ClusterRoleBinding", "fanfare-token-review");
    assert_eq!(binding["subjects"][0]["namespace"], "flux-system");
}

#[test]
fn the_chart_is_accepted_with_little_and_with_everything() {
    let Some(plane) = prepared() else { return };
    let Some(helm) = find_helm() else { return };
    let everything = "persistence.enabled=true,tokenReview.enabled=true,monitoring.enabled=true";
    let little = "persistence.enabled=false,networkPolicies.enabled=false,disruptionBudget.enabled=false,crds.create=false";
    for (values, least) in [(little, 6), (everything, 17)] {
        let output = Command::new(&helm)
            .args([
                "template",
                "fanfare",
                "--namespace=flux-system",
                "--kube-version=1.34.0",
                "--set",
                values,
            ])
            .arg(repository::path("deploy/chart"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let objects = accepted(plane, &String::from_utf8(output.stdout).unwrap());
        assert!(objects.len() >= least, "{}", objects.len());
        assert_is_drop_in(&objects);
        assert_no_wider_than_flux(&objects);
        assert_is_restricted(
            plane,
            find(&objects, "Deployment", "notification-controller"),
        );
    }
}

/// A kustomization as `flux bootstrap` leaves it, with Flux's manifests as far as they matter here.
#[test]
fn the_component_for_flux_changes_image_and_definitions_and_nothing_else() {
    let Some(plane) = prepared() else { return };
    let folder = repository::path("target/flux-component");
    fs::create_dir_all(&folder).unwrap();
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "notification-controller", "namespace": "flux-system"},
        "spec": {
            "selector": {"matchLabels": {"app": "notification-controller"}},
            "template": {"metadata": {"labels": {"app": "notification-controller"}}, "spec": {"containers": [{
                "name": "manager",
                "image": "ghcr.io/fluxcd/notification-controller:v1.9.3",
                "args": ["--watch-all-namespaces=true", "--log-level=info"],
            }]}},
        },
    });
    let definitions: Value = serde_json::from_str(&reference_definitions()).unwrap();
    let mut items = definitions["items"].as_array().unwrap().clone();
    items.push(deployment.clone());
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    fs::write(folder.join("gotk-components.yaml"), list.to_string()).unwrap();
    fs::write(
        folder.join("kustomization.yaml"),
        "resources: [gotk-components.yaml]\ncomponents: [../../deploy/kustomize/components/flux]\n",
    )
    .unwrap();
    let rendered = kustomize::render(plane, "target/flux-component");
    assert!(
        rendered.contains("image: ghcr.io/fanfare-dev/fanfare:"),
        "{rendered}"
    );
    let output = feed(
        &mut plane.kubectl(&[
            "create",
            "--dry-run=client",
            "--output=json",
            "--filename=-",
        ]),
        &rendered,
    );
    let objects: Vec<Value> = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .map(Result::unwrap)
        .flat_map(|object: Value| match object.get("items") {
            Some(items) => items.as_array().unwrap().clone(),
            None => vec![object],
        })
        .collect();
    assert_eq!(objects.len(), 4);
    let ours = api::crd::definitions(api::crd::ProviderTypes {
        all: &[],
        commit_status: &[],
    });
    for definition in objects
        .iter()
        .filter(|object| object["kind"] == "CustomResourceDefinition")
    {
        let wanted = ours
            .values()
            .find(|ours| ours["metadata"]["name"] == definition["metadata"]["name"])
            .unwrap();
        let versions = |definition: &Value| -> Vec<Value> {
            let versions = definition["spec"]["versions"].as_array().unwrap();
            versions
                .iter()
                .map(|version| version["name"].clone())
                .collect()
        };
        assert_eq!(versions(definition), versions(wanted));
        let stored = &definition["spec"]["versions"][0];
        assert_eq!(stored["subresources"], json!({"status": {}}));
        assert_eq!(stored["additionalPrinterColumns"][0]["name"], "Ready");
    }
    let changed = find(&objects, "Deployment", "notification-controller");
    let container = &changed["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["args"],
        deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    );
}

/// Names of metrics in a text, without the endings that the exposition adds.
fn metrics(text: &str) -> BTreeSet<String> {
    text.split(|other: char| !other.is_ascii_alphanumeric() && other != '_')
        .filter(|word| word.starts_with("fanfare_") || word.starts_with("gotk_"))
        .map(|word| {
            let endings = ["_total", "_bucket", "_count", "_sum"];
            let base = endings.iter().find_map(|ending| word.strip_suffix(ending));
            base.unwrap_or(word).to_owned()
        })
        .collect()
}

#[test]
fn rules_and_dashboard_use_metrics_that_exist() {
    let documented = metrics(&repository::text("docs/reference/metrics.md"));
    for file in ["rules.yaml", "dashboard.json"] {
        let text = repository::text(&format!("deploy/kustomize/components/monitoring/{file}"));
        let used = metrics(&text);
        assert!(used.len() > 4, "{file}");
        assert!(
            used.is_subset(&documented),
            "{file}: {:?}",
            used.difference(&documented)
        );
    }
}

#[test]
fn promtool_takes_the_rules() {
    let Some(plane) = prepared() else { return };
    if Command::new("promtool").arg("--version").output().is_err() {
        println!("skipped: promtool is not installed");
        return;
    }
    let rules = repository::text("deploy/kustomize/components/monitoring/rules.yaml");
    let output = feed(
        &mut plane.kubectl(&[
            "create",
            "--dry-run=client",
            "--output=json",
            "--filename=-",
        ]),
        &rules,
    );
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = repository::path("target/promtool");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("rules.json");
    fs::write(&file, object["spec"].to_string()).unwrap();
    let output = Command::new("promtool")
        .args(["check", "rules"])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("6 rules found"), "{text}");
}
