//! The same loads on Alertmanager; each figure has the id of ours behind `alertmanager/`.

use std::time::{Duration, Instant};

use crate::figure::{Figure, PEER, percentiles};
use crate::load::{self, Target};
use crate::peer::{self, Grouping, Peer};
use crate::sink::{Mode, Sink};

use super::accept::{FIRST, WARM_UP, count, per_thousand};
use super::deliver::EVENTS;
use super::resident::SETTLE;
use super::{Laboratory, RATE};

/// Runs all loads that both can take.
pub(crate) async fn run(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    let mut figures = vec![size(laboratory)?];
    figures.extend(resident(laboratory).await?);
    for (variant, mode) in [("no-alert", None), ("hanging", Some(Mode::Hanging))] {
        figures.extend(saturated(laboratory, variant, mode).await?);
    }
    for (variant, mode) in [("healthy", Mode::Healthy), ("hanging", Mode::Hanging)] {
        figures.extend(on_schedule(laboratory, variant, mode).await?);
    }
    figures.extend(deliver(laboratory).await?);
    Ok(figures)
}

fn id(of_ours: &str) -> String {
    format!("{PEER}{of_ours}")
}

fn size(laboratory: &Laboratory) -> anyhow::Result<Figure> {
    // The name may stand for a file in `PATH`.
    let path = super::size::find(&laboratory.alertmanager)?;
    let size = super::size::megabytes(&path)?;
    Ok(Figure::lower(id("binary-size/file"), size, "MB"))
}

async fn resident(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    let (peer, _sink) = start(laboratory, Grouping::None, Some(Mode::Healthy)).await?;
    tokio::time::sleep(SETTLE).await;
    let resident = peer.process.memory()?.resident;
    let ready = peer.ready.as_secs_f64() * 1000.0;
    peer.end().await?;
    Ok(vec![
        Figure::lower(id("ready/1-alert/readyz"), ready, "ms"),
        Figure::lower(id("idle-memory/1-alert/resident"), resident, "MB"),
    ])
}

async fn saturated(
    laboratory: &Laboratory,
    variant: &str,
    mode: Option<Mode>,
) -> anyhow::Result<Vec<Figure>> {
    let (peer, _sink) = start(laboratory, Grouping::ByObject, mode).await?;
    let target = warm(laboratory, &peer).await?;
    let before = peer.process.processor_time()?;
    let time = Duration::from_secs(laboratory.seconds);
    let outcome = load::saturate(&target, u64::MAX, time).await?;
    let used = peer.process.processor_time()?.saturating_sub(before);
    let scenario = id(&format!("accept-saturated/{variant}"));
    let mut figures = vec![
        Figure::higher(format!("{scenario}/accepted"), outcome.rate(), "/s"),
        Figure::lower(
            format!("{scenario}/not-accepted"),
            count(outcome.lost()),
            "events",
        ),
        Figure::lower(
            format!("{scenario}/cpu-per-1000"),
            per_thousand(used, outcome.accepted),
            "s",
        ),
        Figure::lower(
            format!("{scenario}/resident-peak"),
            peer.process.memory()?.peak,
            "MB",
        ),
    ];
    figures.extend(percentiles(&scenario, &outcome.latency));
    peer.end().await?;
    Ok(figures)
}

async fn on_schedule(
    laboratory: &Laboratory,
    variant: &str,
    mode: Mode,
) -> anyhow::Result<Vec<Figure>> {
    let grouping = match mode {
        // One notification per alert would leave a connection open for each.
        Mode::Hanging => Grouping::ByObject,
        _ => Grouping::None,
    };
    let (peer, sink) = start(laboratory, grouping, Some(mode)).await?;
    let target = warm(laboratory, &peer).await?;
    if mode == Mode::Healthy {
        sink.wait_for(WARM_UP, Duration::from_secs(20)).await;
        sink.forget_latency();
    }
    let before = peer.process.processor_time()?;
    let events = u64::from(RATE) * laboratory.seconds;
    let outcome = load::on_schedule(&target, RATE, events).await?;
    let used = peer.process.processor_time()?.saturating_sub(before);
    let scenario = id(&format!("accept-5000/{variant}"));
    let mut figures = percentiles(&scenario, &outcome.latency).to_vec();
    figures.extend([
        Figure::lower(
            format!("{scenario}/not-accepted"),
            count(outcome.lost()),
            "events",
        ),
        Figure::lower(
            format!("{scenario}/cpu-per-1000"),
            per_thousand(used, outcome.accepted),
            "s",
        ),
        Figure::lower(
            format!("{scenario}/resident-peak"),
            peer.process.memory()?.peak,
            "MB",
        ),
    ]);
    if mode == Mode::Healthy {
        let all = WARM_UP + outcome.accepted;
        sink.wait_for(all, Duration::from_secs(20)).await;
        let end_to_end = format!("{scenario}/end-to-end");
        figures.extend(percentiles(&end_to_end, &sink.latency()));
    }
    peer.end().await?;
    Ok(figures)
}

async fn deliver(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    let (peer, sink) = start(laboratory, Grouping::None, Some(Mode::Healthy)).await?;
    let before = peer.process.processor_time()?;
    let start = Instant::now();
    let time = Duration::from_secs(laboratory.seconds * 4);
    let target = target(laboratory, &peer);
    let outcome = load::saturate(&target, EVENTS * laboratory.seconds, time).await?;
    let limit = Duration::from_secs(laboratory.seconds * 4 + 20);
    sink.wait_for(outcome.accepted, limit).await;
    let elapsed = start.elapsed();
    let used = peer.process.processor_time()?.saturating_sub(before);
    let different = sink.ledger().totals().different;
    let rate = count(different) / elapsed.as_secs_f64().max(1e-9);
    let peak = peer.process.memory()?.peak;
    let missing = count(outcome.accepted.saturating_sub(different));
    peer.end().await?;
    Ok(vec![
        Figure::higher(id("deliver-http/delivered"), rate, "/s"),
        Figure::higher(id("deliver-http/accepted-meanwhile"), outcome.rate(), "/s"),
        Figure::lower(
            id("deliver-http/cpu-per-1000"),
            per_thousand(used, different),
            "s",
        ),
        Figure::lower(id("deliver-http/resident-peak"), peak, "MB"),
        Figure::note(
            id("deliver-http/connections"),
            count(sink.connections()),
            "opened",
        ),
        Figure::lower(id("deliver-http/missing"), missing, "events"),
    ])
}

/// An Alertmanager that tells a sink of this mode, or nobody.
async fn start(
    laboratory: &Laboratory,
    grouping: Grouping,
    mode: Option<Mode>,
) -> anyhow::Result<(Peer, Sink)> {
    let sink = Sink::plain(mode.unwrap_or(Mode::Healthy), laboratory.epoch).await?;
    let url = mode.map(|_| sink.url());
    let folder = laboratory.work.join("alertmanager");
    let peer = Peer::start(&laboratory.alertmanager, &folder, grouping, url.as_deref()).await?;
    Ok((peer, sink))
}

fn target(laboratory: &Laboratory, peer: &Peer) -> Target {
    Target {
        requests: peer::alerts(),
        ..laboratory.target(peer.address)
    }
}

async fn warm(laboratory: &Laboratory, peer: &Peer) -> anyhow::Result<Target> {
    let target = target(laboratory, peer);
    load::saturate(&target, WARM_UP, Duration::from_secs(10)).await?;
    Ok(Target {
        first_number: FIRST,
        ..target
    })
}
