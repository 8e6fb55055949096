//! Which rounds there are, and how one is carried out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::dice::Dice;
use crate::fault::{Card, Fault, Needs};
use crate::ledger::Account;
use crate::plan::{self, Strike};
use crate::round::Round;
use crate::setup::Setup;
use crate::tally::Tally;
use crate::target::Target;

/// Kills in one round at most, so that a round's account stays small.
const MOST_STRIKES: usize = 100;

/// How long faults are mixed in one round at most.
const MIXED_ROUND: Duration = Duration::from_mins(2);

/// How late a strike of a mixed round may be, because the machine is slow, before it is left out: strikes
/// that pile up would leave no time to deliver anything.
const MOST_LATE: Duration = Duration::from_secs(5);

/// How long the load goes on after the last strike.
const AFTERMATH: Duration = Duration::from_millis(500);

/// A round to be carried out; a pure function of the seed and of what was asked for.
#[derive(Clone)]
pub(crate) struct Assignment {
    /// Name of the fault, or `mixed`.
    pub(crate) name: String,
    /// All faults that may strike.
    pub(crate) faults: Vec<&'static dyn Fault>,
    /// What happens when.
    pub(crate) plan: Vec<Strike>,
    /// Whether strikes that come too late are left out.
    pub(crate) skips_late: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// Name of the fault, or `mixed`.
    pub(crate) name: String,
    /// How many strikes there were.
    pub(crate) strikes: usize,
    /// The account.
    pub(crate) account: Account,
    /// What happened to the process.
    pub(crate) tally: Tally,
    /// How long it took.
    pub(crate) seconds: u64,
}

/// The rounds of one fault alone.
pub(crate) fn alone(
    seed: u64,
    fault: &'static dyn Fault,
    strikes: Option<usize>,
) -> Vec<Assignment> {
    let Card { name, rhythm, .. } = fault.card();
    let mut left = strikes.unwrap_or(rhythm.brief);
    let mut dice = Dice::of_purpose(seed, "alone");
    let mut rounds = Vec::new();
    while left > 0 {
        let count = left.min(MOST_STRIKES);
        left -= count;
        rounds.push(Assignment {
            name: name.to_owned(),
            faults: vec![fault],
            plan: plan::alone(dice.number(), name, &rhythm, count),
            skips_late: false,
        });
    }
    rounds
}

/// The rounds in which faults are mixed, under a name.
pub(crate) fn mixed(
    seed: u64,
    name: &str,
    faults: &[&'static dyn Fault],
    time: Duration,
) -> Vec<Assignment> {
    let rhythms: Vec<_> = faults
        .iter()
        .map(|fault| fault.card())
        .map(|card| (card.name, card.rhythm))
        .collect();
    let mut dice = Dice::of_purpose(seed, name);
    let mut left = time;
    let mut rounds = Vec::new();
    while left > Duration::ZERO {
        let span = left.min(MIXED_ROUND);
        left = left.saturating_sub(span);
        rounds.push(Assignment {
            name: name.to_owned(),
            faults: faults.to_vec(),
            plan: plan::mixed(dice.number(), &rhythms, span),
            skips_late: true,
        });
    }
    rounds
}

/// Carries a round out in a folder of its own, which goes if nothing was wrong.
pub(crate) async fn carry_out(
    target: Arc<dyn Target>,
    assignment: &Assignment,
    folder: PathBuf,
) -> Outcome {
    let started = Instant::now();
    let (account, mut tally) = match attempt(target, assignment, &folder).await {
        Ok(ended) => ended,
        Err(error) => {
            let tally = Tally {
                complaints: vec![format!("{error:#}")],
                ..Tally::default()
            };
            (Account::default(), tally)
        }
    };
    if tally.complaints.is_empty() {
        // What is left over is no more than in the way.
        let _ = std::fs::remove_dir_all(&folder);
    } else {
        tally.complaints.push(format!("see {}", folder.display()));
    }
    Outcome {
        name: assignment.name.clone(),
        strikes: assignment.plan.len(),
        account,
        tally,
        seconds: started.elapsed().as_secs(),
    }
}

async fn attempt(
    target: Arc<dyn Target>,
    assignment: &Assignment,
    folder: &Path,
) -> anyhow::Result<(Account, Tally)> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("removing {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut setup = Setup::new(folder.to_owned());
    for fault in &assignment.faults {
        fault.prepare(&mut setup)?;
    }
    let target = if assignment
        .faults
        .iter()
        .any(|fault| fault.card().needs == Needs::Cluster)
    {
        target.in_cluster(folder).await?
    } else {
        target
    };
    let round = Round::start(target, setup).await?;
    let struck = strike_all(&round, assignment).await;
    if let Err(error) = struck {
        round.complain(format!("{error:#}"));
    }
    tokio::time::sleep(AFTERMATH).await;
    let account = round.drain().await?;
    for fault in &assignment.faults {
        fault.judge(&round).await?;
    }
    let tally = round.finish(&account).await?;
    Ok((account, tally))
}

async fn strike_all(round: &Round, assignment: &Assignment) -> anyhow::Result<()> {
    let begun = Instant::now();
    // A strike that takes longer than planned holds the next one of the same fault up.
    let turns: BTreeMap<&str, Mutex<()>> = assignment
        .faults
        .iter()
        .map(|fault| (fault.card().name, Mutex::default()))
        .collect();
    let turns = &turns;
    let mut running = FuturesUnordered::new();
    for strike in &assignment.plan {
        let Some(fault) = assignment
            .faults
            .iter()
            .find(|fault| fault.card().name == strike.fault)
        else {
            continue;
        };
        running.push(async move {
            tokio::time::sleep_until((begun + strike.at).into()).await;
            let turn = turns
                .get(strike.fault)
                .context("every fault has its turn")?;
            let _turn = turn.lock().await;
            if assignment.skips_late && begun.elapsed() > strike.at + MOST_LATE {
                round.count("strikes left out because they came too late", 1);
                return Ok(());
            }
            let struck = fault.strike(round, strike).await;
            struck.with_context(|| format!("{} at {:?}", strike.fault, strike.at))
        });
    }
    while let Some(struck) = running.next().await {
        struck?;
    }
    Ok(())
}
