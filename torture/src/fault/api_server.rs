//! The API server is away, slow, forgetful or busy while events come in (cluster mode).

use std::time::Duration;

use super::{Card, Fault, Needs, Work};
use crate::dice::Dice;
use crate::door::State;
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::target::controller;
use anyhow::Context as _;

/// A sort of trouble.
pub(crate) struct ApiServer {
    name: &'static str,
    about: &'static str,
    state: fn(&mut Dice) -> State,
}

/// All sorts.
pub(crate) static ALL: [ApiServer; 4] = [
    ApiServer {
        name: "api-stopped",
        about: "cluster mode: nobody reaches the API server",
        state: |_| State::Shut,
    },
    ApiServer {
        name: "api-slow",
        about: "cluster mode: the API server takes up to a second for every piece of an answer",
        state: |dice| State::Slow(Duration::from_millis(100 + dice.below(900))),
    },
    ApiServer {
        name: "api-gone",
        about: "cluster mode: the API server answers every watch with 410",
        state: |_| State::Gone,
    },
    ApiServer {
        name: "api-busy",
        about: "cluster mode: the API server answers everything with 429",
        state: |_| State::Busy,
    },
];

impl Fault for ApiServer {
    fn card(&self) -> Card {
        Card::new(
            self.name,
            self.about,
            Rhythm::millis(500..1500, 1000..4000, 2),
        )
        .needs(Needs::Cluster)
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let mut dice = strike.dice();
            let door = round.target.door().context("there is no API server")?;
            door.set((self.state)(&mut dice));
            tokio::time::sleep(strike.lasts / 2).await;
            // Objects change meanwhile, behind the door, and it finds out afterwards.
            let mut routes = round.routes.clone();
            for route in &mut routes {
                route.url = format!("{}?version={}", route.url, dice.below(1000));
            }
            round.configure(&routes).await?;
            if dice.below(2) == 0 {
                // A start without an API server: events wait until the configuration is known.
                let mut replica = round.process(0).await?;
                round.kill(&mut replica).await?;
                round.begin(&mut replica).await?;
            }
            tokio::time::sleep(strike.lasts / 2).await;
            door.set(State::Open);
            Ok(())
        })
    }
}

/// Two replicas, of which the one that leads is killed.
pub(crate) struct LeaderKilled;

/// How long the other one may take to lead: the lease (4 s), and a machine that is busy.
const SUCCESSION: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

impl Fault for LeaderKilled {
    fn card(&self) -> Card {
        Card::new(
            "leader-killed",
            "cluster mode: of two replicas the one that leads is killed; the other one takes over",
            Rhythm::millis(4000..6000, 200..1500, 1),
        )
        .needs(Needs::Cluster)
        // Nobody leads while the API server is away.
        .alone()
    }

    fn prepare(&self, setup: &mut crate::setup::Setup) -> anyhow::Result<()> {
        setup.replicas = 2;
        Ok(())
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let Some(leader) = wait_for_leader(round, None).await else {
                round.note("nobody led when the leader was to be killed");
                return Ok(());
            };
            let mut replica = round.process(leader).await?;
            round.kill(&mut replica).await?;
            let killed = std::time::Instant::now();
            let successor = wait_for_leader(round, Some(leader)).await;
            if successor.is_some() {
                round.note(format!(
                    "the other replica led {:.1} s after the kill",
                    killed.elapsed().as_secs_f64()
                ));
            } else {
                round.complain(format!(
                    "nobody led {SUCCESSION:?} after the leader was killed"
                ));
            }
            tokio::time::sleep(strike.lasts).await;
            round.begin(&mut replica).await
        })
    }
}

/// Waits for a replica other than `dead` to lead; `None` if none does in time.
async fn wait_for_leader(round: &Round, dead: Option<usize>) -> Option<usize> {
    let begun = std::time::Instant::now();
    while begun.elapsed() < SUCCESSION {
        for number in (0..round.replicas()).filter(|number| Some(*number) != dead) {
            if let Some(place) = round.place(number)
                && controller::is_leader(place).await
            {
                return Some(number);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    None
}
