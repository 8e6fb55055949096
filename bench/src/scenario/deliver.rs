//! How many deliveries per second arrive, from the first request in to the last message out.

use std::time::{Duration, Instant};

use crate::figure::Figure;
use crate::floor::Floors;
use crate::load;
use crate::manifests::Alerts;
use crate::sink::{Mode, Sink};

use super::accept::{count, per_thousand};
use super::rig::TIMEOUT;
use super::{Laboratory, Rig};

/// Events per second of the load's length; about what is asked for.
pub(crate) const EVENTS: u64 = 10_000;

/// How it is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// Plain HTTP.
    Http,
    /// HTTPS with a CA from a Secret.
    Tls,
}

/// Sends a fixed number of events as fast as they are accepted and waits for all deliveries.
pub(crate) async fn run(
    laboratory: &Laboratory,
    floors: &Floors,
    over: Over,
) -> anyhow::Result<Vec<Figure>> {
    let (name, sink, floor) = match over {
        Over::Http => {
            let sink = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
            ("deliver-http", sink, floors.posts_http)
        }
        Over::Tls => {
            let sink = Sink::tls(Mode::Healthy, laboratory.epoch).await?;
            ("deliver-tls", sink, floors.posts_tls)
        }
    };
    let rig = Rig::start(laboratory, name, sink, Alerts::ByName(1), TIMEOUT).await?;
    // The probe of the start comes first.
    rig.sink.wait_for(1, Duration::from_secs(20)).await;
    let probes = rig.sink.delivered();
    let before = rig.product.process.processor_time()?;
    let start = Instant::now();
    let target = laboratory.target(rig.product.events);
    let time = Duration::from_secs(laboratory.seconds * 4);
    let outcome = load::saturate(&target, EVENTS * laboratory.seconds, time).await?;
    let limit = Duration::from_secs(laboratory.seconds * 4 + 20);
    let all = rig.sink.wait_for(outcome.accepted + probes, limit).await;
    let used = rig.product.process.processor_time()?.saturating_sub(before);
    let delivered = rig.sink.delivered().saturating_sub(probes);
    let end = if all {
        rig.sink.last()
    } else {
        laboratory.epoch.elapsed()
    };
    let elapsed = end.saturating_sub(start.saturating_duration_since(laboratory.epoch));
    let rate = count(delivered) / elapsed.as_secs_f64().max(1e-9);
    let id = |what: &str| format!("{name}/{what}");
    let figures = vec![
        Figure::higher(id("delivered"), rate, "/s")
            .budget(10_000.0)
            .floor(floor, "kept connections to the sink"),
        Figure::higher(id("accepted-meanwhile"), outcome.rate(), "/s"),
        Figure::lower(id("cpu-per-1000"), per_thousand(used, delivered), "s"),
        Figure::lower(
            id("resident-peak"),
            rig.product.process.memory()?.peak,
            "MB",
        )
        .floor(floors.memory, "bare 202 server"),
        Figure::note(id("connections"), count(rig.sink.connections()), "opened"),
        Figure::lower(
            id("missing"),
            count((outcome.accepted + probes).saturating_sub(rig.sink.ledger().totals().different)),
            "events",
        )
        .budget(0.0),
    ];
    rig.end().await?;
    Ok(figures)
}
