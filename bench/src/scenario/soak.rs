//! Memory over a long time under a moderate load: it must not grow.

use std::time::{Duration, Instant};

use crate::figure::{Figure, percentiles};
use crate::load;
use crate::manifests::Alerts;
use crate::process::Memory;
use crate::sink::{Mode, Sink};

use super::accept::{count, per_thousand};
use super::rig::TIMEOUT;
use super::{Laboratory, Rig};

/// Events per second.
const RATE: u32 = 500;
/// Time between two looks at the memory.
const LOOK: Duration = Duration::from_secs(10);
/// How much more memory there may be in the last third than in the second one before that is not flat;
/// the allocator takes and gives back in steps that are larger than this within minutes.
const FLAT: f64 = 1.05;

/// Runs for as long as was asked for.
pub(crate) async fn run(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    let sink = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
    let rig = Rig::start(laboratory, "soak", sink, Alerts::ByName(1), TIMEOUT).await?;
    let target = laboratory.target(rig.product.events);
    let events = u64::from(RATE) * laboratory.soak.as_secs();
    let before = rig.product.process.processor_time()?;
    let (outcome, course) = tokio::try_join!(
        load::on_schedule(&target, RATE, events),
        watch(&rig, laboratory.soak)
    )?;
    rig.sink
        .wait_for(outcome.accepted + 1, Duration::from_mins(1))
        .await;
    let used = rig.product.process.processor_time()?.saturating_sub(before);
    let memory = rig.product.process.memory()?;
    let different = rig.sink.ledger().totals().different;
    // What is filled once, such as caches, is filled in the first third.
    let third = course.len() / 3;
    let settled = course.get(third..).unwrap_or_default();
    let (second, last) = settled.split_at(third.min(settled.len()));
    let ratio = mean(last) / mean(second).max(1e-9);
    let mut figures = vec![
        Figure::note("soak/events", count(outcome.accepted), "events"),
        Figure::lower("soak/last-to-second-third", ratio, "×").budget(FLAT),
        Figure::lower("soak/slope", slope(settled) * 3600.0, "MB/h"),
        Figure::lower("soak/resident", memory.resident, "MB").course(course),
        Figure::lower("soak/resident-peak", memory.peak, "MB"),
        Figure::lower(
            "soak/cpu-per-1000",
            per_thousand(used, outcome.accepted),
            "s",
        ),
    ];
    figures.extend(percentiles("soak/accept", &outcome.latency));
    figures.extend(percentiles("soak/end-to-end", &rig.sink.latency()));
    figures.extend([
        Figure::lower("soak/not-accepted", count(outcome.lost()), "events").budget(0.0),
        Figure::lower(
            "soak/missing",
            count((outcome.accepted + 1).saturating_sub(different)),
            "events",
        )
        .budget(0.0),
    ]);
    rig.end().await?;
    Ok(figures)
}

/// Seconds and megabytes, over and over.
async fn watch(rig: &Rig, time: Duration) -> anyhow::Result<Vec<(f64, f64)>> {
    let start = Instant::now();
    let mut course = Vec::new();
    while start.elapsed() < time {
        tokio::time::sleep(LOOK.min(time.saturating_sub(start.elapsed()))).await;
        let Memory { resident, .. } = rig.product.process.memory()?;
        course.push((start.elapsed().as_secs_f64().round(), resident));
    }
    Ok(course)
}

/// Mean of the second numbers; zero for no points.
fn mean(points: &[(f64, f64)]) -> f64 {
    points.iter().map(|(_, y)| y).sum::<f64>() / count(points.len() as u64).max(1.0)
}

/// Slope of the line that fits best; zero for less than two points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let number = count(points.len() as u64).max(1.0);
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / number;
    let mean_y = mean(points);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        let distance = x - mean_x;
        (above + distance * (y - mean_y), below + distance * distance)
    });
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line_through_the_points() {
        let line: Vec<(f64, f64)> = (0..10).map(f64::from).map(|x| (x, 3.0 + 0.5 * x)).collect();
        assert!((slope(&line) - 0.5).abs() < 1e-9);
        assert!(slope(&[(1.0, 7.0)]).abs() < f64::EPSILON);
        assert!(slope(&[]).abs() < f64::EPSILON);
    }
}
