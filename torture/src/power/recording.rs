//! A run of the target under load, every disk call of it recorded.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::disk::Disk;
use super::image;
use super::load::{self, History, LANES};
use super::promises::Promises;
use super::record::{self, Recorded};
use crate::dice::Dice;
use crate::place::Place;
use crate::process::Process;
use crate::shim::{Action, Control, Errno, Operation, Rule, Shim};
use crate::target::{self, Target};

/// How long all events may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// Recordings until one of them shows everything.
const TRIES: u32 = 3;

/// The part of a target's folder that is recorded.
pub(crate) const DATA: &str = "data";

/// What happens in a recorded run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    /// Decides everything that is random.
    pub(crate) seed: u64,
    /// Whether nobody ever ran on the folder, which is not even there.
    pub(crate) is_first: bool,
    /// Events per lane.
    pub(crate) events: u64,
    /// How often the process is killed and started again.
    pub(crate) kills: u64,
    /// How often some syncs in a row fail.
    pub(crate) failing_syncs: u64,
}

/// What was recorded.
pub(crate) struct Recording {
    /// The disk before the first process.
    pub(crate) start: Disk,
    pub(crate) recorded: Vec<Recorded>,
    pub(crate) promises: Promises,
}

/// Records a run in a folder that is there for it alone.
pub(crate) async fn record(
    target: &Arc<dyn Target>,
    script: &Script,
    folder: &Path,
) -> anyhow::Result<Recording> {
    for number in 1.. {
        let folder = folder.join(format!("recording-{number}"));
        std::fs::create_dir_all(&folder)?;
        let (recording, is_whole) = attempt(target, script, &folder).await?;
        match is_whole {
            Ok(()) => return Ok(recording),
            // A kill in the middle of a call leaves a record of what did not happen.
            Err(_) if script.kills > 0 && number < TRIES => {}
            Err(error) => return Err(error),
        }
    }
    anyhow::bail!("never recorded")
}

/// Records a run, and says whether the record shows everything.
async fn attempt(
    target: &Arc<dyn Target>,
    script: &Script,
    folder: &Path,
) -> anyhow::Result<(Recording, anyhow::Result<()>)> {
    let place = Place::make(&**target, folder.join("recorded"))?;
    let record = folder.join("record");
    std::fs::create_dir_all(&record)?;
    let control = Control::create(&folder.join("control"))?;
    let host = Host {
        target: Arc::clone(target),
        environment: Shim::build(folder)?.environment(
            &place.folder,
            Some(&record),
            Some(&control),
        )?,
        place,
    };
    let history = Arc::new(History::new(record.clone()));
    let sinks = load::destinations(&history, script.seed).await;
    target.configure(&host.place, &load::routes(&sinks, "/hook"))?;
    if !script.is_first {
        let command = target.command(&host.place);
        let process = target::start(&**target, &host.place, command).await?;
        host.stop(process).await?;
    }
    let start = Disk::of_folder(&host.place.folder, Some(DATA))?;

    let process = host.start().await?;
    let mut senders = JoinSet::new();
    for lane in 0..LANES {
        senders.spawn(load::send(
            Arc::clone(target),
            host.place.events,
            lane,
            script.events,
            Arc::clone(&history),
        ));
    }
    let sent = async {
        while let Some(sent) = senders.join_next().await {
            sent??;
        }
        anyhow::Ok(())
    };
    let both = async { tokio::try_join!(sent, disturb(&host, process, script, &control)) };
    let ((), process) = tokio::time::timeout(PATIENCE, both)
        .await
        .context("the events are not all accepted")??;
    control.clear(0)?;
    host.stop(process).await?;

    let recorded = record::read(&record)?;
    let mut end = start.clone();
    let is_whole = recorded
        .iter()
        .try_for_each(|entry| end.apply(&entry.change))
        .and_then(|()| image::compare(&end, &host.place.folder, Some(DATA)));
    history.check()?;
    let promises = history.promises().clone();
    let recording = Recording {
        start,
        recorded,
        promises,
    };
    Ok((recording, is_whole))
}

/// Where the recorded process runs.
struct Host {
    target: Arc<dyn Target>,
    place: Place,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Host {
    async fn start(&self) -> anyhow::Result<Process> {
        let mut command: Command = self.target.command(&self.place);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        target::start(&*self.target, &self.place, command).await
    }

    async fn stop(&self, mut process: Process) -> anyhow::Result<()> {
        let status = process.terminate(self.target.longest_stop()).await?;
        anyhow::ensure!(
            status.success(),
            "the recorded process ended with {status}: {}",
            process.last_words()
        );
        Ok(())
    }
}

/// Lets syncs fail and kills the process, as the script says; gives the process that runs at the end.
async fn disturb(
    host: &Host,
    mut process: Process,
    script: &Script,
    control: &Control,
) -> anyhow::Result<Process> {
    let mut dice = Dice::of_purpose(script.seed, "recording");
    let pause = |dice: &mut Dice| Duration::from_millis(50 + dice.below(300));
    for number in 0..script.kills.max(script.failing_syncs) {
        tokio::time::sleep(pause(&mut dice)).await;
        if number < script.failing_syncs {
            let rule = Rule {
                operations: vec![Operation::Sync],
                action: Action::Fail(Errno::Io),
                skip: dice.below(5),
                // Some for as long as the process lives: the next one finds what was never synced, and
                // what no sync that it makes would write.
                times: dice.pick(&[1, 3, u64::MAX]).copied().unwrap_or(1),
                suffix: "",
            };
            control.set(0, &rule)?;
            tokio::time::sleep(pause(&mut dice)).await;
        }
        let has_ended = process.ended()?.is_some();
        let is_killed = number < script.kills || has_ended;
        if is_killed {
            process.kill().await?;
        }
        control.clear(0)?;
        if is_killed {
            process = host.start().await?;
        }
    }
    Ok(process)
}
