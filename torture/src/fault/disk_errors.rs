//! The disk of a running process fails calls, tears writes or is slow.

use super::{Card, Fault, Needs, Work, disk};
use crate::dice::Dice;
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::setup::Setup;
use crate::shim::{Action, Errno, Operation, RULES, Rule};

/// Calls that pass before the first one is hit, at most.
const SKIPPED: u64 = 30;

/// The fault.
pub(crate) struct DiskErrors;

impl Fault for DiskErrors {
    fn card(&self) -> Card {
        Card::new(
            "disk-errors",
            "errors of writes, syncs, reads and truncations, torn and short writes, a slow disk",
            Rhythm::millis(200..1200, 50..600, 16),
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
            let mut dice = strike.dice();
            let index = usize::try_from(dice.below(RULES as u64))?;
            let control = disk::control(round)?;
            control.set(index, &rule(&mut dice))?;
            tokio::time::sleep(strike.lasts).await;
            control.clear(index)?;
            disk::expect_healing(round, strike).await;
            Ok(())
        })
    }

    fn judge<'a>(&'a self, round: &'a Round) -> Work<'a> {
        Box::pin(async move {
            let hit = disk::control(round)?.hit()?;
            let refused: u64 = round.load().answers().later.values().sum();
            round.note(format!(
                "{} writes, {} syncs and {} reads were hit, {refused} events were answered with 503",
                hit.writes, hit.syncs, hit.reads
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
