//! Time to ready, and memory without work.

use std::time::Duration;

use crate::figure::Figure;
use crate::floor::Floors;
use crate::manifests::Alerts;
use crate::sink::{Mode, Sink};

use super::rig::TIMEOUT;
use super::{Laboratory, Rig};

/// How long a process is left alone before its memory counts as idle.
pub(crate) const SETTLE: Duration = Duration::from_secs(3);

/// From starting the process to `/readyz` and to the first accepted event.
pub(crate) async fn ready(laboratory: &Laboratory, floors: &Floors) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (variant, alerts) in variants() {
        let rig = start(laboratory, "ready", alerts).await?;
        let id = |what: &str| format!("ready/{variant}/{what}");
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        for (what, time) in [
            ("readyz", rig.startup.ready),
            ("first-202", rig.startup.accepted),
        ] {
            let figure = Figure::lower(id(what), milliseconds(time), "ms").budget(300.0);
            figures.push(figure.floor(floors.ready, "bare 202 server"));
        }
        rig.end().await?;
    }
    Ok(figures)
}

/// Resident memory of a process that does nothing.
pub(crate) async fn idle(laboratory: &Laboratory, floors: &Floors) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (variant, alerts) in variants() {
        let rig = start(laboratory, "idle-memory", alerts).await?;
        tokio::time::sleep(SETTLE).await;
        let memory = rig.product.process.memory()?;
        let mut figure = Figure::lower(
            format!("idle-memory/{variant}/resident"),
            memory.resident,
            "MB",
        );
        if alerts == Alerts::ByName(1) {
            figure = figure.budget(20.0);
        }
        figures.push(figure.floor(floors.memory, "bare 202 server"));
        rig.end().await?;
    }
    Ok(figures)
}

fn variants() -> [(&'static str, Alerts); 2] {
    [
        ("1-alert", Alerts::ByName(1)),
        ("10000-alerts", Alerts::ByRegex(10_000)),
    ]
}

async fn start(laboratory: &Laboratory, name: &str, alerts: Alerts) -> anyhow::Result<Rig> {
    let sink = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
    Rig::start(laboratory, name, sink, alerts, TIMEOUT).await
}
