//! `kill -9` at a random moment under load, and a new start.

use std::time::Duration;

use super::{Card, Fault, Work};
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::setup::Setup;

/// The fault.
pub(crate) struct Kill;

impl Fault for Kill {
    fn card(&self) -> Card {
        Card::new(
            "kill",
            "kill -9 at random moments under load, then a new start",
            Rhythm::millis(20..300, 5..250, 50),
        )
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        // Something is always on its way when the moment comes.
        setup.rate = setup.rate.max(400);
        Ok(())
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let mut dice = strike.dice();
            let number = usize::try_from(dice.below(round.replicas() as u64)).unwrap_or(0);
            let mut replica = round.process(number).await?;
            // The moment counts from when it is ready, also after a start that took long.
            tokio::time::sleep(strike.lasts).await;
            round.kill(&mut replica).await?;
            tokio::time::sleep(Duration::from_millis(dice.below(20))).await;
            round.begin(&mut replica).await
        })
    }
}
