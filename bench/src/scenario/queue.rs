//! 100,000 deliveries that wait: memory, restart, drain, order and loss.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::OBJECTS;
use crate::figure::Figure;
use crate::floor::Floors;
use crate::ledger::Ledger;
use crate::load::{self, Target};
use crate::manifests::Alerts;
use crate::sink::{Mode, Sink};

use super::accept::count;
use super::{Laboratory, Rig};

const EVENTS: u64 = 100_000;
/// A short timeout, so that attempts that hang end soon after the destination heals.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long the queue may take to fill, and to drain, the longest pause between probes included.
const FILL: Duration = Duration::from_mins(2);
const DRAIN: Duration = Duration::from_mins(4);

/// Fills the queue behind a destination that hangs, heals it, and watches it drain.
pub(crate) async fn drain(laboratory: &Laboratory, floors: &Floors) -> anyhow::Result<Vec<Figure>> {
    let (rig, accepted) = fill(laboratory, "queue-100k", Mode::Hanging).await?;
    let memory = rig.product.process.memory()?;
    let mut figures = vec![
        Figure::note(
            "queue-100k/queued",
            count(accepted.totals().different),
            "events",
        ),
        Figure::lower("queue-100k/resident", memory.resident, "MB")
            .budget(100.0)
            .floor(floors.memory, "bare 202 server"),
        Figure::lower("queue-100k/resident-peak", memory.peak, "MB"),
    ];
    figures.extend(heal(&rig, &accepted, 1, "queue-100k", floors).await?);
    rig.end().await?;
    Ok(figures)
}

/// Fills the queue behind a destination that refuses, kills the product, starts it again, heals the
/// destination, and looks whether everything comes.
pub(crate) async fn restart(
    laboratory: &Laboratory,
    floors: &Floors,
) -> anyhow::Result<Vec<Figure>> {
    let (rig, accepted) = fill(laboratory, "restart-100k", Mode::Refusing).await?;
    let rig = rig.kill_and_start(laboratory, EVENTS).await?;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let mut figures = vec![
        Figure::lower("restart-100k/readyz", milliseconds(rig.startup.ready), "ms")
            .budget(300.0)
            .floor(floors.ready, "bare 202 server"),
        Figure::lower(
            "restart-100k/first-202",
            milliseconds(rig.startup.accepted),
            "ms",
        )
        .budget(300.0)
        .floor(floors.ready, "bare 202 server"),
        Figure::lower(
            "restart-100k/resident",
            rig.product.process.memory()?.resident,
            "MB",
        )
        .budget(100.0),
    ];
    figures.extend(heal(&rig, &accepted, 2, "restart-100k", floors).await?);
    rig.end().await?;
    Ok(figures)
}

async fn fill(
    laboratory: &Laboratory,
    name: &str,
    mode: Mode,
) -> anyhow::Result<(Rig, Arc<Ledger>)> {
    let sink = Sink::plain(mode, laboratory.epoch).await?;
    let rig = Rig::start(laboratory, name, sink, Alerts::ByName(1), TIMEOUT).await?;
    let accepted = Arc::new(Ledger::new());
    let target = Target {
        // One object per connection, so that we know in which order its events were accepted.
        connections: OBJECTS,
        accepted: Some(accepted.clone()),
        ..laboratory.target(rig.product.events)
    };
    let outcome = load::saturate(&target, EVENTS, FILL).await?;
    anyhow::ensure!(
        outcome.accepted >= EVENTS / 2,
        "only {} of {EVENTS} events were accepted, {} were not",
        outcome.accepted,
        outcome.lost()
    );
    rig.planned(Duration::from_mins(1)).await?;
    Ok((rig, accepted))
}

async fn heal(
    rig: &Rig,
    accepted: &Ledger,
    probes: u64,
    name: &str,
    floors: &Floors,
) -> anyhow::Result<Vec<Figure>> {
    let all = accepted.totals().different + probes;
    let healed = Instant::now();
    rig.sink.switch_to(Mode::Healthy);
    rig.sink.wait_for(1, DRAIN).await;
    let first = healed.elapsed();
    rig.sink.wait_for(all, DRAIN).await;
    let took = healed.elapsed().saturating_sub(first);
    // What is sent twice comes right after; a moment is enough to see it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let totals = rig.sink.ledger().totals();
    let id = |what: &str| format!("{name}/{what}");
    Ok(vec![
        Figure::lower(id("healed-to-first-delivery"), first.as_secs_f64(), "s"),
        Figure::lower(id("drain"), took.as_secs_f64(), "s"),
        Figure::higher(
            id("drained"),
            count(totals.different) / took.as_secs_f64().max(1e-9),
            "/s",
        )
        .floor(floors.posts_http, "kept connections to the sink"),
        Figure::lower(
            id("missing"),
            count(accepted.missing_from(rig.sink.ledger())),
            "events",
        )
        .budget(0.0),
        Figure::lower(id("out-of-order"), count(totals.disordered), "events").budget(0.0),
        Figure::lower(id("sent-twice"), count(totals.repeated), "events"),
        Figure::lower(
            id("resident-peak-of-drain"),
            rig.product.process.memory()?.peak,
            "MB",
        ),
    ])
}
