//! What a call costs that is refused, and whether the cost tells why it was refused.

use std::time::Duration;

use crate::figure::Figure;
use crate::histogram::Histogram;
use crate::load::{self, Target};
use crate::request::Requests;
use crate::webhook::{Hook, Kind, Proof};

use super::super::Laboratory;
use super::super::accept::count;
use super::start;

/// Calls per round and way.
const CALLS: u64 = 5000;
/// Rounds; ways take turns, so that what else the machine does spreads over all.
const ROUNDS: u64 = 6;
/// Few, so that times are those of the work and not of waiting.
const CONNECTIONS: u32 = 4;

/// Why a call is refused.
pub(crate) const WAYS: [&str; 3] = ["unknown-path", "wrong-proof", "no-proof"];

/// The calls of a type that are refused, in the order of [`WAYS`].
pub(crate) fn calls(hook: &Hook) -> [Requests; 3] {
    [
        hook.call_of_nobody(Proof::Wrong),
        hook.call(Proof::Wrong),
        hook.call(Proof::Missing),
    ]
    .map(|call| Requests::each([call]))
}

/// Each type with a proof, refused in each way.
pub(crate) async fn run(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    let hooks: Vec<Hook> = [Kind::GenericHmac, Kind::GitHub, Kind::GitLab, Kind::Harbor]
        .into_iter()
        .flat_map(|kind| Hook::several(kind, 1))
        .collect();
    let (rig, _asked) = start(laboratory, "webhooks-refused", &hooks).await?;
    let mut figures = Vec::new();
    for hook in &hooks {
        let mut ways = calls(hook).map(|requests| (requests, Duration::ZERO, Histogram::default()));
        for round in 0..=ROUNDS {
            for (requests, used, latency) in &mut ways {
                let target = Target {
                    requests: requests.clone(),
                    connections: CONNECTIONS,
                    ..laboratory.target(rig.product.hooks)
                };
                let before = rig.product.process.processor_time()?;
                let outcome = load::saturate(&target, CALLS, Duration::from_mins(1)).await?;
                let refused = outcome.with_status(400) + outcome.with_status(404);
                anyhow::ensure!(
                    refused == CALLS,
                    "of {CALLS} calls to refuse {refused} were refused"
                );
                // The first round warms up.
                if round > 0 {
                    *used += rig.product.process.processor_time()?.saturating_sub(before);
                    latency.merge(&outcome.latency);
                }
            }
        }
        let name = hook.kind.name();
        let mut costs = Vec::new();
        for (way, (_, used, latency)) in WAYS.into_iter().zip(&ways) {
            let id = format!("webhooks-refused/{name}/{way}");
            let cost = used.as_secs_f64() * 10_000.0 / count(CALLS * ROUNDS);
            costs.push(cost);
            figures.push(Figure::lower(format!("{id}/cpu-per-10000"), cost, "s"));
            let median = latency.milliseconds(0.5);
            figures.push(Figure::lower(format!("{id}/p50"), median, "ms"));
        }
        let most = costs.iter().copied().fold(0.0, f64::max);
        let least = costs.iter().copied().fold(f64::MAX, f64::min);
        figures.push(Figure::lower(
            format!("webhooks-refused/{name}/dearest-to-cheapest"),
            most / least.max(1e-9),
            "×",
        ));
    }
    rig.end().await?;
    Ok(figures)
}
