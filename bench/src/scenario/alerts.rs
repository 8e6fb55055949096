//! What one event costs with 1 to 10,000 Alerts, of which one matches.

use std::time::{Duration, Instant};

use crate::figure::Figure;
use crate::load;
use crate::manifests::Alerts;
use crate::sink::{Mode, Sink};

use super::accept::{count, per_thousand};
use super::rig::TIMEOUT;
use super::{Laboratory, Rig};

/// Events per second of the load's length.
const EVENTS: u64 = 3000;
/// How much dearer an event may be with 10,000 Alerts than with one before that is not flat.
const FLAT: f64 = 1.25;

/// Alerts that name objects.
pub(crate) async fn by_name(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    run(laboratory, "alerts-name", Alerts::ByName).await
}

/// Alerts with regular expressions.
pub(crate) async fn by_regex(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    run(laboratory, "alerts-regex", Alerts::ByRegex).await
}

async fn run(
    laboratory: &Laboratory,
    name: &str,
    alerts: fn(u32) -> Alerts,
) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut costs = Vec::new();
    for number in [1, 10, 100, 1000, 10_000] {
        let measured = one(laboratory, name, alerts(number)).await?;
        let id = |what: &str| format!("{name}/{number}/{what}");
        let mut cost = Figure::lower(id("cpu-per-1000"), measured.cost, "s");
        if let Some(first) = costs.first() {
            cost = cost.floor(*first, "1 alert");
        }
        costs.push(measured.cost);
        figures.extend([
            cost,
            Figure::higher(id("delivered"), measured.rate, "/s"),
            Figure::lower(id("resident-peak"), measured.peak, "MB"),
            Figure::lower(id("readyz"), measured.ready, "ms"),
            Figure::lower(id("missing"), measured.missing, "events").budget(0.0),
        ]);
    }
    if let (Some(first), Some(last)) = (costs.first(), costs.last()) {
        let ratio = last / first.max(1e-9);
        figures.push(Figure::lower(format!("{name}/cost-of-10000-to-1"), ratio, "×").budget(FLAT));
    }
    Ok(figures)
}

struct Measured {
    cost: f64,
    rate: f64,
    peak: f64,
    ready: f64,
    missing: f64,
}

async fn one(laboratory: &Laboratory, name: &str, alerts: Alerts) -> anyhow::Result<Measured> {
    let sink = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
    let rig = Rig::start(laboratory, name, sink, alerts, TIMEOUT).await?;
    rig.sink.wait_for(1, Duration::from_secs(20)).await;
    let before = rig.product.process.processor_time()?;
    let start = Instant::now();
    let events = EVENTS * laboratory.seconds;
    let target = laboratory.target(rig.product.events);
    let time = Duration::from_secs(laboratory.seconds * 4);
    let outcome = load::saturate(&target, events, time).await?;
    let limit = Duration::from_secs(laboratory.seconds * 4 + 20);
    rig.sink.wait_for(outcome.accepted + 1, limit).await;
    let elapsed = start.elapsed();
    let used = rig.product.process.processor_time()?.saturating_sub(before);
    let different = rig.sink.ledger().totals().different;
    let measured = Measured {
        cost: per_thousand(used, outcome.accepted),
        rate: count(different) / elapsed.as_secs_f64(),
        peak: rig.product.process.memory()?.peak,
        ready: rig.startup.ready.as_secs_f64() * 1000.0,
        missing: count((outcome.accepted + 1).saturating_sub(different)),
    };
    rig.end().await?;
    Ok(measured)
}
