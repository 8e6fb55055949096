//! The configuration is changed all the time under load.

use std::time::{Duration, Instant};

use super::{Card, Fault, Work};
use crate::destination::Role;
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::setup::Setup;

/// The fault.
pub(crate) struct Configuration;

impl Fault for Configuration {
    fn card(&self) -> Card {
        Card::new(
            "configuration",
            "addresses and timeouts of all destinations change many times a second under load",
            Rhythm::millis(300..1000, 1500..3500, 2),
        )
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        setup.roles.insert(Role::Victim);
        Ok(())
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let mut dice = strike.dice();
            let begun = Instant::now();
            let mut changes = 0;
            while begun.elapsed() < strike.lasts {
                let mut routes = round.routes.clone();
                for route in &mut routes {
                    route.url = format!("{}?version={}", route.url, dice.below(1000));
                    route.timeout = Duration::from_millis(1500 + dice.below(1000));
                }
                // One that is being restarted hears of it at its start.
                if round.configure(&routes).await.is_ok() {
                    changes += 1;
                }
                tokio::time::sleep(Duration::from_millis(20 + dice.below(130))).await;
            }
            round.count("changes of the configuration", changes);
            round.configure(&round.routes).await.or_else(|error| {
                // As above; if it is not being restarted this will be found out soon enough.
                round.note(format!("the last change was not heard: {error:#}"));
                Ok(())
            })
        })
    }

    fn judge<'a>(&'a self, round: &'a Round) -> Work<'a> {
        Box::pin(async move {
            round.complain_if_late();
            Ok(())
        })
    }
}
