//! The binary under measurement: started, asked, killed.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::process::{Child, Command};

use crate::event::{RequestTemplate, Stamp};
use crate::load::{Connection, Security};
use crate::process;

/// How long it may take to become ready before that is an error.
const START: Duration = Duration::from_mins(2);
/// How often a starting server is asked.
const POLL: Duration = Duration::from_millis(1);

/// A running server process; killed when dropped.
pub(crate) struct Product {
    child: Child,
    pid: u32,
    started: Instant,
    /// Where events go.
    pub(crate) events: SocketAddr,
    health: SocketAddr,
    metrics: SocketAddr,
    log: PathBuf,
}

/// Times from starting the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Startup {
    /// Until `/readyz` said 200.
    pub(crate) ready: Duration,
    /// Until an event was accepted.
    pub(crate) accepted: Duration,
}

impl Product {
    /// Starts `fanfare run` on free ports of loopback.
    pub(crate) fn start(
        binary: &Path,
        config: &Path,
        data: &Path,
        arguments: &[String],
    ) -> anyhow::Result<Self> {
        let [events, health, metrics] = [free_address()?, free_address()?, free_address()?];
        let log = data.with_extension("log");
        let output = File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new(binary);
        command
            .arg("run")
            .arg("--config")
            .arg(config)
            .arg("--data-dir")
            .arg(data)
            .args(["--events-addr", &events.to_string()])
            .args(["--health-addr", &health.to_string()])
            .args(["--receiverAddr", "127.0.0.1:0"])
            .args(["--metrics-addr", &metrics.to_string()])
            .args(["--log-level", "error"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let pid = child.id().context("the binary ended at once")?;
        Ok(Self {
            child,
            pid,
            started,
            events,
            health,
            metrics,
            log,
        })
    }

    /// Waits until it is ready and has accepted an event, whose number is `probe`.
    pub(crate) async fn started(&mut self, probe: u64) -> anyhow::Result<Startup> {
        let started = self.started;
        let until = started + START;
        let both = async {
            tokio::join!(
                poll(self.health, GET_READY, started, until),
                poll_event(self.events, probe, started, until)
            )
        };
        let (ready, accepted) = tokio::select! {
            both = both => both,
            status = self.child.wait() => {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let lines: Vec<&str> = log.lines().rev().take(5).collect();
                anyhow::bail!("the binary ended with {}: {}", status?, lines.join(" / "));
            }
        };
        Ok(Startup {
            ready: ready.context("waiting for /readyz")?,
            accepted: accepted.context("waiting for the first 202")?,
        })
    }

    /// Memory now.
    pub(crate) fn memory(&self) -> anyhow::Result<process::Memory> {
        process::memory(self.pid)
    }

    /// Processor time so far.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        process::processor_time(self.pid)
    }

    /// One of its gauges or counters, if it has it.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<Option<f64>> {
        let mut connection = Connection::open(self.metrics, &Security::Plain).await?;
        let (status, body) = connection.fetch(GET_METRICS).await?;
        anyhow::ensure!(status == 200, "/metrics answered {status}");
        Ok(String::from_utf8_lossy(&body)
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()))
    }

    /// Kills it as a power cut would, and waits for its end.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }
}

const GET_READY: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const GET_METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Asks until the answer is 200, 202, or 429 for what was accepted before; answers with the time since `started`.
pub(crate) async fn poll(
    address: SocketAddr,
    request: &[u8],
    started: Instant,
    until: Instant,
) -> anyhow::Result<Duration> {
    loop {
        let asking = async {
            let mut connection = Connection::open(address, &Security::Plain).await?;
            connection.exchange(request).await
        };
        match tokio::time::timeout(Duration::from_secs(5), asking).await {
            Ok(Ok(200 | 202 | 429)) => return Ok(started.elapsed()),
            Ok(Ok(_) | Err(_)) | Err(_) if Instant::now() < until => {}
            Ok(Ok(status)) => anyhow::bail!("still {status}"),
            Ok(Err(error)) => return Err(error),
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Sends one event until it is accepted.
async fn poll_event(
    address: SocketAddr,
    number: u64,
    started: Instant,
    until: Instant,
) -> anyhow::Result<Duration> {
    let mut template = RequestTemplate::new();
    let stamp = Stamp {
        object: 0,
        number,
        sent: Duration::ZERO,
    };
    poll(address, template.stamped(stamp), started, until).await
}

/// An address on loopback that is free now.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr()?)
}
