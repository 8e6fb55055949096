//! A namespace with our definitions installed, and a controller that follows it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::ControlPlane;
use testkit::control_plane::Namespace;

use crate::support::{Fanfare, PATIENCE, fanfare};

/// The API server of all tests here with our definitions; `None` where there is none to be had.
pub(super) fn plane() -> Option<&'static ControlPlane> {
    static DEFINED: OnceLock<()> = OnceLock::new();
    let plane = ControlPlane::shared()?;
    DEFINED.get_or_init(|| plane.apply_definitions(&definitions()));
    Some(plane)
}

fn definitions() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    let kinds = ["alerts", "providers", "receivers"];
    kinds
        .map(|kind| {
            let name = format!("notification.toolkit.fluxcd.io_{kind}.yaml");
            std::fs::read_to_string(folder.join(name)).unwrap()
        })
        .join("\n---\n")
}

/// A controller of one namespace, its data directory kept over restarts.
pub(super) struct Setting {
    namespace: String,
    kubeconfig: PathBuf,
    directory: TempDir,
}

impl Setting {
    pub(super) fn new(namespace: &str, kubeconfig: &Path) -> Self {
        Self {
            namespace: namespace.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A path beside the data directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the controller; it need not have read anything yet.
    pub(super) fn start(&self) -> Fanfare {
        Fanfare::start(self.command())
    }

    /// Starts it with further flags.
    pub(super) fn start_with(&self, more: &[&str]) -> Fanfare {
        let mut command = self.command();
        command.args(more);
        Fanfare::start(command)
    }

    /// Starts it with variables in its environment.
    pub(super) fn start_with_environment(&self, variables: &[(&str, &str)]) -> Fanfare {
        let mut command = self.command();
        command.envs(variables.iter().copied());
        Fanfare::start(command)
    }

    /// Starts the controller and waits until it has read everything.
    pub(super) fn start_and_read(&self) -> Fanfare {
        let fanfare = self.start();
        fanfare.wait_for_log("configuration in force");
        fanfare
    }

    fn command(&self) -> Command {
        let data = self.path("data");
        // The first four as in Flux's Deployment, in its order.
        let mut command = fanfare(&[
            "controller",
            "--watch-all-namespaces=false",
            "--log-level=debug",
            "--log-encoding=json",
            "--enable-leader-election",
            "--events-addr=127.0.0.1:0",
            "--receiverAddr=127.0.0.1:0",
            "--metrics-addr=127.0.0.1:0",
            "--health-addr=127.0.0.1:0",
            "--egress-allow=127.0.0.0/8",
        ]);
        command
            .arg(format!("--data-dir={}", data.display()))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("RUNTIME_NAMESPACE", &self.namespace);
        command
    }
}

/// A generic Provider whose address is in a Secret of its own name, and an Alert that uses it.
pub(super) fn provider_and_alert(name: &str) -> String {
    format!(
        "apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata: {{name: {name}}}
spec: {{type: generic, secretRef: {{name: {name}}}}}
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata: {{name: {name}}}
spec: {{providerRef: {{name: {name}}}, eventSources: [{{kind: Kustomization, name: '*'}}]}}
"
    )
}

/// A Secret with an address.
pub(super) fn address(name: &str, url: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "stringData": {"address": url},
    })
    .to_string()
}

/// An event of an object in a namespace, told apart by its number.
pub(super) fn event(namespace: &str, number: usize) -> Value {
    let mut event = crate::support::event("podinfo", number);
    event["involvedObject"]["namespace"] = namespace.into();
    event
}

/// Waits until an object's condition is as wanted, and gives its message.
pub(super) fn wait_for_ready(
    namespace: &Namespace<'_>,
    resource: &str,
    name: &str,
    status: &str,
) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let object = namespace.object(resource, name);
        let conditions = object["status"]["conditions"].clone();
        let ready = conditions
            .as_array()
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == "Ready");
        if let Some(ready) = ready.filter(|ready| ready["status"] == status) {
            return ready["message"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "{resource}/{name}: {object:#}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
