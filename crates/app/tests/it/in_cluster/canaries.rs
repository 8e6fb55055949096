//! The canary run in a cluster: status, Events and the log are searched as well.

use std::time::Instant;

use serde_json::Value;
use testkit::secrets::marked;

use super::setting::{Setting, event, plane};
use crate::canaries::places::Search;
use crate::canaries::plant::{Places, Trouble, planted};
use crate::support::{PATIENCE, all_bytes, run, text};

/// A Receiver whose token is a canary.
const RECEIVER: &str = "
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Receiver
metadata: {name: hook}
spec:
  type: generic-hmac
  secretRef: {name: hook-token}
  resources: [{kind: Kustomization, name: shop, apiVersion: kustomize.toolkit.fluxcd.io/v1}]
";

/// Every type, each with another trouble than its neighbour.
fn objects(places: &Places, namespace: &str) -> Vec<Value> {
    let kinds = providers::kinds::ALL.iter().enumerate();
    kinds
        .flat_map(|(number, kind)| {
            let trouble = Trouble::ALL[number % Trouble::ALL.len()];
            planted(kind, trouble, places, namespace, "cluster")
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_sings_in_status_events_log_or_store() {
    let Some(plane) = plane() else { return };
    let namespace = plane.namespace();
    let places = Places::start().await;
    let objects: Vec<String> = objects(&places, namespace.name())
        .iter()
        .map(Value::to_string)
        .collect();
    namespace.apply(&objects.join("\n---\n"));
    namespace.apply(&format!(
        "{RECEIVER}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: hook-token}}\n\
         stringData: {{token: {}}}\n",
        marked("hooktoken")
    ));
    // With a token, as in a pod.
    let kubeconfig = namespace.service_account("fanfare");
    let name = namespace.name();
    namespace.stdout(&[
        "create",
        "clusterrolebinding",
        &format!("canaries-{name}"),
        "--clusterrole=cluster-admin",
        &format!("--serviceaccount={name}:fanfare"),
    ]);
    let own_token: Value =
        serde_json::from_str(&std::fs::read_to_string(&kubeconfig).unwrap()).unwrap();
    let own_token = own_token["users"][0]["user"]["token"]
        .as_str()
        .unwrap()
        .to_owned();

    let setting = Setting::new(name, &kubeconfig);
    let proxy = places.unauthorized.url("");
    let proxy = proxy.trim_start_matches("http://").trim_end_matches('/');
    let proxy = format!("http://{}@{proxy}", marked("envuser"));
    let fanfare = setting.start_with_environment(&[
        // Nothing leaves this machine.
        ("HTTPS_PROXY", proxy.as_str()),
        ("HTTP_PROXY", proxy.as_str()),
        ("NO_PROXY", "127.0.0.1"),
    ]);
    fanfare.wait_for_log("configuration in force");
    let mut failing = event(name, 1);
    failing["severity"] = "error".into();
    failing["metadata"]["event.toolkit.fluxcd.io/commit"] =
        "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1".into();
    failing["metadata"]["event.toolkit.fluxcd.io/change_request"] = "1".into();
    assert_eq!(fanfare.post(&failing).await, 202);

    // What became of deliveries shows in status and Events some time later.
    let deadline = Instant::now() + PATIENCE;
    let seen = loop {
        let seen = ["providers", "alerts", "receivers", "events"].map(|resource| {
            let listed = namespace.stdout(&["get", resource, "--output=json"]);
            let listed: Value = serde_json::from_str(&listed).unwrap();
            let items = listed["items"].as_array().unwrap().clone();
            (resource, items)
        });
        let all = format!("{seen:?}");
        if all.contains("401") && all.contains("tls.crt") {
            break seen;
        }
        assert!(Instant::now() < deadline, "{all}");
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    };
    let mut search = Search::default();
    for (resource, items) in seen {
        for mut item in items {
            // What people wrote there is theirs; `kubectl` keeps a copy of it.
            let own = item.as_object_mut().unwrap();
            own.remove("spec");
            own["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("annotations");
            let shown = item.to_string();
            assert!(!shown.contains(&own_token), "{resource}");
            search.look(resource, &shown);
        }
    }
    let data = setting.path("data");
    let shown = run(&["queue", "show", "1", "--data-dir", data.to_str().unwrap()]);
    search.look("queue show", &text(&shown.stdout));
    search.look("metrics", &fanfare.metrics().await);
    let log = fanfare.log();
    fanfare.terminate();
    let store = text(&all_bytes(&data));
    for (place, content) in [("log", log), ("store", store)] {
        assert!(!content.contains(&own_token), "our own token in {place}");
        search.look(place, &content);
    }
    search.end();
}
