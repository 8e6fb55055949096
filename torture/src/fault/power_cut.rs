//! The power goes and comes back: the process is killed, and what was not synced is dropped, kept or
//! torn before it starts again.

use anyhow::Context as _;

use super::{Card, Fault, Needs, Work, outage};
use crate::destination::{Mode, Role};
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::setup::Setup;

/// The fault.
pub(crate) struct PowerCut;

impl Fault for PowerCut {
    fn card(&self) -> Card {
        Card::new(
            "power-cut",
            "the process is killed; unsynced writes are dropped, kept or torn before it starts again",
            Rhythm::millis(100..900, 20..500, 30),
        )
        .needs(Needs::DiskShim)
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        setup.roles.insert(Role::Victim);
        outage::prepare(setup)
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
            outage::strike(round, &mut replica, strike.dice().number()).await?;
            round.begin(&mut replica).await
        })
    }

    fn judge<'a>(&'a self, round: &'a Round) -> Work<'a> {
        Box::pin(async move {
            let cuts = outage::cuts(round);
            if cuts == 0 {
                round.complain("the record never showed what happened to the disk");
            }
            round.note(format!("{cuts} power cuts"));
            Ok(())
        })
    }
}
