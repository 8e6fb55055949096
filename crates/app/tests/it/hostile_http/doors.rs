//! A running process, and every door through which it can be talked to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::answers::{Answer, answers};
use crate::support::{Fanfare, Folder, event, secret, text};
use crate::webhooks::path_of;

/// Longer than any connection may live without progress, also on a busy machine.
pub(super) const LONGEST: Duration = Duration::from_mins(4);

const TOKEN: &str = "t0ken";

/// A Receiver whose path is all that a caller must know.
const RECEIVER: &str = "
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Receiver
metadata: {name: hook, namespace: apps}
spec:
  type: generic
  secretRef: {name: hook-token}
  resources: [{kind: Kustomization, name: shop}]
";

/// A connection of either kind.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

#[derive(Clone, Debug)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// One port, with what a good request to it looks like.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) name: &'static str,
    address: Address,
    method: &'static str,
    pub(super) path: String,
}

/// Tells bodies apart, so that none is a repeat of another.
static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Door {
    pub(super) async fn connect(&self) -> Box<dyn Wire> {
        loop {
            let connected: std::io::Result<Box<dyn Wire>> = match &self.address {
                Address::Tcp(address) => TcpStream::connect(address)
                    .await
                    .map(|stream| Box::new(stream) as _),
                Address::Unix(path) => UnixStream::connect(path)
                    .await
                    .map(|stream| Box::new(stream) as _),
            };
            match connected {
                Ok(wire) => return wire,
                // A full backlog; TCP waits for room by itself.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{}: {error}", self.name),
            }
        }
    }

    /// The TCP port, if it is one.
    pub(super) fn tcp(&self) -> Option<SocketAddr> {
        match &self.address {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// Whether what a body says matters here.
    pub(super) fn reads_bodies(&self) -> bool {
        self.method == "POST"
    }

    /// The head of a request; `fields` are lines that end with CR LF.
    pub(super) fn head(&self, fields: &str) -> String {
        let (method, path) = (self.method, &self.path);
        format!("{method} {path} HTTP/1.1\r\nHost: door\r\n{fields}\r\n")
    }

    /// A body that is new and good.
    pub(super) fn body(&self) -> String {
        match self.name {
            "control" => r#""summary""#.to_owned(),
            _ => event("shop", NEXT.fetch_add(1, Ordering::Relaxed)).to_string(),
        }
    }

    /// A good request, with further header fields.
    pub(super) fn request(&self, fields: &str) -> Vec<u8> {
        if !self.reads_bodies() {
            return self.head(fields).into_bytes();
        }
        let body = self.body();
        let fields = format!("{fields}Content-Length: {}\r\n", body.len());
        format!("{}{body}", self.head(&fields)).into_bytes()
    }

    /// A request that costs next to nothing and is refused.
    pub(super) fn cheap_request(&self) -> Vec<u8> {
        let body = if self.reads_bodies() { "{}" } else { "" };
        let path = if self.name == "webhooks" {
            "/hook/nobody"
        } else {
            &self.path
        };
        format!(
            "{} {path} HTTP/1.1\r\nHost: door\r\nContent-Length: {}\r\n\r\n{body}",
            self.method,
            body.len()
        )
        .into_bytes()
    }

    /// Whether that is the status of the answer to a good request.
    pub(super) fn is_good(&self, status: u16) -> bool {
        match self.name {
            "events" => status == 202,
            // Many calls at once are kept for later, or the object was asked a moment ago.
            "webhooks" => matches!(status, 200 | 202 | 429),
            _ => status == 200,
        }
    }

    /// Sends bytes, reads until the other side closes, and gives the answers.
    pub(super) async fn exchange(&self, request: &[u8], half_close: bool) -> Vec<Answer> {
        let wire = self.connect().await;
        let (mut reader, mut writer) = tokio::io::split(wire);
        let sending = async move {
            // It may be refused before everything was sent.
            let _ = writer.write_all(request).await;
            if half_close {
                let _ = writer.shutdown().await;
            }
            writer
        };
        let reading = async move {
            let mut bytes = Vec::new();
            // A reset is an end, too.
            let _ = reader.read_to_end(&mut bytes).await;
            bytes
        };
        let both = async { tokio::join!(sending, reading) };
        let (_, bytes) = tokio::time::timeout(LONGEST, both)
            .await
            .unwrap_or_else(|_| {
                let start = text(&request[..request.len().min(200)]);
                panic!("{}: never closed after {start:?}", self.name)
            });
        answers(&bytes)
    }

    /// A good request on a connection of its own must be answered well.
    pub(super) async fn assert_serves(&self, after: &str) {
        let request = self.request("Connection: close\r\n");
        let answers = self.exchange(&request, false).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(
            matches!(*statuses, [status] if self.is_good(status)),
            "{} after {after}: {statuses:?}",
            self.name
        );
    }
}

/// A process with all its doors.
pub(super) struct House {
    pub(super) fanfare: Fanfare,
    pub(super) doors: Vec<Door>,
    _folder: Folder,
}

impl House {
    pub(super) fn open() -> Self {
        let folder = Folder::new();
        folder.write("receiver.yaml", RECEIVER);
        folder.write("secret.yaml", &secret("hook-token", &[("token", TOKEN)]));
        let fanfare = folder.start(&["--log-level=debug"]);
        let tcp = |address: &str| Address::Tcp(address.parse().unwrap());
        let door = |name, address, method, path: &str| Door {
            name,
            address,
            method,
            path: path.to_owned(),
        };
        let hook = path_of("apps", "hook", TOKEN);
        let socket = Address::Unix(folder.data().join("control.sock"));
        let doors = vec![
            door("events", tcp(&fanfare.events), "POST", "/"),
            door("webhooks", tcp(&fanfare.webhooks), "POST", &hook),
            door("health", tcp(&fanfare.health), "GET", "/readyz"),
            door("metrics", tcp(&fanfare.metrics), "GET", "/metrics"),
            door("control", socket, "POST", "/"),
        ];
        Self {
            fanfare,
            doors,
            _folder: folder,
        }
    }

    /// Waits until the process has let go of connections that ended.
    pub(super) async fn forget_connections(&self) {
        let path = format!("/proc/{}/fd", self.fanfare.pid());
        let deadline = std::time::Instant::now() + LONGEST;
        loop {
            let open = std::fs::read_dir(&path).expect("the process lives").count();
            if open < 500 {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{open} descriptors");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The greatest resident size so far, in MiB.
    pub(super) fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The resident size now, in MiB.
    pub(super) fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.fanfare.pid());
        let status = std::fs::read_to_string(path).expect("the process lives");
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kibibytes / 1024
    }

    /// All doors serve, nothing panicked, and memory never went beyond so many MiB.
    pub(super) async fn assert_well(&self, after: &str, most: u64) {
        for door in &self.doors {
            door.assert_serves(after).await;
        }
        let log = self.fanfare.log();
        assert!(!log.contains("panicked"), "{log}");
        let peak = self.peak();
        assert!(peak <= most, "{after}: {peak} MiB");
    }
}
