//! An orderly stop under load, and a new start, as a rolling update does it.

use super::{Card, Fault, Work};
use crate::plan::{Rhythm, Strike};
use crate::round::Round;

/// The fault.
pub(crate) struct Restart;

impl Fault for Restart {
    fn card(&self) -> Card {
        Card::new(
            "restart",
            "SIGTERM under load, a clean end in time, then a new start",
            Rhythm::millis(300..1500, 20..500, 8),
        )
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let number = strike.dice().below(round.replicas() as u64);
            let mut replica = round.process(usize::try_from(number).unwrap_or(0)).await?;
            tokio::time::sleep(strike.lasts).await;
            round.stop(&mut replica).await?;
            round.begin(&mut replica).await
        })
    }
}
