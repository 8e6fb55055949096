//! A real Alertmanager on loopback, started for one test and killed with it.
//!
//! It is found in the environment variable `ALERTMANAGER`, else in `PATH` as
//! `prometheus-alertmanager` (Debian's name) or `alertmanager`. Where there is none, tests are skipped
//! with a line that says so, unless the environment has `CI=true`: then they fail.

use std::fs::{self, File};
use std::io::{Write as _, stderr};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// How to get it.
const INSTALL: &str = "install Alertmanager (Debian and Ubuntu: apt-get install \
     prometheus-alertmanager), or let the environment variable ALERTMANAGER name its binary";

/// Names of the binary.
const NAMES: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

/// Longer than a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Another process may take a free port before Alertmanager does.
const MOST_STARTS: usize = 5;

/// No receiver is told anything, and nothing ends by itself within a test.
const CONFIGURATION: &str = "global:
  resolve_timeout: 1h
route:
  receiver: nobody
receivers:
  - name: nobody
";

/// A running Alertmanager.
#[derive(Debug)]
pub struct Alertmanager {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Alertmanager {
    /// Starts one and waits until it is ready; `None` where there is no binary and none is required.
    pub async fn start() -> Option<Self> {
        let Some(binary) = find() else {
            assert!(
                variable("CI").as_deref() != Some("true"),
                "no Alertmanager found, and CI=true: {INSTALL}"
            );
            // Written around the macros, whose output the test harness keeps to itself.
            let said = writeln!(stderr(), "skipped, no Alertmanager found: {INSTALL}");
            said.expect("a standard error");
            return None;
        };
        for _ in 0..MOST_STARTS {
            if let Some(started) = Self::start_once(&binary).await {
                return Some(started);
            }
        }
        panic!("{} ended at every start", binary.display());
    }

    /// `None` if it ended before it was ready.
    async fn start_once(binary: &Path) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let configuration = folder.path().join("alertmanager.yml");
        fs::write(&configuration, CONFIGURATION).expect("a configuration");
        let output = File::create(folder.path().join("output")).expect("a file for its output");
        let address = free_address();
        let argument = |name: &str, value: &Path| format!("--{name}={}", value.display());
        let process = Command::new(binary)
            .arg(argument("config.file", &configuration))
            .arg(argument("storage.path", folder.path()))
            .arg(format!("--web.listen-address={address}"))
            // Alone: no cluster.
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file for its output"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let mut started = Self {
            process,
            address,
            _folder: folder,
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if started.process.try_wait().expect("a state").is_some() {
                return None;
            }
            if matches!(get(address, "/-/ready").await, Some((200, _))) {
                return Some(started);
            }
            sleep(PAUSE).await;
        }
        panic!("{} is not ready after {PATIENCE:?}", binary.display());
    }

    /// A URL on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The alerts that are not resolved.
    pub async fn alerts(&self) -> Vec<Value> {
        let (status, body) = get(self.address, "/api/v2/alerts")
            .await
            .expect("an answer");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("a list of alerts")
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may be gone already; either way it is afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn find() -> Option<PathBuf> {
    if let Some(named) = variable("ALERTMANAGER") {
        return Some(PathBuf::from(named));
    }
    let path = variable("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

#[expect(
    clippy::disallowed_methods,
    reason = "which servers are installed is a matter of the machine that tests run on"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

/// Status and body; `None` if nobody answers. In HTTP/1.0 a body ends with its connection.
async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
