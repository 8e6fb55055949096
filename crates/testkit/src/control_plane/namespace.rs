//! A namespace of a test's own, and identities in it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{ControlPlane, feed, succeeded};

/// A namespace that no other test of this process has.
#[derive(Debug)]
pub struct Namespace<'plane> {
    plane: &'plane ControlPlane,
    name: String,
}

impl<'plane> Namespace<'plane> {
    pub(super) fn new(plane: &'plane ControlPlane) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        plane.stdout(&["create", "namespace", &name]);
        Self { plane, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A `kubectl` of the administrator in this namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = self.plane.kubectl(&["--namespace", &self.name]);
        command.args(arguments);
        command
    }

    /// What such a `kubectl` prints; it must succeed.
    pub fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.kubectl(arguments).output().expect("kubectl runs");
        succeeded(output, arguments)
    }

    /// Applies manifests that name no namespace to this one; they must be accepted.
    pub fn apply(&self, manifests: &str) {
        let arguments = ["apply", "--filename=-"];
        let output = feed(&mut self.kubectl(&arguments), manifests);
        succeeded(output, &arguments);
    }

    /// An object as JSON.
    pub fn object(&self, resource: &str, name: &str) -> serde_json::Value {
        let text = self.stdout(&["get", resource, name, "--output=json"]);
        serde_json::from_str(&text).expect("kubectl prints JSON")
    }

    /// A kubeconfig file for a service account of this namespace, which is made if it is not there; what
    /// it may do is up to the test.
    pub fn service_account(&self, name: &str) -> PathBuf {
        self.apply(&format!(
            "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {name}}}}}"
        ));
        let token = self.stdout(&["create", "token", name, "--duration=2h"]);
        let folder = self.plane.servers.folder();
        let path = folder.join(format!("kubeconfig-{}-{name}", self.name));
        self.plane.write_kubeconfig(&path, token.trim());
        path
    }
}
