//! The two server processes and their folder.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Assets;

/// Longer than a start takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// Starts etcd (arguments up to `--`) and the API server (those behind it) and ends them, and removes
/// the folder `$0`, as soon as its standard input is closed: that happens when the test process ends,
/// however it ends.
const KEEPER: &str = r#"
trap '' INT
folder=$0
etcd=()
while [ "$1" != -- ]; do etcd+=("$1"); shift; done
shift
"${etcd[@]}" >"$folder/etcd.log" 2>&1 </dev/null & first=$!
"$@" >"$folder/kube-apiserver.log" 2>&1 </dev/null & second=$!
cat >/dev/null
kill -KILL $second $first 2>/dev/null
wait
rm -rf "$folder"
"#;

/// Running servers; they end with the value.
#[derive(Debug)]
pub(super) struct Servers {
    folder: PathBuf,
    port: u16,
    token: String,
    keeper: Child,
}

impl Servers {
    pub(super) fn start(assets: &Assets) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("control-plane-")
            .tempdir()
            .expect("a folder can be made")
            .keep();
        let [port, etcd_port, peer_port] = free_ports();
        let token = write_credentials(&folder);
        let keeper = Command::new("bash")
            .arg("-c")
            .arg(KEEPER)
            .arg(&folder)
            .arg(assets.etcd())
            .args(etcd_arguments(&folder, etcd_port, peer_port))
            .arg("--")
            .arg(assets.api_server())
            .args(api_server_arguments(&folder, port, etcd_port))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash starts");
        Self {
            folder,
            port,
            token,
            keeper,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub(super) fn admin_token(&self) -> &str {
        &self.token
    }

    /// The certificate file to trust; the API server makes it.
    pub(super) fn authority(&self) -> PathBuf {
        self.folder.join("certificates/apiserver.crt")
    }

    pub(super) fn wait_until(&self, is_ready: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !(self.authority().is_file() && is_ready()) {
            assert!(
                Instant::now() < deadline,
                "the API server is not ready: {}",
                self.end_of_log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn end_of_log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("kube-apiserver.log")).unwrap_or_default();
        let mut lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.reverse();
        lines.join("\n")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // Nothing to do about a keeper that cannot be waited for.
        let _ = self.keeper.wait();
    }
}

fn etcd_arguments(folder: &Path, port: u16, peer_port: u16) -> Vec<String> {
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls=http://127.0.0.1:{port}"),
        format!("--advertise-client-urls=http://127.0.0.1:{port}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer_port}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer_port}"),
        format!("--initial-cluster=default=http://127.0.0.1:{peer_port}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=error".to_owned(),
    ]
}

fn api_server_arguments(folder: &Path, port: u16, etcd_port: u16) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--cert-dir={}", file("certificates")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-signing-key-file={}", file("signing.key")),
        format!("--service-account-key-file={}", file("signing.pub")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        // No controller makes the default ServiceAccounts that it asks for.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ]
}

/// Writes the key that signs tokens of service accounts, and the administrator's token, which it
/// returns.
fn write_credentials(folder: &Path) -> String {
    let key = rcgen::KeyPair::generate().expect("a key can be made");
    let token = key
        .public_key_raw()
        .iter()
        .take(32)
        .fold(String::new(), |token, byte| format!("{token}{byte:02x}"));
    for (name, text) in [
        ("signing.key", key.serialize_pem()),
        ("signing.pub", key.public_key_pem()),
        (
            "tokens.csv",
            format!("{token},admin,admin,system:masters\n"),
        ),
    ] {
        fs::write(folder.join(name), text).expect("credentials can be written");
    }
    token
}

/// Ports that nobody listened on a moment ago.
fn free_ports() -> [u16; 3] {
    let listeners: [TcpListener; 3] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    listeners.map(|listener| listener.local_addr().expect("it has an address").port())
}
