//! A run of its own is recorded, and the power is cut at many moments of the record.
//!
//! The target of the round is left alone. What counts is tried on processes of their own: each starts
//! on what one power cut left, and must deliver everything that was promised before the cut.

use super::{Card, Fault, Needs, Work};
use crate::plan::{Rhythm, Strike};
use crate::power::recording::Script;
use crate::power::run;
use crate::round::Round;
use crate::setup::Setup;

/// Power cuts per recorded run.
pub(crate) const CUTS: usize = 100;

/// The fault.
pub(crate) struct PowerReplay {
    /// Whether the recorded process is the first one that ever ran on its folder.
    is_first: bool,
}

/// Both sorts of it.
pub(crate) static ALL: [PowerReplay; 2] = [
    PowerReplay { is_first: true },
    PowerReplay { is_first: false },
];

impl Fault for PowerReplay {
    fn card(&self) -> Card {
        let (name, about, brief) = if self.is_first {
            (
                "power-first-start",
                "the very first start and some events recorded, the power cut at many moments of it",
                1,
            )
        } else {
            (
                "power-replay",
                "a run recorded, the power cut at many moments; unsynced writes dropped, kept or torn",
                2,
            )
        };
        Card::new(name, about, Rhythm::millis(0..1, 0..1, brief))
            .needs(Needs::DiskShim)
            .alone()
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        setup.rate = 1;
        setup.lanes = 1;
        Ok(())
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            // One after the other.
            let _turn = round.process(0).await?;
            let mut dice = strike.dice();
            let script = Script {
                seed: dice.number(),
                is_first: self.is_first,
                events: if self.is_first { 4 } else { 40 },
                kills: dice.below(3),
                failing_syncs: if self.is_first { 0 } else { dice.below(3) },
            };
            let folder = round.setup.folder.join(format!("replay-{}", strike.seed));
            std::fs::create_dir_all(&folder)?;
            let outcome = run::run(&round.target, &script, CUTS, &folder).await?;
            round.note(format!(
                "{} power cuts in {} changes to the disk with {} promised events, {} kills and {} \
                 times failing syncs",
                outcome.trials,
                outcome.changes,
                outcome.promised,
                script.kills,
                script.failing_syncs
            ));
            for failure in outcome.failures {
                round.complain(format!("replay {}: {failure}", strike.seed));
            }
            Ok(())
        })
    }
}
