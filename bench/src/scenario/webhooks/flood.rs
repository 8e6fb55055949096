//! A flood of calls that prove nothing, and what becomes of genuine calls and of events meanwhile.

use std::time::Duration;

use crate::figure::{Figure, percentiles};
use crate::load::{self, Outcome, Target};
use crate::request::Requests;
use crate::webhook::{Hook, Kind, Proof};

use super::super::accept::count;
use super::super::{Laboratory, Rig};
use super::start;

/// Genuine calls per second.
const CALLS: u32 = 200;
/// Events per second.
const EVENTS: u32 = 500;
/// Receivers; each is called twice a second.
const RECEIVERS: u32 = 100;

/// Once without a flood, once on a path that is known, once on one that is not.
pub(crate) async fn run(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    let hooks = Hook::several(Kind::GitHub, RECEIVERS);
    let Some(first) = hooks.first() else {
        return Ok(Vec::new());
    };
    let unknown = Requests::each([first.call_of_nobody(Proof::Wrong)]);
    let mut figures = Vec::new();
    let mut calm = Duration::ZERO;
    for (variant, flood) in [
        ("calm", None),
        ("wrong-signature", Some(Hook::calls(&hooks, Proof::Wrong))),
        ("unknown-path", Some(unknown)),
    ] {
        let (rig, _asked) = start(laboratory, "webhooks-flood", &hooks).await?;
        let load = Load::start(laboratory, &rig, &hooks, flood).await?;
        let id = |what: &str| format!("webhooks-flood/{variant}/{what}");
        if let Some(flood) = &load.flood {
            let refused = flood.with_status(400) + flood.with_status(404);
            let more = load.used.saturating_sub(calm).as_secs_f64();
            let cost = more * 10_000.0 / count(refused.max(1));
            figures.extend([
                Figure::note(id("flood"), flood.answers(), "/s"),
                Figure::lower(id("cpu-per-10000-refused"), cost, "s"),
                Figure::lower(
                    id("let-through"),
                    count(flood.accepted),
                    "calls of the flood",
                )
                .budget(0.0),
            ]);
        } else {
            calm = load.used;
        }
        for (what, outcome) in [("calls", &load.calls), ("events", &load.events)] {
            figures.extend(percentiles(&id(what), &outcome.latency));
            let lost = count(outcome.lost());
            figures.push(Figure::lower(
                id(&format!("{what}/not-accepted")),
                lost,
                what,
            ));
        }
        figures.extend(percentiles(&id("events/end-to-end"), &rig.sink.latency()));
        let share = load.used.as_secs_f64() / load.calls.elapsed.as_secs_f64().max(1e-9);
        figures.push(Figure::lower(id("cpu"), share, "processors"));
        let peak = rig.product.process.memory()?.peak;
        figures.push(Figure::lower(id("resident-peak"), peak, "MB"));
        rig.end().await?;
    }
    Ok(figures)
}

/// What came of the loads that ran at the same time.
struct Load {
    flood: Option<Outcome>,
    calls: Outcome,
    events: Outcome,
    used: Duration,
}

impl Load {
    async fn start(
        laboratory: &Laboratory,
        rig: &Rig,
        hooks: &[Hook],
        flood: Option<Requests>,
    ) -> anyhow::Result<Self> {
        let seconds = laboratory.seconds;
        let hook_port = laboratory.target(rig.product.hooks);
        let calls = Target {
            requests: Hook::calls(hooks, Proof::Genuine),
            connections: 16,
            ..hook_port.clone()
        };
        let events = Target {
            connections: 16,
            ..laboratory.target(rig.product.events)
        };
        let flooding = async {
            match flood {
                None => anyhow::Ok(None),
                Some(requests) => {
                    let target = Target {
                        requests,
                        ..hook_port
                    };
                    let time = Duration::from_secs(seconds);
                    Ok(Some(load::saturate(&target, u64::MAX, time).await?))
                }
            }
        };
        let before = rig.product.process.processor_time()?;
        let (flood, calls, events) = tokio::try_join!(
            flooding,
            load::on_schedule(&calls, CALLS, u64::from(CALLS) * seconds),
            load::on_schedule(&events, EVENTS, u64::from(EVENTS) * seconds),
        )?;
        let used = rig.product.process.processor_time()?.saturating_sub(before);
        rig.sink
            .wait_for(events.accepted + 1, Duration::from_secs(20))
            .await;
        Ok(Self {
            flood,
            calls,
            events,
            used,
        })
    }
}
