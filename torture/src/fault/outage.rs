//! The power of a round's process is cut: what it did not sync is dropped, kept or torn.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;

use super::disk;
use crate::power::disk::Disk;
use crate::power::fate::Fate;
use crate::power::{image, record};
use crate::round::{Replica, Round};
use crate::setup::Setup;

/// What a round must know to have its power cut.
#[derive(Debug)]
pub(crate) struct Outage {
    record: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The disk when the record began.
    disk: Disk,
    cuts: u64,
}

/// Has everything that the process does to its disk recorded; once, however many faults ask.
pub(super) fn prepare(setup: &mut Setup) -> anyhow::Result<()> {
    if setup.outage.is_some() {
        return Ok(());
    }
    let record = disk::attach_record(setup)?;
    let disk = Disk::of_folder(&disk::watched(&setup.folder), None)?;
    let state = Mutex::new(State { disk, cuts: 0 });
    setup.outage = Some(Arc::new(Outage { record, state }));
    Ok(())
}

/// Kills the process and leaves of its disk what a power cut leaves; it stays down.
pub(super) async fn strike(round: &Round, replica: &mut Replica, seed: u64) -> anyhow::Result<()> {
    let outage = round.setup.outage.as_ref();
    let outage = outage.context("the round was not prepared for power cuts")?;
    round.kill(replica).await?;
    if outage
        .cut(&disk::watched(&round.setup.folder), seed)?
        .is_none()
    {
        round.note(
            "no power cut where a kill came in the middle of a call or another fault had written to the store",
        );
    }
    Ok(())
}

/// How often the power was cut in a round.
pub(super) fn cuts(round: &Round) -> u64 {
    let outage = round.setup.outage.as_ref();
    outage.map_or(0, |outage| outage.state().cuts)
}

impl Outage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what a power cut leaves in the place of what is there. `None` if something else than the
    /// target wrote to the disk meanwhile, as some faults do.
    fn cut(&self, folder: &Path, seed: u64) -> anyhow::Result<Option<()>> {
        let mut state = self.state();
        for entry in record::read(&self.record)? {
            state.disk.apply(&entry.change)?;
        }
        let is_known = image::compare(&state.disk, folder, None).is_ok();
        if is_known {
            let left = state.disk.after_cut(&Fate::of_seed(seed));
            empty(folder)?;
            image::write(&left, folder)?;
            state.cuts += 1;
        }
        empty(&self.record)?;
        state.disk = Disk::of_folder(folder, None)?;
        Ok(is_known.then_some(()))
    }
}

/// Removes everything in a folder.
fn empty(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
