//! A running `fanfare`, a folder for it, and a client like a controller's.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::HttpSink;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything that works takes, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The binary under test.
pub(crate) fn fanfare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(variable);
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    fanfare(arguments).output().expect("the binary runs")
}

/// What a command printed to standard output; it must succeed.
pub(crate) fn stdout(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with manifests and a data directory.
pub(crate) struct Folder {
    directory: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("config")).unwrap();
        Self { directory }
    }

    /// A folder with a generic Provider at a sink and an Alert on all Kustomizations of `apps`.
    pub(crate) fn for_sink(sink: &HttpSink) -> Self {
        let folder = Self::new();
        folder.write(
            "provider.yaml",
            &provider("generic", &sink.url("/hook"), ""),
        );
        folder.write("alert.yaml", ALERT);
        folder
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Writes a manifest.
    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.config().join(name), content).unwrap();
    }

    /// Writes a file beside the configuration and gives its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Starts `fanfare run` on this folder and waits until it is ready.
    pub(crate) fn start(&self, more: &[&str]) -> Fanfare {
        Fanfare::start(self.command(more))
    }

    /// `fanfare run` on this folder, on free ports.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let config = self.config().display().to_string();
        let data = self.data().display().to_string();
        let mut arguments = vec![
            "run",
            "--config",
            &config,
            "--data-dir",
            &data,
            "--events-addr=127.0.0.1:0",
            "--metrics-addr=127.0.0.1:0",
            "--health-addr=127.0.0.1:0",
            "--receiverAddr=127.0.0.1:0",
            "--log-encoding=json",
        ];
        arguments.extend(more);
        fanfare(&arguments)
    }

    /// Runs a `queue` command on this folder's store and gives its JSON.
    pub(crate) fn queue(&self, arguments: &[&str]) -> Value {
        let data = self.data().display().to_string();
        let mut all = vec!["queue"];
        all.extend(arguments);
        all.extend(["--data-dir", &data, "--output", "json"]);
        serde_json::from_str(&stdout(&all)).unwrap()
    }

    /// Waits until as many deliveries are in a state.
    pub(crate) fn wait_for_deliveries(&self, state: &str, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listed = self.queue(&["list", "--state", state, "--limit", "10000"]);
            let listed = listed.as_array().unwrap().clone();
            if listed.len() >= count {
                return listed;
            }
            assert!(
                Instant::now() < deadline,
                "{} of {count} {state}",
                listed.len()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// An Alert on everything that Kustomizations of `apps` report.
pub(crate) const ALERT: &str = "
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata: {name: all, namespace: apps}
spec:
  providerRef: {name: destination}
  eventSources: [{kind: Kustomization, name: '*'}]
";

/// A Provider; `more` are further fields of its specification, each on a line of its own.
pub(crate) fn provider(kind: &str, address: &str, more: &str) -> String {
    format!(
        "apiVersion: notification.toolkit.fluxcd.io/v1beta3\nkind: Provider\n\
         metadata: {{name: destination, namespace: apps}}\n\
         spec:\n  type: {kind}\n  address: {address}\n{more}"
    )
}

/// A Secret.
pub(crate) fn secret(name: &str, data: &[(&str, &str)]) -> String {
    let data: BTreeMap<_, _> = data.iter().copied().collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "apps"},
        "stringData": data,
    })
    .to_string()
}

/// A running process. It is killed when dropped.
pub(crate) struct Fanfare {
    child: Child,
    pub(crate) events: String,
    pub(crate) health: String,
    pub(crate) metrics: String,
    pub(crate) webhooks: String,
    log: Arc<Mutex<Vec<String>>>,
    _lines: Receiver<String>,
}

impl Fanfare {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line.clone());
                // Nobody reads them after the start.
                let _ = sender.send(line);
            }
        });
        let ready = loop {
            let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                let _ = child.kill();
                panic!("it did not get ready: {:#?}", log.lock().unwrap());
            });
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            if line["msg"] == "fanfare is ready" {
                break line;
            }
        };
        let address = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self {
            child,
            events: address("events"),
            health: address("health"),
            metrics: address("metrics"),
            webhooks: address("webhooks"),
            log,
            _lines: lines,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Waits until a line of the log contains a text.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "no `{text}` in\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; gives the exit code and the time it took.
    pub(crate) fn terminate(mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        signal(self.pid(), "TERM");
        let status = self.child.wait().unwrap();
        (status.code(), started.elapsed())
    }

    /// Two signals, one after the other.
    pub(crate) fn terminate_twice(mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        signal(self.pid(), "TERM");
        self.wait_for_log("stopping");
        signal(self.pid(), "TERM");
        let status = self.child.wait().unwrap();
        (status.code(), started.elapsed())
    }

    /// Posts an event on a connection of its own; gives the status.
    pub(crate) async fn post(&self, event: &Value) -> u16 {
        let mut client = Client::connect(&self.events).await.unwrap();
        client.post(event).await.unwrap()
    }

    /// A page of the metrics port.
    pub(crate) async fn metrics(&self) -> String {
        get(&self.metrics, "/metrics").await.1
    }
}

impl Drop for Fanfare {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Gets a page; status and body.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = text(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

/// A connection that is kept, like a controller's.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        Some(Self { stream })
    }

    /// Posts an event; `None` if the connection broke before there was an answer.
    pub(crate) async fn post(&mut self, event: &Value) -> Option<u16> {
        let body = event.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: f\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        // Answers to events have no body.
        while !answer.ends_with(b"\r\n\r\n") {
            if self.stream.read_buf(&mut answer).await.ok()? == 0 {
                return None;
            }
        }
        text(&answer).split(' ').nth(1)?.parse().ok()
    }
}

/// An event of an object in `apps`, told apart by its number.
pub(crate) fn event(object: &str, number: usize) -> Value {
    json!({
        "involvedObject": {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "namespace": "apps",
            "name": object,
        },
        "severity": "info",
        "timestamp": "2026-08-07T16:01:35Z",
        "message": format!("number {number}"),
        "reason": "ReconciliationSucceeded",
        "metadata": {
            "kustomize.toolkit.fluxcd.io/revision": "main@sha1:731f7eaddfb6af01cb2173e18f0f75b0ba780ef1",
        },
        "reportingController": "kustomize-controller",
    })
}

/// Object and number of each event that a sink got, in order.
pub(crate) fn received(sink: &HttpSink) -> Vec<(String, usize)> {
    sink.requests()
        .iter()
        .map(|request| {
            let event = request.json();
            let object = event["involvedObject"]["name"].as_str().unwrap().to_owned();
            let message = event["message"].as_str().unwrap();
            (
                object,
                message.strip_prefix("number ").unwrap().parse().unwrap(),
            )
        })
        .collect()
}

/// Numbers of each object in the order in which they came first. Repeats are allowed, since an answer
/// can be lost; order is not negotiable.
pub(crate) fn first_arrivals(received: &[(String, usize)]) -> BTreeMap<String, Vec<usize>> {
    let mut arrivals: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (object, number) in received {
        let numbers = arrivals.entry(object.clone()).or_default();
        if !numbers.contains(number) {
            numbers.push(*number);
        }
    }
    arrivals
}

/// All bytes of all files below a folder.
pub(crate) fn all_bytes(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            bytes.extend(all_bytes(&entry.path()));
        } else if kind.is_file() {
            fs::File::open(entry.path())
                .unwrap()
                .read_to_end(&mut bytes)
                .unwrap();
        }
    }
    bytes
}
