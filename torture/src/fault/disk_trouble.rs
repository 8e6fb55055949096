//! The disk of a running process fails calls, tears writes, is slow or full, and then well again.
//!
//! Meanwhile or soon after the power is cut. So whoever was promised something although a write or a
//! sync for it had failed misses it in the account.

use anyhow::Context as _;

use super::{Card, Fault, Needs, Work, disk, outage};
use crate::destination::{Mode, Role};
use crate::dice::Dice;
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::setup::Setup;
use crate::shim::{Action, Control, Errno, Operation, Rule};

/// Calls that pass before the first one is hit, at most.
const SKIPPED: u64 = 30;

/// Bytes that still find a place when the disk becomes full, at most.
const ROOM: u64 = 128 << 10;

/// A sort of trouble.
pub(crate) struct DiskTrouble {
    name: &'static str,
    about: &'static str,
    /// How long a strike lasts, in milliseconds, and how many there are alone.
    lasts: (std::ops::Range<u64>, usize),
    begin: fn(&Control, &mut Dice) -> anyhow::Result<()>,
    end: fn(&Control) -> anyhow::Result<()>,
}

/// All sorts.
pub(crate) static ALL: [DiskTrouble; 2] = [
    DiskTrouble {
        name: "disk-full",
        about: "writes that need a new place on the disk get ENOSPC for a while",
        lasts: (300..2000, 8),
        begin: |control, dice| control.limit_room(Some(dice.below(ROOM))),
        end: |control| control.limit_room(None),
    },
    DiskTrouble {
        name: "disk-errors",
        about: "errors of writes, syncs, reads and truncations, torn and short writes, a slow disk",
        lasts: (50..600, 16),
        begin: |control, dice| control.set(0, &rule(dice)),
        end: |control| control.clear(0),
    },
];

impl Fault for DiskTrouble {
    fn card(&self) -> Card {
        let (lasts, brief) = self.lasts.clone();
        Card::new(
            self.name,
            self.about,
            Rhythm::millis(200..1200, lasts, brief),
        )
        .needs(Needs::DiskShim)
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        setup.rate = setup.rate.max(400);
        setup.roles.insert(Role::Victim);
        outage::prepare(setup)
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            // A process that is started by another fault now may refuse to, with a clear error.
            let mut replica = round.process(0).await?;
            let victim = round.destination(Role::Victim);
            let victim = victim.context("there is a victim")?;
            let mut dice = strike.dice();
            let control = disk::control(round)?;
            // What was accepted is nowhere but on the disk when the power goes.
            victim.set(Mode::Throttle(Some(1)));
            (self.begin)(&control, &mut dice)?;
            tokio::time::sleep(strike.lasts).await;
            let (when, seed) = (dice.below(4), dice.number());
            if when == 0 {
                outage::strike(round, &mut replica, seed).await?;
                (self.end)(&control)?;
                round.begin(&mut replica).await?;
            } else {
                (self.end)(&control)?;
            }
            disk::expect_healing(round, strike).await;
            if when == 1 {
                outage::strike(round, &mut replica, seed).await?;
                round.begin(&mut replica).await?;
            }
            victim.set(Mode::Healthy);
            Ok(())
        })
    }

    fn judge<'a>(&'a self, round: &'a Round) -> Work<'a> {
        Box::pin(async move {
            let hit = disk::control(round)?.hit()?;
            round.note(format!(
                "{} writes, {} syncs and {} reads were hit, {} events were answered with 503, \
                 the power was cut {} times",
                hit.writes,
                hit.syncs,
                hit.reads,
                round.load().answers().later.values().sum::<u64>(),
                outage::cuts(round)
            ));
            Ok(())
        })
    }
}

/// What goes wrong in one strike.
fn rule(dice: &mut Dice) -> Rule {
    let errors = [Errno::Io, Errno::NoRoom, Errno::Quota];
    let error = dice.pick(&errors).copied().unwrap_or(Errno::Io);
    let (operation, action) = match dice.below(9) {
        // What a failed sync was for is lost even if the next one succeeds.
        0..=2 => (Operation::Sync, Action::Fail(Errno::Io)),
        3 => (Operation::Write, Action::Fail(error)),
        7 => (Operation::Resize, Action::Fail(error)),
        4 => (Operation::Write, Action::Torn(Errno::Io)),
        5 => (Operation::Write, Action::Short),
        6 => (Operation::Read, Action::Fail(Errno::Io)),
        _ => (Operation::Sync, Action::Delay(20 + dice.below(100))),
    };
    // Some once, some for as long as the strike lasts.
    let times = [1, 3, u64::MAX];
    Rule {
        operations: vec![operation],
        action,
        skip: dice.below(SKIPPED),
        times: dice.pick(&times).copied().unwrap_or(1),
        suffix: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sort_of_error_comes_up() {
        let mut dice = Dice::of(1);
        let rules: Vec<Rule> = (0..200).map(|_| rule(&mut dice)).collect();
        let has = |action: Action, operation: Operation| {
            rules
                .iter()
                .any(|rule| rule.action == action && rule.operations == [operation])
        };
        assert!(has(Action::Fail(Errno::Io), Operation::Sync));
        assert!(has(Action::Fail(Errno::Io), Operation::Write));
        assert!(has(Action::Fail(Errno::Io), Operation::Read));
        assert!(has(Action::Torn(Errno::Io), Operation::Write));
        assert!(has(Action::Short, Operation::Write));
        assert!(has(Action::Fail(Errno::NoRoom), Operation::Write));
        assert!(has(Action::Fail(Errno::Quota), Operation::Resize));
        assert!(rules.iter().any(|rule| rule.times == u64::MAX));
    }
}
