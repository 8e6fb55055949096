//! What this machine can do at best: a bare server, the disk, a bare client.

mod server;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::process::Command;

use crate::figure::{Figure, percentiles};
use crate::histogram::Histogram;
use crate::load::{self, Target};
use crate::process;
use crate::product::{free_address, poll};
use crate::scenario::{Laboratory, PROVIDER_CONNECTIONS, RATE};
use crate::sink::{Mode, Sink};

pub(crate) use server::serve;

/// Number of synchronous writes that are timed at most.
const MOST_WRITES: u32 = 5000;

/// Floors that figures are put beside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Floors {
    /// Requests per second of a bare server that answers 202.
    pub(crate) accepts: f64,
    /// Latencies at the fixed rate of a bare server that syncs each body before it answers.
    pub(crate) synced_latency: Histogram,
    /// Requests per second of that server.
    pub(crate) synced_accepts: f64,
    /// POSTs per second to the sink over kept HTTP connections.
    pub(crate) posts_http: f64,
    /// POSTs per second to the sink over kept TLS connections.
    pub(crate) posts_tls: f64,
    /// Milliseconds until the bare server answers.
    pub(crate) ready: f64,
    /// Megabytes of the bare server, idle.
    pub(crate) memory: f64,
}

/// Measures all floors.
pub(crate) async fn measure(laboratory: &Laboratory) -> anyhow::Result<(Floors, Vec<Figure>)> {
    let time = Duration::from_secs(laboratory.seconds.min(5));
    let bare = bare_server(laboratory, None, time).await?;
    let path = laboratory.work.join("floor-synced");
    let synced = bare_server(laboratory, Some(&path), time).await?;
    std::fs::remove_file(&path)?;

    let disk = tokio::task::block_in_place(|| synchronous_writes(laboratory, time))?;
    let plain = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
    let posts_http = posts(laboratory, &plain, time).await?;
    let tls = Sink::tls(Mode::Healthy, laboratory.epoch).await?;
    let posts_tls = posts(laboratory, &tls, time).await?;

    let floors = Floors {
        accepts: bare.rate,
        synced_latency: synced.latency,
        synced_accepts: synced.rate,
        posts_http,
        posts_tls,
        ready: bare.ready.as_secs_f64() * 1000.0,
        memory: bare.memory,
    };
    let mut figures = vec![
        Figure::higher("floors/bare-202/answers", floors.accepts, "/s"),
        Figure::higher("floors/synced-202/answers", floors.synced_accepts, "/s"),
        Figure::lower("floors/bare-202/ready", floors.ready, "ms"),
        Figure::lower("floors/bare-202/resident", floors.memory, "MB"),
        Figure::higher("floors/disk/fdatasync", disk.rate, "/s"),
        Figure::higher("floors/sink/http/posts", posts_http, "/s"),
        Figure::higher("floors/sink/tls/posts", posts_tls, "/s"),
    ];
    figures.extend(percentiles("floors/bare-202/at-5000", &bare.latency));
    let synced = &floors.synced_latency;
    figures.extend(percentiles("floors/synced-202/at-5000", synced));
    figures.extend(percentiles("floors/disk/fdatasync", &disk.latency));
    Ok((floors, figures))
}

struct Bare {
    /// Requests per second.
    rate: f64,
    /// At the fixed rate.
    latency: Histogram,
    /// Until the first answer.
    ready: Duration,
    /// Megabytes, idle.
    memory: f64,
}

/// A bare server in a process of its own, with or without a file that bodies are synced to.
async fn bare_server(
    laboratory: &Laboratory,
    file: Option<&Path>,
    time: Duration,
) -> anyhow::Result<Bare> {
    let address = free_address()?;
    let program = std::env::current_exe().context("finding this program")?;
    let started = Instant::now();
    let mut child = Command::new(program)
        .arg("floor-server")
        .arg(address.to_string())
        .args(file)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting the bare server")?;
    let pid = child.id().context("the bare server ended at once")?;
    let request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    let until = started + Duration::from_secs(10);
    let ready = poll(address, request, started, until).await?;
    let memory = process::memory(pid)?.resident;
    let target = laboratory.target(address);
    let saturated = load::saturate(&target, u64::MAX, time).await?;
    let scheduled = load::on_schedule(&target, RATE, u64::from(RATE) * time.as_secs()).await?;
    child.kill().await?;
    Ok(Bare {
        rate: saturated.rate(),
        latency: scheduled.latency.clone(),
        ready,
        memory,
    })
}

async fn posts(laboratory: &Laboratory, sink: &Sink, time: Duration) -> anyhow::Result<f64> {
    let target = Target {
        security: sink.client(),
        connections: PROVIDER_CONNECTIONS,
        ..laboratory.target(sink.address())
    };
    Ok(load::saturate(&target, u64::MAX, time).await?.rate())
}

struct Disk {
    rate: f64,
    latency: Histogram,
}

/// Appends 4 KiB and waits for the disk, one after the other.
fn synchronous_writes(laboratory: &Laboratory, time: Duration) -> anyhow::Result<Disk> {
    let path = laboratory.work.join("floor-fdatasync");
    let mut file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    let block = [0x5a_u8; 4096];
    let mut latency = Histogram::default();
    let start = Instant::now();
    let mut writes = 0;
    while writes < MOST_WRITES && start.elapsed() < time {
        let before = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        latency.record(before.elapsed());
        writes += 1;
    }
    let rate = f64::from(writes) / start.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(Disk { rate, latency })
}
