//! What this machine can do at best: a bare server, the disk, a bare client.

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::figure::{Figure, percentiles};
use crate::histogram::Histogram;
use crate::load::{self, Target};
use crate::process;
use crate::product::{free_address, poll};
use crate::scenario::{Laboratory, PROVIDER_CONNECTIONS, RATE};
use crate::sink::{Mode, Sink};

/// Number of synchronous writes that are timed at most.
const MOST_WRITES: u32 = 5000;

/// Floors that figures are put beside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Floors {
    /// Requests per second of a bare server that answers 202.
    pub(crate) accepts: f64,
    /// Latencies of that server at the fixed rate.
    pub(crate) latency: Histogram,
    /// POSTs per second to the sink over kept HTTP connections.
    pub(crate) posts_http: f64,
    /// POSTs per second to the sink over kept TLS connections.
    pub(crate) posts_tls: f64,
    /// Milliseconds until the bare server answers.
    pub(crate) ready: f64,
    /// Megabytes of the bare server, idle.
    pub(crate) memory: f64,
}

/// The bare server: reads each body, answers 202.
pub(crate) async fn serve(address: SocketAddr) -> anyhow::Result<()> {
    anyhow::ensure!(address.ip().is_loopback(), "only loopback");
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(accept);
            // A client that goes away is no matter here.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn accept(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = match request.into_body().collect().await {
        Ok(_) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    Ok(response)
}

/// Measures all floors.
pub(crate) async fn measure(laboratory: &Laboratory) -> anyhow::Result<(Floors, Vec<Figure>)> {
    let time = Duration::from_secs(laboratory.seconds.min(5));
    let address = free_address()?;
    let program = std::env::current_exe().context("finding this program")?;
    let started = Instant::now();
    let mut child = Command::new(program)
        .arg("floor-server")
        .arg(address.to_string())
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

    let disk = tokio::task::block_in_place(|| synchronous_writes(laboratory, time))?;
    let plain = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
    let posts_http = posts(laboratory, &plain, time).await?;
    let tls = Sink::tls(Mode::Healthy, laboratory.epoch).await?;
    let posts_tls = posts(laboratory, &tls, time).await?;

    let floors = Floors {
        accepts: saturated.rate(),
        latency: scheduled.latency.clone(),
        posts_http,
        posts_tls,
        ready: ready.as_secs_f64() * 1000.0,
        memory,
    };
    let mut figures = vec![
        Figure::higher("floors/bare-202/answers", floors.accepts, "/s"),
        Figure::lower("floors/bare-202/ready", floors.ready, "ms"),
        Figure::lower("floors/bare-202/resident", floors.memory, "MB"),
        Figure::higher("floors/disk/fdatasync", disk.rate, "/s"),
        Figure::higher("floors/sink/http/posts", posts_http, "/s"),
        Figure::higher("floors/sink/tls/posts", posts_tls, "/s"),
    ];
    figures.extend(percentiles("floors/bare-202/at-5000", &floors.latency));
    figures.extend(percentiles("floors/disk/fdatasync", &disk.latency));
    Ok((floors, figures))
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
