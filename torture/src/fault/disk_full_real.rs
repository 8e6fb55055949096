//! A disk that is really full: the data is on a small file system of its own, which a neighbour's file
//! fills to the last byte for a while.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::{Card, Fault, Needs, Work, disk};
use crate::mount::Mount;
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::setup::Setup;

/// Size of the file system in MiB; some times what the data of a round is.
const SIZE: u32 = 32;

/// Bytes that the neighbour leaves free, at most.
const ROOM: u64 = 64 << 10;

/// The fault.
pub(crate) struct DiskFullReal;

impl Fault for DiskFullReal {
    fn card(&self) -> Card {
        Card::new(
            "disk-full-real",
            "the data is on a small tmpfs of its own, which is full for a while",
            Rhythm::millis(200..1000, 300..2000, 6),
        )
        .needs(Needs::Mount)
        .alone()
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        setup.rate = setup.rate.max(400);
        let folder = disk::watched(&setup.folder);
        std::fs::create_dir_all(&folder)?;
        setup.mounts.push(Arc::new(Mount::tmpfs(&folder, SIZE)?));
        Ok(())
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let mut replica = round.process(0).await?;
            let mut dice = strike.dice();
            let neighbour = disk::watched(&round.setup.folder).join("neighbour");
            // One time in two nothing is left at all.
            let room = dice.below(2) * dice.below(ROOM);
            fill(&neighbour, room)?;
            tokio::time::sleep(strike.lasts).await;
            // One time in two the process that comes to an end there is not the one that goes on.
            let is_killed = dice.below(2) == 0;
            if is_killed {
                round.kill(&mut replica).await?;
            }
            std::fs::remove_file(&neighbour)?;
            if is_killed {
                round.begin(&mut replica).await?;
            }
            disk::expect_healing(round, strike).await;
            Ok(())
        })
    }

    fn judge<'a>(&'a self, round: &'a Round) -> Work<'a> {
        Box::pin(async move {
            let refused: u64 = round.load().answers().later.values().sum();
            if refused == 0 {
                round.complain("nothing was answered with 503, so the disk was never full");
            }
            round.note(format!("{refused} events were answered with 503"));
            Ok(())
        })
    }
}

/// Makes a file that takes all that is left of its file system but for so many bytes.
fn fill(path: &Path, room: u64) -> anyhow::Result<()> {
    let context = || format!("filling the disk with {}", path.display());
    let mut file = File::create(path).with_context(context)?;
    for piece in [1 << 16, 1 << 12, 1] {
        let zeros = vec![0; piece];
        loop {
            match file.write(&zeros) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => return Err(error).with_context(context),
            }
        }
    }
    let length = file.metadata()?.len();
    file.set_len(length.saturating_sub(room))
        .with_context(context)
}
