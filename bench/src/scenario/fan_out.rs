//! One event for many: to 1, 10 and 100 Providers, each with an Alert and a destination of its own.

use std::time::{Duration, Instant};

use crate::figure::Figure;
use crate::load;
use crate::manifests;
use crate::sink::{Mode, Sink};

use super::accept::{count, per_thousand};
use super::rig::{TIMEOUT, destination};
use super::{Laboratory, Rig};

/// Deliveries per second of the load's length, so that each width makes as many.
const DELIVERIES: u64 = 10_000;

/// Runs all widths.
pub(crate) async fn run(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut first_cost = None;
    for width in [1_u64, 10, 100] {
        let mut others = Vec::new();
        for _ in 1..width {
            others.push(Sink::plain(Mode::Healthy, laboratory.epoch).await?);
        }
        let first = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
        let rig = Rig::configured(laboratory, "fan-out", first, &[], |folder, first| {
            let sinks = std::iter::once(first).chain(&others);
            let destinations: Vec<_> = sinks.map(|sink| destination(sink, TIMEOUT)).collect();
            manifests::write_fan_out(folder, &destinations)
        })
        .await?;
        let sinks = || std::iter::once(&rig.sink).chain(&others);
        // The probe of the start comes first.
        wait_for(sinks(), 1, Duration::from_secs(20)).await;
        let before = rig.product.process.processor_time()?;
        let start = Instant::now();
        let target = laboratory.target(rig.product.events);
        let events = (DELIVERIES * laboratory.seconds).div_ceil(width);
        let time = Duration::from_secs(laboratory.seconds * 4);
        let outcome = load::saturate(&target, events, time).await?;
        let limit = Duration::from_secs(laboratory.seconds * 4 + 20);
        wait_for(sinks(), outcome.accepted + 1, limit).await;
        let elapsed = start.elapsed();
        let used = rig.product.process.processor_time()?.saturating_sub(before);

        let arrived: u64 = sinks().map(|sink| sink.ledger().totals().different).sum();
        let delivered = arrived.saturating_sub(width);
        let expected = outcome.accepted * width;
        let id = |what: &str| format!("fan-out/{width}/{what}");
        let cost = per_thousand(used, delivered);
        let mut figure = Figure::lower(id("cpu-per-1000"), cost, "s");
        if let Some(first) = first_cost {
            figure = figure.floor(first, "1 Provider");
        }
        first_cost = first_cost.or(Some(cost));
        let rate = count(delivered) / elapsed.as_secs_f64().max(1e-9);
        let missing = count(expected.saturating_sub(delivered));
        let peak = rig.product.process.memory()?.peak;
        figures.extend([
            figure,
            Figure::higher(id("delivered"), rate, "/s"),
            Figure::lower(id("resident-peak"), peak, "MB"),
            Figure::lower(id("missing"), missing, "deliveries").budget(0.0),
        ]);
        rig.end().await?;
    }
    Ok(figures)
}

async fn wait_for<'a>(sinks: impl Iterator<Item = &'a Sink>, different: u64, time: Duration) {
    let until = Instant::now() + time;
    for sink in sinks {
        let left = until.saturating_duration_since(Instant::now());
        sink.wait_for(different, left).await;
    }
}
