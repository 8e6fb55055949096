//! How fast events are accepted durably, and how long one waits for its 202.

use std::time::Duration;

use crate::figure::{Figure, percentiles};
use crate::floor::Floors;
use crate::load::{self, Target};
use crate::manifests::Alerts;
use crate::sink::{Mode, Sink};

use super::rig::TIMEOUT;
use super::{Laboratory, RATE, Rig};

/// Events before the measurement, so that files, caches and connections exist.
pub(crate) const WARM_UP: u64 = 5000;
/// Number of the first measured event of each object.
pub(crate) const FIRST: u64 = 1_000_000;

/// As many as it takes.
pub(crate) async fn saturated(
    laboratory: &Laboratory,
    floors: &Floors,
) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (variant, mode, alerts) in [
        ("no-alert", Mode::Healthy, Alerts::NoneMatches),
        ("hanging", Mode::Hanging, Alerts::ByName(1)),
    ] {
        let (rig, target) = warm(laboratory, "accept-saturated", mode, alerts).await?;
        let before = rig.product.process.processor_time()?;
        let time = Duration::from_secs(laboratory.seconds);
        let outcome = load::saturate(&target, u64::MAX, time).await?;
        let used = rig.product.process.processor_time()?.saturating_sub(before);
        let id = |what: &str| format!("accept-saturated/{variant}/{what}");
        figures.extend([
            Figure::higher(id("accepted"), outcome.rate(), "/s")
                .budget(20_000.0)
                .floor(floors.synced_accepts, "server that only syncs"),
            Figure::lower(id("not-accepted"), count(outcome.lost()), "events"),
            Figure::lower(
                id("cpu-per-1000"),
                per_thousand(used, outcome.accepted),
                "s",
            ),
            Figure::lower(
                id("resident-peak"),
                rig.product.process.memory()?.peak,
                "MB",
            ),
        ]);
        figures.extend(percentiles(
            &format!("accept-saturated/{variant}"),
            &outcome.latency,
        ));
        rig.end().await?;
    }
    Ok(figures)
}

/// 5,000 per second, whatever the destination does.
pub(crate) async fn on_schedule(
    laboratory: &Laboratory,
    floors: &Floors,
) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (variant, mode) in [
        ("healthy", Mode::Healthy),
        ("hanging", Mode::Hanging),
        ("slow-1s", Mode::Slow(Duration::from_secs(1))),
    ] {
        let (rig, target) = warm(laboratory, "accept-5000", mode, Alerts::ByName(1)).await?;
        let events = u64::from(RATE) * laboratory.seconds;
        let before = rig.product.process.processor_time()?;
        let outcome = load::on_schedule(&target, RATE, events).await?;
        let used = rig.product.process.processor_time()?.saturating_sub(before);
        let id = |what: &str| format!("accept-5000/{variant}/{what}");
        let scenario = format!("accept-5000/{variant}");
        for (mut figure, floor) in percentiles(&scenario, &outcome.latency)
            .into_iter()
            .zip(percentiles("floor", &floors.synced_latency))
        {
            if mode == Mode::Hanging && figure.id.ends_with("/p99") {
                figure = figure.budget(5.0);
            }
            figures.push(figure.floor(floor.value, "server that only syncs"));
        }
        figures.push(Figure::lower(
            id("not-accepted"),
            count(outcome.lost()),
            "events",
        ));
        figures.push(Figure::lower(
            id("cpu-per-1000"),
            per_thousand(used, outcome.accepted),
            "s",
        ));
        figures.push(Figure::lower(
            id("resident-peak"),
            rig.product.process.memory()?.peak,
            "MB",
        ));
        if mode == Mode::Healthy {
            // The load waits for answers, not for arrivals.
            rig.sink
                .wait_for(WARM_UP + 1 + outcome.accepted, Duration::from_secs(20))
                .await;
            let id = format!("{scenario}/end-to-end");
            figures.extend(percentiles(&id, &rig.sink.latency()));
        }
        rig.end().await?;
    }
    Ok(figures)
}

async fn warm(
    laboratory: &Laboratory,
    name: &str,
    mode: Mode,
    alerts: Alerts,
) -> anyhow::Result<(Rig, Target)> {
    let sink = Sink::plain(mode, laboratory.epoch).await?;
    let rig = Rig::start(laboratory, name, sink, alerts, TIMEOUT).await?;
    let target = laboratory.target(rig.product.events);
    load::saturate(&target, WARM_UP, Duration::from_secs(10)).await?;
    rig.planned(Duration::from_secs(10)).await?;
    if mode == Mode::Healthy && alerts != Alerts::NoneMatches {
        rig.sink
            .wait_for(WARM_UP + 1, Duration::from_secs(20))
            .await;
        rig.sink.forget_latency();
    }
    let target = Target {
        first_number: FIRST,
        ..target
    };
    Ok((rig, target))
}

/// Processor seconds per 1,000 events.
pub(crate) fn per_thousand(used: Duration, events: u64) -> f64 {
    used.as_secs_f64() * 1000.0 / count(events.max(1))
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn count(number: u64) -> f64 {
    number as f64
}
