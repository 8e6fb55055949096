//! A real Kubernetes API server with its etcd, for tests; no cluster and no containers.
//!
//! There are no controllers and no nodes: nothing gives namespaces a service account or makes pods, and a
//! deleted namespace keeps its name. Ports are free ports of the loopback interface.

mod assets;
mod namespace;
mod process;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

pub use assets::{Assets, find_helm, find_sender};
pub use namespace::Namespace;

use process::Servers;

/// A running API server whose client is the administrator; it ends with the value, or with the test
/// process if that ends first, and takes its data along.
#[derive(Debug)]
pub struct ControlPlane {
    assets: Assets,
    servers: Servers,
    kubeconfig: PathBuf,
}

impl ControlPlane {
    /// The one that all tests of this process share; started by the first that asks.
    ///
    /// `None` when there is none to be had here: then it says on standard error that tests are
    /// skipped and why. With `CI` in the environment it panics instead.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<ControlPlane>> = OnceLock::new();
        SHARED
            .get_or_init(|| assets::found_or_skipped(Assets::find()).map(Self::start))
            .as_ref()
    }

    /// Starts one of its own.
    ///
    /// # Panics
    ///
    /// When it does not become ready; the message has the end of its log.
    pub fn start(assets: Assets) -> Self {
        let servers = Servers::start(&assets);
        let kubeconfig = servers.folder().join("kubeconfig");
        let token = servers.admin_token().to_owned();
        let plane = Self {
            assets,
            servers,
            kubeconfig,
        };
        plane.write_kubeconfig(&plane.kubeconfig, &token);
        plane.servers.wait_until(|| {
            plane
                .kubectl(&["get", "--raw", "/readyz"])
                .output()
                .is_ok_and(|output| output.status.success())
        });
        plane
    }

    /// The API server's address.
    pub fn url(&self) -> String {
        self.servers.url()
    }

    /// The administrator's kubeconfig file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A `kubectl` of the administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> Command {
        self.kubectl_with(&self.kubeconfig, arguments)
    }

    /// A `kubectl` with another kubeconfig file.
    pub fn kubectl_with(&self, kubeconfig: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.assets.kubectl());
        command
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            // Discovery is cached per address; ports come again, definitions change.
            .arg(format!(
                "--cache-dir={}",
                self.servers.folder().join("cache").display()
            ))
            .args(arguments)
            .stdin(Stdio::null());
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env_remove(variable);
        }
        command
    }

    /// What a `kubectl` of the administrator prints; it must succeed.
    pub fn stdout(&self, arguments: &[&str]) -> String {
        succeeded(
            self.kubectl(arguments).output().expect("kubectl runs"),
            arguments,
        )
    }

    /// Applies manifests on the server's side, as administrator, by force; it must succeed.
    pub fn apply(&self, manifests: &str) {
        let arguments = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--filename=-",
        ];
        let output = feed(&mut self.kubectl(&arguments), manifests);
        succeeded(output, &arguments);
    }

    /// Applies `CustomResourceDefinition`s and waits until they are served.
    pub fn apply_definitions(&self, manifests: &str) {
        self.apply(manifests);
        self.stdout(&[
            "wait",
            "--for=condition=established",
            "--timeout=60s",
            "customresourcedefinitions",
            "--all",
        ]);
    }

    /// A new namespace with a name of its own.
    pub fn namespace(&self) -> Namespace<'_> {
        Namespace::new(self)
    }

    /// Writes a kubeconfig file for the bearer of a token.
    pub fn write_kubeconfig(&self, path: &Path, token: &str) {
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {
                "server": self.url(),
                "certificate-authority": self.servers.authority(),
            }}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        });
        std::fs::write(path, config.to_string()).expect("the kubeconfig can be written");
    }
}

/// Runs a command with text on its standard input.
pub fn feed(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut pipe = child.stdin.take().expect("there is a pipe");
    // A command that does not want all of it has its reasons; its exit status tells.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    child.wait_with_output().expect("the command ends")
}

fn succeeded(output: Output, arguments: &[&str]) -> String {
    assert!(
        output.status.success(),
        "kubectl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("kubectl prints text")
}
