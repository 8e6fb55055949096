//! A run of its own is recorded, and the power is cut at many moments of the record.
//!
//! The target of the round is left alone. What counts is tried on processes of their own: each starts
//! on what one power cut left, and must deliver everything that was promised before the cut.

use futures::future::BoxFuture;

use super::Fault;
use crate::plan::{Rhythm, Strike};
use crate::power::recording::Script;
use crate::power::run;
use crate::round::Round;
use crate::setup::Setup;

/// Power cuts per recorded run.
pub(crate) const CUTS: usize = 100;

/// Events per lane of a recorded run.
const EVENTS: u64 = 40;

/// The fault.
pub(crate) struct PowerReplay;

impl Fault for PowerReplay {
    fn name(&self) -> &'static str {
        "power-replay"
    }

    fn about(&self) -> &'static str {
        "a recorded run, cut at many moments; unsynced writes dropped, kept or torn"
    }

    fn rhythm(&self) -> Rhythm {
        Rhythm::millis(0..1, 0..1, 2)
    }

    fn fits(&self, target: &str) -> Result<(), String> {
        if target == "fanfare" {
            Ok(())
        } else {
            Err(format!("{target} does not say that it survives a power cut"))
        }
    }

    fn mixes(&self) -> bool {
        false
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        setup.rate = 1;
        setup.lanes = 1;
        Ok(())
    }

    fn strike<'a>(
        &'a self,
        round: &'a Round,
        strike: &'a Strike,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            // One after the other.
            let _turn = round.process(0).await?;
            let mut dice = strike.dice();
            let script = Script {
                seed: dice.number(),
                events: EVENTS,
                kills: dice.below(3),
                failing_syncs: dice.below(3),
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
