//! Webhooks: how many genuine ones are answered, what others cost, and what a flood leaves of both.

mod flood;
pub(crate) mod refused;

use std::time::Duration;

use crate::figure::{Figure, percentiles};
use crate::floor::Floors;
use crate::load::{self, Target};
use crate::manifests::{self, Alerts};
use crate::sink::{Mode, Sink};
use crate::webhook::{Hook, Kind, Proof};

use super::accept::{count, per_thousand};
use super::rig::{TIMEOUT, destination};
use super::{Laboratory, Rig};

pub(crate) use flood::run as flood;

/// Calls before the measurement.
const WARM_UP: u64 = 2000;
/// Calls per second on a schedule.
const RATE: u32 = 1000;
/// No machine that we know answers more genuine calls per second; there must be Receivers for them.
const MOST_PER_SECOND: u64 = 40_000;
/// A Receiver takes so many calls at once.
const BURST: u64 = 300;
/// A Receiver takes so many calls per second in the long run.
const STEADY: u64 = 50;

/// Genuine calls, as fast as answers come and on a schedule.
pub(crate) async fn run(laboratory: &Laboratory, floors: &Floors) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for kind in [Kind::GenericHmac, Kind::GitHub] {
        let hooks = Hook::several(kind, receivers(laboratory.seconds)?);
        let (rig, asked) = start(laboratory, "webhooks", &hooks).await?;
        let calls = Target {
            address: rig.product.hooks,
            requests: Hook::calls(&hooks, Proof::Genuine),
            ..laboratory.target(rig.product.hooks)
        };
        load::saturate(&calls, WARM_UP, Duration::from_secs(10)).await?;
        let calls = Target {
            first_number: 1_000_000,
            ..calls
        };
        let before = rig.product.process.processor_time()?;
        let time = Duration::from_secs(laboratory.seconds);
        let outcome = load::saturate(&calls, u64::MAX, time).await?;
        let used = rig.product.process.processor_time()?.saturating_sub(before);
        let id = |what: &str| format!("webhooks/{}/{what}", kind.name());
        figures.extend([
            Figure::higher(id("verified"), outcome.rate(), "/s")
                .floor(floors.accepts, "bare 202 server"),
            Figure::lower(
                id("cpu-per-1000"),
                per_thousand(used, outcome.accepted),
                "s",
            ),
            Figure::lower(id("not-accepted"), count(outcome.lost()), "calls"),
        ]);
        figures.extend(percentiles(&id("saturated"), &outcome.latency));
        let calls = Target {
            first_number: 2_000_000,
            ..calls
        };
        let amount = u64::from(RATE) * laboratory.seconds;
        let outcome = load::on_schedule(&calls, RATE, amount).await?;
        figures.extend(percentiles(&id(&format!("at-{RATE}")), &outcome.latency));
        figures.extend([
            Figure::lower(
                id(&format!("at-{RATE}/not-accepted")),
                count(outcome.lost()),
                "calls",
            ),
            Figure::note(id("asked-to-reconcile"), count(asked.delivered()), "times"),
            Figure::note(id("receivers"), count(hooks.len() as u64), "of this type"),
            Figure::lower(
                id("resident-peak"),
                rig.product.process.memory()?.peak,
                "MB",
            ),
        ]);
        rig.end().await?;
    }
    Ok(figures)
}

/// A product with these Receivers; the second sink is the one that it asks to reconcile.
async fn start(laboratory: &Laboratory, name: &str, hooks: &[Hook]) -> anyhow::Result<(Rig, Sink)> {
    let sink = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
    let asked = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
    let arguments = ["--on-reconcile", &asked.url()];
    let rig = Rig::configured(laboratory, name, sink, &arguments, |folder, sink| {
        manifests::write(folder, &destination(sink, TIMEOUT), Alerts::ByName(1))?;
        manifests::write_receivers(folder, hooks)
    })
    .await?;
    Ok((rig, asked))
}

/// So many Receivers that none is called more often than it takes.
fn receivers(seconds: u64) -> anyhow::Result<u32> {
    let calls = MOST_PER_SECOND * seconds + WARM_UP + u64::from(RATE) * seconds;
    Ok(u32::try_from(calls.div_ceil(BURST + STEADY * seconds))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_receivers_for_every_call_and_not_without_end() {
        assert_eq!(receivers(3).unwrap(), 278);
        assert!(receivers(600).unwrap() < 1000);
    }
}
