//! A running event port, and raw HTTP against it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::ObjectReference;
use delivery::store::Retention;
use delivery::store::open::{QueueLimit, StoreSettings, open};
use delivery::{Engine, Limits, Ports, Settings};
use domain::delivery::retry::Policy;
use domain::delivery::{Failure, FailureClass};
use domain::plan::Rules;
use domain::ports::{Clock, Courier, ObjectReader, Random, SenderCheck};
use domain::{Catalog, CleanEvent, Delivery, Outcome};
use futures::future::BoxFuture;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use server::{Events, EventsSettings, Listener};
use tempfile::TempDir;
use testkit::clock::MovableClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Long enough for a busy machine, short enough to end a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An event port with everything behind it but destinations.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<MovableClock>,
    engine: Engine,
    shutdown: CancellationToken,
}

impl Port {
    pub(crate) async fn start(directory: &TempDir, interval: Duration, limit: u64) -> Self {
        let start = "2026-08-07T16:01:35Z".parse::<Timestamp>().unwrap();
        Self::start_at(directory, interval, limit, start).await
    }

    pub(crate) async fn start_at(
        directory: &TempDir,
        interval: Duration,
        limit: u64,
        time: Timestamp,
    ) -> Self {
        Self::launch(directory, interval, limit, time, |events| events).await
    }

    /// A port that takes events only from senders that pass a check.
    pub(crate) async fn start_only_from(
        directory: &TempDir,
        senders: Arc<dyn SenderCheck>,
    ) -> Self {
        let (interval, limit) = (Duration::from_mins(5), 1_000_000);
        Self::launch(
            directory,
            interval,
            limit,
            Timestamp::UNIX_EPOCH,
            |events| events.only_from(senders),
        )
        .await
    }

    async fn launch(
        directory: &TempDir,
        interval: Duration,
        limit: u64,
        time: Timestamp,
        adjust: impl FnOnce(Events) -> Events,
    ) -> Self {
        let clock = Arc::new(MovableClock::at(time));
        let store = open(StoreSettings {
            directory: directory.path().to_owned(),
            queue_limit: QueueLimit {
                deliveries: limit,
                ..QueueLimit::default()
            },
            lock_wait: Duration::from_secs(5),
        })
        .unwrap();
        let ports = Ports {
            store,
            catalog: Arc::new(Catalog::default()),
            configured: tokio::sync::watch::channel(true).1,
            courier: Arc::new(Nobody),
            objects: Arc::new(Nobody),
            clock: clock.clone(),
            random: Arc::new(Nobody),
            notices: None,
        };
        let settings = Settings {
            duplicate_interval: interval,
            policy: Policy::default(),
            retention: Retention {
                age: Duration::from_hours(168),
                bytes: 1 << 30,
            },
            limits: Limits::default(),
            rules: Rules::default(),
        };
        let mut registry = Registry::default();
        let engine = Engine::start(settings, ports, &mut registry).await.unwrap();
        let events = adjust(Events::new(
            engine.intake().clone(),
            EventsSettings::default(),
            &mut registry,
        ));
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_address().unwrap();
        let shutdown = CancellationToken::new();
        tokio::spawn(listener.serve(Arc::new(events), shutdown.clone(), Duration::from_secs(1)));
        Self {
            address,
            clock,
            engine,
            shutdown,
        }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.engine.stop(Duration::from_secs(1)).await;
    }

    /// Sends raw bytes on a new connection and reads one answer.
    pub(crate) async fn exchange(&self, request: &[u8], half_close: bool) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The port may refuse before it has read everything.
        let _ = stream.write_all(request).await;
        if half_close {
            let _ = stream.shutdown().await;
        }
        read_answer(&mut stream, &mut Vec::new()).await
    }

    /// Posts a body and gives the status.
    pub(crate) async fn post(&self, body: &str) -> u16 {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: events\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.exchange(request.as_bytes(), false)
            .await
            .unwrap()
            .status
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Reads one answer; `None` if the connection ends without one. What came behind it stays in
/// `buffer`.
pub(crate) async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Answer> {
    tokio::time::timeout(PATIENCE, read(stream, buffer))
        .await
        .expect("an answer in time")
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Answer> {
    let head_end = loop {
        // `100 Continue` only announces the answer.
        if buffer.starts_with(CONTINUE) {
            buffer.drain(..CONTINUE.len());
        }
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..head_end).collect()).unwrap();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while buffer.len() < length && stream.read_buf(buffer).await.ok()? > 0 {}
    let body: Vec<u8> = buffer.drain(..length.min(buffer.len())).collect();
    Some(Answer {
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// Stands for destinations, objects and chance, none of which these tests need.
struct Nobody;

impl Courier for Nobody {
    fn deliver<'a>(&'a self, _: &'a Delivery, _: &'a CleanEvent, _: u32) -> BoxFuture<'a, Outcome> {
        let failure = Failure::new(FailureClass::Unreachable, "nobody is there");
        Box::pin(async { Outcome::Failed(failure) })
    }
}

impl ObjectReader for Nobody {
    fn labels<'a>(
        &'a self,
        _: &'a ObjectReference,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>> {
        Box::pin(async { None })
    }
}

impl Random for Nobody {
    fn fraction(&self) -> f64 {
        0.0
    }
}

/// An event about an object.
pub(crate) fn event(name: &str, message: &str) -> String {
    serde_json::json!({
        "involvedObject": {"kind": "Kustomization", "namespace": "apps", "name": name},
        "severity": "info",
        "message": message,
        "reason": "ReconciliationSucceeded",
        "reportingController": "kustomize-controller",
    })
    .to_string()
}

/// Time now, for tests that look at it.
pub(crate) fn now(port: &Port) -> Timestamp {
    port.clock.now()
}
