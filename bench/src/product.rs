//! The binary under measurement, with its ports.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::process::Command;

use crate::event::{self, Stamp};
use crate::load::{Connection, Security};
use crate::running::Running;

/// How long it may take to become ready before that is an error.
const START: Duration = Duration::from_mins(2);
/// How often a starting server is asked.
const POLL: Duration = Duration::from_millis(1);

/// A running product; killed when dropped.
pub(crate) struct Product {
    /// Its process.
    pub(crate) process: Running,
    /// Where events go.
    pub(crate) events: SocketAddr,
    /// Where webhooks go.
    pub(crate) hooks: SocketAddr,
    health: SocketAddr,
    metrics: SocketAddr,
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
    /// Starts `fanfare run` on free ports of loopback, as the last arguments of `wrapper` if there
    /// are any.
    pub(crate) fn start(
        wrapper: &[String],
        binary: &Path,
        config: &Path,
        data: &Path,
        arguments: &[String],
    ) -> anyhow::Result<Self> {
        let (events, hooks) = (free_address()?, free_address()?);
        let (health, metrics) = (free_address()?, free_address()?);
        let mut command = match wrapper.split_first() {
            None => Command::new(binary),
            Some((program, further)) => {
                let mut command = Command::new(program);
                command.args(further).arg(binary);
                command
            }
        };
        command
            .arg("run")
            .arg("--config")
            .arg(config)
            .arg("--data-dir")
            .arg(data)
            .args(["--events-addr", &events.to_string()])
            .args(["--health-addr", &health.to_string()])
            .args(["--receiverAddr", &hooks.to_string()])
            .args(["--metrics-addr", &metrics.to_string()])
            .args(["--log-level", "error"])
            .args(arguments);
        Ok(Self {
            process: Running::start(command, &data.with_extension("log"))?,
            events,
            hooks,
            health,
            metrics,
        })
    }

    /// Waits until it is ready and has accepted an event, whose number is `probe`.
    pub(crate) async fn started(&mut self, probe: u64) -> anyhow::Result<Startup> {
        let started = self.process.started;
        let until = started + START;
        let (health, events) = (self.health, self.events);
        let both = async {
            tokio::join!(
                poll(health, GET_READY, started, until),
                poll_event(events, probe, started, until)
            )
        };
        let (ready, accepted) = self.process.until(both).await?;
        Ok(Startup {
            ready: ready.context("waiting for /readyz")?,
            accepted: accepted.context("waiting for the first 202")?,
        })
    }

    /// Asks once whether it is ready.
    pub(crate) async fn ask(&self) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.health, &Security::Plain).await?;
        connection.exchange(GET_READY).await?;
        Ok(())
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
    let stamp = Stamp {
        object: 0,
        number,
        sent: Duration::ZERO,
    };
    let mut request = Vec::new();
    event::requests(event::PREFIX).write(stamp, &mut request);
    poll(address, &request, started, until).await
}

/// An address on loopback that is free now.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr()?)
}
