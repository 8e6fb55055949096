//! The power goes and comes back: the process is killed, and what was not synced is dropped, kept or
//! torn before it starts again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Card, Fault, Needs, Work, disk};
use crate::destination::{Mode, Role};
use crate::plan::{Rhythm, Strike};
use crate::power::disk::Disk;
use crate::power::fate::Fate;
use crate::power::{image, record};
use crate::round::Round;
use crate::setup::Setup;
use anyhow::Context as _;

/// The fault.
pub(crate) struct PowerCut {
    /// What each round's disk was when its record began, and how often the power was cut there.
    rounds: Mutex<BTreeMap<PathBuf, (Disk, u64)>>,
}

/// There is one, which knows the rounds under way.
pub(crate) static POWER_CUT: PowerCut = PowerCut {
    rounds: Mutex::new(BTreeMap::new()),
};

impl PowerCut {
    fn rounds(&self) -> MutexGuard<'_, BTreeMap<PathBuf, (Disk, u64)>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what a power cut leaves in the place of what is there. `None` if something else than the
    /// target wrote to the disk meanwhile, as some faults do.
    fn cut(&self, folder: &Path, record: &Path, seed: u64) -> anyhow::Result<Option<()>> {
        let known = self.rounds().remove(folder);
        let (mut disk, cuts) = known.context("the round was not prepared for power cuts")?;
        for entry in record::read(record)? {
            disk.apply(&entry.change)?;
        }
        let is_known = image::compare(&disk, folder, None).is_ok();
        if is_known {
            let left = disk.after_cut(&Fate::of_seed(seed));
            empty(folder)?;
            image::write(&left, folder)?;
        }
        empty(record)?;
        let disk = Disk::of_folder(folder, None)?;
        let cuts = cuts + u64::from(is_known);
        self.rounds().insert(folder.to_owned(), (disk, cuts));
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

impl Fault for PowerCut {
    fn card(&self) -> Card {
        Card::new("power-cut", "the process is killed; unsynced writes are dropped, kept or torn before it starts again", Rhythm::millis(100..900, 20..500, 30)).needs(Needs::DiskShim)
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        disk::attach_record(setup)?;
        setup.roles.insert(Role::Victim);
        let folder = disk::watched(&setup.folder);
        let disk = Disk::of_folder(&folder, None)?;
        self.rounds().insert(folder, (disk, 0));
        Ok(())
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let mut replica = round.process(0).await?;
            // Something is undelivered when the moment comes.
            let victim = round.destination(Role::Victim);
            let victim = victim.context("there is a victim")?;
            victim
                .misbehave(Mode::Throttle(Some(1)), strike.lasts)
                .await;
            round.kill(&mut replica).await?;
            let folder = disk::watched(&round.setup.folder);
            let seed = strike.dice().number();
            if self.cut(&folder, &disk::record_of(round), seed)?.is_none() {
                round.note("no power cut where a kill came in the middle of a call or another fault had written to the store");
            }
            round.begin(&mut replica).await
        })
    }

    fn judge<'a>(&'a self, round: &'a Round) -> Work<'a> {
        Box::pin(async move {
            let folder = disk::watched(&round.setup.folder);
            let cuts = self.rounds().remove(&folder).map_or(0, |(_, cuts)| cuts);
            if cuts == 0 {
                round.complain("the record never showed what happened to the disk");
            }
            round.note(format!("{cuts} power cuts"));
            Ok(())
        })
    }
}
