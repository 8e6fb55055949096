//! A whole run: record, cut the power at many moments of the record, try what is left.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};

use super::cuts;
use super::fate::Fate;
use super::load::DESTINATIONS;
use super::recording::{self, Script};
use super::trial::Stand;
use crate::target::Target;

/// Trials at once.
const STANDS: usize = 3;

/// Failures after which no more cuts are tried: each may take as long as everything that is owed may.
const ENOUGH: usize = 5;

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Cuts that were tried.
    pub(crate) trials: usize,
    /// Changes to the disk that were recorded.
    pub(crate) changes: usize,
    /// Events that were promised.
    pub(crate) promised: usize,
    /// What went wrong, of cuts after which the target did not keep its promises.
    pub(crate) failures: Vec<String>,
}

/// Records one run and cuts the power at so many moments of it.
pub(crate) async fn run(
    target: &Arc<dyn Target>,
    script: &Script,
    cuts: usize,
    folder: &Path,
) -> anyhow::Result<Outcome> {
    let recording = recording::record(target, script, folder)
        .await
        .context("recording a run")?;
    let mut outcome = Outcome {
        changes: recording.recorded.len(),
        promised: recording.promises.len(),
        ..Outcome::default()
    };
    let mut stands = Vec::new();
    for number in 0..STANDS {
        stands.push(Stand::new(target, folder.join(format!("stand-{number}"))).await?);
    }
    let stands = Arc::new(Mutex::new(stands));
    let mut trials: JoinSet<Result<(), String>> = JoinSet::new();
    let mut disk = recording.start.clone();
    let (mut done, mut moment) = (0, 0);
    for (changes, seed) in cuts::choose(&recording.recorded, cuts, script.seed) {
        for entry in recording.recorded.iter().take(changes).skip(done) {
            disk.apply(&entry.change)?;
            moment = entry.end;
        }
        done = changes;
        let fate = Fate::of_seed(seed);
        let image = disk.after_cut(&fate);
        let owed = recording.promises.owed(moment, DESTINATIONS.len());
        if trials.len() >= STANDS {
            outcome.note(trials.join_next().await)?;
        }
        if outcome.failures.len() >= ENOUGH {
            break;
        }
        let stands = Arc::clone(&stands);
        trials.spawn(async move {
            let stand = stands.lock().await.pop();
            let mut stand = stand.ok_or_else(|| "no stand is free".to_owned())?;
            let tried = stand.try_image(&image, &owed).await;
            stands.lock().await.push(stand);
            tried.map_err(|error| format!("power cut after change {changes}, {fate:?}: {error:#}"))
        });
    }
    while !trials.is_empty() {
        outcome.note(trials.join_next().await)?;
    }
    Ok(outcome)
}

impl Outcome {
    fn note(&mut self, trial: Option<Result<Result<(), String>, JoinError>>) -> anyhow::Result<()> {
        self.trials += 1;
        if let Some(Err(failure)) = trial.transpose()? {
            self.failures.push(failure);
        }
        Ok(())
    }
}
