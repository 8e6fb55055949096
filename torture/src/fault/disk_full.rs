//! The disk of a running process takes no more for a while, then it does again.

use super::{Card, Fault, Needs, Work, disk};
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::setup::Setup;

/// Bytes that still find a place when the fault begins, at most.
const ROOM: u64 = 128 << 10;

/// The fault.
pub(crate) struct DiskFull;

impl Fault for DiskFull {
    fn card(&self) -> Card {
        Card::new(
            "disk-full",
            "writes that need a new place on the disk get ENOSPC for a while",
            Rhythm::millis(200..1000, 300..2000, 6),
        )
        .needs(Needs::DiskShim)
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        setup.rate = setup.rate.max(400);
        disk::attach(setup)
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            // A process that is started now may refuse to, with a clear error.
            let _held = round.process(0).await?;
            let control = disk::control(round)?;
            control.limit_room(Some(strike.dice().below(ROOM)))?;
            tokio::time::sleep(strike.lasts).await;
            control.limit_room(None)?;
            disk::expect_healing(round, strike).await;
            Ok(())
        })
    }

    fn judge<'a>(&'a self, round: &'a Round) -> Work<'a> {
        Box::pin(async move {
            let hit = disk::control(round)?.hit()?;
            let refused: u64 = round.load().answers().later.values().sum();
            round.note(format!(
                "{} writes had no room, {refused} events were answered with 503",
                hit.writes
            ));
            Ok(())
        })
    }
}
