//! A destination that is dead while ten thousand events queue up for it, and then comes back.

use std::time::{Duration, Instant};

use super::{Card, Fault, Work};
use crate::destination::{Mode, Role};
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::setup::Setup;

/// How many events wait for it before it comes back.
const QUEUED: usize = 10_000;

/// How long it may take to get them accepted, or delivered, on a slow machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// Connections to a destination that comes back; more at once is a thundering herd.
const MOST_CONNECTIONS: usize = 64;

/// How much more memory the queue and its delivery may take, in bytes.
const MOST_GROWTH: u64 = 60_000_000;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// The fault.
pub(crate) struct DeadDestination;

impl Fault for DeadDestination {
    fn card(&self) -> Card {
        Card::new(
            "dead-destination",
            "10,000 events queue up for a destination that is dead; it comes back: no herd, no bloat",
            Rhythm::millis(200..500, 500..1000, 1),
        )
        .alone()
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        setup.roles.insert(Role::Victim);
        setup.rate = setup.rate.max(4000);
        setup.lanes = setup.lanes.max(50);
        Ok(())
    }

    fn strike<'a>(&'a self, round: &'a Round, _: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let Some(victim) = round.destination(Role::Victim) else {
                return Ok(());
            };
            let before = round.resident(0).await?;
            victim.set(Mode::Refuse);
            let begun = Instant::now();
            let mut most = before;
            let waiting = || {
                let accepted = round.load().answers().accepted.len();
                // An event may be there before its sender has read the answer.
                accepted.saturating_sub(round.delivered(Role::Victim))
            };
            while waiting() < QUEUED {
                anyhow::ensure!(
                    begun.elapsed() < PATIENCE,
                    "only {} events were queued within {PATIENCE:?}",
                    waiting()
                );
                most = most.max(round.resident(0).await?);
                tokio::time::sleep(LOOK).await;
            }
            round.load().stop().await;
            let queued = waiting();
            let filled = begun.elapsed();
            victim.set(Mode::Healthy);
            let back = Instant::now();
            let first = round.delivered(Role::Victim);
            let mut noticed = None;
            while waiting() > 0 && back.elapsed() < PATIENCE {
                if noticed.is_none() && round.delivered(Role::Victim) > first {
                    noticed = Some(back.elapsed());
                }
                most = most.max(round.resident(0).await?);
                tokio::time::sleep(LOOK).await;
            }
            let growth = most.saturating_sub(before);
            let connections = victim.most_connections();
            round.note(format!(
                "{queued} events queued in {:.1} s; noticed after {:.1} s, delivered {:.1} s after it \
                 came back, over at most {connections} connections; {} MB resident before, {} MB at most",
                filled.as_secs_f64(),
                noticed.unwrap_or_default().as_secs_f64(),
                back.elapsed().as_secs_f64(),
                before / 1_000_000,
                most / 1_000_000,
            ));
            if connections > MOST_CONNECTIONS {
                round.complain(format!(
                    "{connections} connections at once when the destination came back, more than \
                     {MOST_CONNECTIONS}"
                ));
            }
            if growth > MOST_GROWTH {
                round.complain(format!(
                    "memory grew by {} MB with {queued} events waiting, more than {} MB",
                    growth / 1_000_000,
                    MOST_GROWTH / 1_000_000
                ));
            }
            Ok(())
        })
    }
}
