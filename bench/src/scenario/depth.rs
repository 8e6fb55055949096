//! What events for a healthy destination cost while so many wait for one that is down.

use std::time::{Duration, Instant};

use crate::event::{self, OBJECTS};
use crate::figure::{Figure, percentiles};
use crate::load::{self, Target};
use crate::manifests;
use crate::sink::{Mode, Sink};

use super::accept::{count, per_thousand};
use super::rig::{TIMEOUT, destination};
use super::{Laboratory, Rig};

const DEPTHS: [u64; 5] = [0, 1000, 10_000, 100_000, 1_000_000];
/// Events per second on a schedule.
const RATE: u32 = 2000;
/// Events per second of the load's length that are sent as fast as they are accepted.
const EVENTS: u64 = 5000;
/// How long it may take to fill the queue from one depth to the next.
const FILL: Duration = Duration::from_mins(5);
/// Room for the deepest queue and for what is measured.
const LIMIT: [&str; 2] = ["--queue-limit", "2000000"];
/// How much dearer an event may be before that is not flat.
const FLAT: f64 = 1.25;

/// Fills the queue step by step and measures at each.
pub(crate) async fn run(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    let healthy = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
    let down = Sink::plain(Mode::Refusing, laboratory.epoch).await?;
    let rig = Rig::configured(laboratory, "depth", healthy, &LIMIT, |folder, healthy| {
        let (usual, other) = (destination(healthy, TIMEOUT), destination(&down, TIMEOUT));
        manifests::write_two(folder, &usual, &other)
    })
    .await?;
    let mut bench = Bench {
        laboratory,
        rig: &rig,
        number: 1,
        expected: 1,
    };
    // So that the first depth is not the one that makes files and connections.
    bench.burst().await?;
    let mut figures = Vec::new();
    let mut costs = Vec::new();
    let mut queued = 0;
    for depth in DEPTHS {
        queued += bench.fill(depth.saturating_sub(queued)).await?;
        let id = |what: &str| format!("depth/{depth}/{what}");
        figures.push(Figure::note(id("queued"), count(queued), "events"));
        let before = rig.product.process.processor_time()?;
        let outcome = bench.on_schedule().await?;
        let used = rig.product.process.processor_time()?.saturating_sub(before);
        let events = u64::from(RATE) * laboratory.seconds;
        let mut cost = Figure::lower(id("cpu-per-1000"), per_thousand(used, events), "s");
        if let Some(first) = costs.first() {
            cost = cost.floor(*first, "nothing queued");
        }
        costs.push(cost.value);
        figures.push(cost);
        figures.extend(percentiles(&id("accept"), &outcome.latency));
        figures.push(Figure::higher(id("delivered"), bench.burst().await?, "/s"));
        let memory = rig.product.process.memory()?;
        figures.push(Figure::lower(id("resident"), memory.resident, "MB"));
        figures.push(Figure::lower(id("missing"), bench.missing(), "events").budget(0.0));
    }
    if let (Some(first), Some(last)) = (costs.first(), costs.last()) {
        let ratio = last / first.max(1e-9);
        figures.push(Figure::lower("depth/cost-of-1000000-to-0", ratio, "×").budget(FLAT));
    }
    rig.end().await?;
    Ok(figures)
}

struct Bench<'a> {
    laboratory: &'a Laboratory,
    rig: &'a Rig,
    /// Number of the next event of each object.
    number: u64,
    /// What the healthy destination should have got.
    expected: u64,
}

impl Bench<'_> {
    /// Queues so many events for the destination that is down.
    async fn fill(&mut self, events: u64) -> anyhow::Result<u64> {
        if events == 0 {
            return Ok(0);
        }
        let target = Target {
            requests: event::requests(event::OTHER_PREFIX),
            ..self.target(events)
        };
        let outcome = load::saturate(&target, events, FILL).await?;
        anyhow::ensure!(
            outcome.accepted >= events / 2,
            "only {} of {events} events were accepted",
            outcome.accepted
        );
        self.rig.planned(FILL).await?;
        Ok(outcome.accepted)
    }

    async fn on_schedule(&mut self) -> anyhow::Result<load::Outcome> {
        let events = u64::from(RATE) * self.laboratory.seconds;
        let outcome = load::on_schedule(&self.target(events), RATE, events).await?;
        self.arrived(outcome.accepted).await;
        Ok(outcome)
    }

    /// Deliveries per second to the healthy destination.
    async fn burst(&mut self) -> anyhow::Result<f64> {
        let events = EVENTS * self.laboratory.seconds;
        let start = Instant::now();
        let time = Duration::from_secs(self.laboratory.seconds * 4);
        let outcome = load::saturate(&self.target(events), events, time).await?;
        self.arrived(outcome.accepted).await;
        Ok(count(outcome.accepted) / start.elapsed().as_secs_f64())
    }

    /// A load of so many events that were not sent before.
    fn target(&mut self, events: u64) -> Target {
        let first_number = self.number;
        self.number += events.div_ceil(u64::from(OBJECTS)) + 1;
        Target {
            first_number,
            ..self.laboratory.target(self.rig.product.events)
        }
    }

    async fn arrived(&mut self, events: u64) {
        self.expected += events;
        let limit = Duration::from_secs(self.laboratory.seconds * 4 + 20);
        self.rig.sink.wait_for(self.expected, limit).await;
    }

    fn missing(&self) -> f64 {
        count(
            self.expected
                .saturating_sub(self.rig.sink.ledger().totals().different),
        )
    }
}
