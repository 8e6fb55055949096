//! 100,000 deliveries that wait, or a million: memory, restart, drain, order and loss.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::OBJECTS;
use crate::figure::Figure;
use crate::floor::Floors;
use crate::ledger::Ledger;
use crate::load::{self, Target};
use crate::manifests::{self, Alerts};
use crate::sink::{Mode, Sink};

use super::accept::count;
use super::rig::destination;
use super::{Laboratory, Rig};

const EVENTS: u64 = 100_000;
const MANY_EVENTS: u64 = 1_000_000;
/// A short timeout, so that attempts that hang end soon after the destination heals.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long the queue may take to fill, and to drain, the longest pause between probes included.
const FILL: Duration = Duration::from_mins(6);
const DRAIN: Duration = Duration::from_mins(8);
/// Room for all events and for probes.
const LIMIT: [&str; 2] = ["--queue-limit", "2000000"];

/// Fills the queue behind a destination that hangs, heals it, and watches it drain.
pub(crate) async fn drain(laboratory: &Laboratory, floors: &Floors) -> anyhow::Result<Vec<Figure>> {
    let (rig, accepted) = fill(laboratory, "queue-100k", Mode::Hanging, EVENTS).await?;
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

/// A restart with 100,000 events.
pub(crate) async fn restart(
    laboratory: &Laboratory,
    floors: &Floors,
) -> anyhow::Result<Vec<Figure>> {
    restart_with(laboratory, floors, "restart-100k", EVENTS).await
}

/// A restart with a million events.
pub(crate) async fn restart_with_many(
    laboratory: &Laboratory,
    floors: &Floors,
) -> anyhow::Result<Vec<Figure>> {
    restart_with(laboratory, floors, "restart-1m", MANY_EVENTS).await
}

/// Fills the queue behind a destination that refuses, kills the product, starts it again, heals the
/// destination, and looks whether everything comes.
async fn restart_with(
    laboratory: &Laboratory,
    floors: &Floors,
    name: &str,
    events: u64,
) -> anyhow::Result<Vec<Figure>> {
    let (rig, accepted) = fill(laboratory, name, Mode::Refusing, events).await?;
    let queued = count(accepted.totals().different);
    let rig = rig.kill_and_start(laboratory, events).await?;
    let id = |what: &str| format!("{name}/{what}");
    let mut figures = vec![Figure::note(id("queued"), queued, "events")];
    for (what, time) in [
        ("readyz", rig.startup.ready),
        ("first-202", rig.startup.accepted),
    ] {
        let figure = Figure::lower(id(what), time.as_secs_f64() * 1000.0, "ms");
        figures.push(figure.budget(300.0).floor(floors.ready, "bare 202 server"));
    }
    let resident = rig.product.process.memory()?.resident;
    figures.push(Figure::lower(id("resident"), resident, "MB").budget(100.0));
    figures.extend(heal(&rig, &accepted, 2, name, floors).await?);
    rig.end().await?;
    Ok(figures)
}

async fn fill(
    laboratory: &Laboratory,
    name: &str,
    mode: Mode,
    events: u64,
) -> anyhow::Result<(Rig, Arc<Ledger>)> {
    let sink = Sink::plain(mode, laboratory.epoch).await?;
    let rig = Rig::configured(laboratory, name, sink, &LIMIT, |folder, sink| {
        manifests::write(folder, &destination(sink, TIMEOUT), Alerts::ByName(1))
    })
    .await?;
    let accepted = Arc::new(Ledger::new());
    let target = Target {
        // One object per connection, so that we know in which order its events were accepted.
        connections: OBJECTS,
        accepted: Some(accepted.clone()),
        ..laboratory.target(rig.product.events)
    };
    let outcome = load::saturate(&target, events, FILL).await?;
    anyhow::ensure!(
        outcome.accepted >= events / 2,
        "only {} of {events} events were accepted, {} were not",
        outcome.accepted,
        outcome.lost()
    );
    rig.planned(FILL).await?;
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
