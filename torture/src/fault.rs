//! What can go wrong, one file per sort of fault.
//!
//! A fault strikes a running round and undoes what it did before it returns. Strikes of different
//! faults overlap in a mixed run; whoever stops the process holds it meanwhile ([`Round::process`]).

use futures::future::BoxFuture;

use crate::plan::Strike;
use crate::round::Round;
use crate::setup::Setup;

/// What a fault does, while it does it.
pub(crate) type Work<'a> = BoxFuture<'a, anyhow::Result<()>>;

/// Something that goes wrong on purpose.
pub(crate) trait Fault: Send + Sync {
    /// What is known about it.
    fn card(&self) -> Card;

    /// Asks for what it needs before the target starts: destinations, environment, flags.
    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        let _ = setup;
        Ok(())
    }

    /// Strikes once; everything random about it comes from the strike's dice.
    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a>;

    /// Looks at a round whose load has ended and whose queue is empty, before the target is stopped.
    /// What it did not do as expected is told to [`Round::complain`].
    fn judge<'a>(&'a self, round: &'a Round) -> Work<'a> {
        let _ = round;
        Box::pin(async { Ok(()) })
    }
}

mod api_server;
mod card;
mod clock;
mod configuration;
mod dead_destination;
mod disk;
mod disk_full_real;
mod disk_trouble;
mod kill;
mod misbehaviour;
mod outage;
mod poison_event;
mod poison_object;
mod poison_record;
mod power_cut;
mod power_replay;
mod restart;

pub(crate) use card::{Card, Needs};
pub(crate) use outage::Outage;
pub(crate) use power_replay::CUTS as CUTS_PER_REPLAY;

/// All faults, in the order in which they are tried.
pub(crate) fn all() -> Vec<&'static dyn Fault> {
    let mut all: Vec<&'static dyn Fault> = vec![&kill::Kill, &restart::Restart];
    all.extend(misbehaviour::ALL.iter().map(|fault| fault as &dyn Fault));
    all.extend([
        &dead_destination::DeadDestination as &dyn Fault,
        &clock::Clock,
        &configuration::Configuration,
        &poison_event::PoisonEvent,
        &poison_object::PoisonObject,
        &poison_record::PoisonRecord,
    ]);
    all.extend(api_server::ALL.iter().map(|fault| fault as &dyn Fault));
    all.push(&api_server::LeaderKilled);
    all.extend(disk_trouble::ALL.iter().map(|fault| fault as &dyn Fault));
    all.extend([
        &disk_full_real::DiskFullReal as &dyn Fault,
        &power_cut::PowerCut,
    ]);
    all.extend(power_replay::ALL.iter().map(|fault| fault as &dyn Fault));
    all
}

/// The faults of these names; all without any.
pub(crate) fn named(names: &[String]) -> anyhow::Result<Vec<&'static dyn Fault>> {
    let all = all();
    if names.is_empty() {
        return Ok(all);
    }
    names
        .iter()
        .map(|name| {
            let found = all.iter().find(|fault| fault.card().name == name);
            found.copied().ok_or_else(|| {
                anyhow::anyhow!("there is no fault `{name}`; `torture list` names them all")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn faults_have_names_of_their_own_and_are_found_by_them() {
        let names: BTreeSet<&str> = all().iter().map(|fault| fault.card().name).collect();
        assert_eq!(names.len(), all().len());
        for name in names {
            assert!(
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            );
            assert_eq!(named(&[name.to_owned()]).unwrap().len(), 1);
        }
        assert!(named(&["earthquake".to_owned()]).is_err());
        assert_eq!(named(&[]).unwrap().len(), all().len());
    }
}
