//! Tortures a notification system and accounts for every event that it accepted.
//!
//! It starts the target as a real process, sends numbered events, does to it what happens to systems,
//! and at the end says of every accepted event whether it was delivered, settled otherwise, or lost.

mod client;
mod command_line;
mod compiler;
mod conditions;
mod destination;
mod dice;
mod door;
mod fault;
mod ledger;
mod load;
mod mount;
mod place;
mod plan;
mod power;
mod process;
mod report;
mod round;
mod run;
mod setup;
mod shim;
mod stalls;
mod stamp;
mod tally;
mod target;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use futures::StreamExt as _;
use tokio::signal::unix::{SignalKind, signal};

use command_line::{Command, CommandLine};
use fault::{Fault, Needs};
use run::{Assignment, Outcome};
use target::Target;

/// How long faults are mixed when nobody says so.
const BRIEF_MIX: Duration = Duration::from_secs(30);

fn main() -> anyhow::Result<()> {
    let command_line = CommandLine::parse();
    if let Some(Command::List) = command_line.command {
        for fault in fault::all() {
            let card = fault.card();
            say(&format!("{:<18} {}", card.name, card.about))?;
        }
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        // Whoever ends this program ends its targets, too: they are killed when they are dropped.
        tokio::select! {
            done = torture(&command_line) => done,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
            _ = terminated.recv() => anyhow::bail!("terminated"),
        }
    })
}

async fn torture(command_line: &CommandLine) -> anyhow::Result<()> {
    let seed = command_line.seed.unwrap_or_else(conditions::made_up_seed);
    say(&format!("seed {seed}"))?;
    let binary = match command_line.target.as_str() {
        "alertmanager" => command_line.alertmanager.as_deref(),
        _ => command_line.fanfare.as_deref(),
    };
    let target = target::named(&command_line.target, binary)?;
    let mut skipped = Vec::new();
    let faults = fitting(command_line, &*target, &mut skipped)?;
    for reason in &skipped {
        say(&format!("not tried: {reason}"))?;
    }
    let work = std::path::absolute(&command_line.work_dir)?;
    std::fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let lock = File::create(work.join("lock")).context("making a lock file")?;
    lock.try_lock().with_context(|| {
        let work = work.display();
        format!("another run has its data in {work}; name another folder with --work-dir")
    })?;
    let conditions = conditions::read(command_line, seed, &*target, &work);

    // Long runs may be ended early; the report has what there is.
    let write_report = |outcomes: &[Outcome]| {
        let Some(output) = &command_line.output else {
            return Ok(());
        };
        let outcomes = report::merged(outcomes);
        write(output, &report::markdown(&conditions, &outcomes, &skipped))?;
        let json = report::json(&conditions, &outcomes, &skipped)?;
        write(&output.with_extension("json"), &json)
    };
    let outcomes = carry_out_all(
        &target,
        &assignments(command_line, seed, &faults),
        &work,
        usize::from(command_line.jobs),
        &write_report,
    )
    .await?;
    let outcomes = report::merged(&outcomes);
    say("")?;
    say(&report::table(&outcomes))?;
    say(&report::remarks(&outcomes))?;
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| !outcome.tally.complaints.is_empty())
        .map(|outcome| outcome.name.as_str())
        .collect();
    if !failed.is_empty() {
        anyhow::bail!(
            "failed: {}\nseed {seed}; to repeat: cargo run -p torture -- {}",
            failed.join(", "),
            conditions::repeating(command_line, seed)
        );
    }
    Ok(())
}

/// The faults that were asked for and can be done here.
fn fitting(
    command_line: &CommandLine,
    target: &dyn Target,
    skipped: &mut Vec<String>,
) -> anyhow::Result<Vec<&'static dyn Fault>> {
    let mut faults = fault::named(&command_line.faults)?;
    faults.retain(|fault| {
        let card = fault.card();
        let fit = card.needs.fit(target.name());
        let reason = fit.as_ref().err();
        skipped.extend(reason.map(|reason| format!("{}: {reason}", card.name)));
        fit.is_ok()
    });
    anyhow::ensure!(!faults.is_empty(), "none of these faults can be tried here");
    Ok(faults)
}

/// All rounds, as a function of seed and command line.
fn assignments(
    command_line: &CommandLine,
    seed: u64,
    faults: &[&'static dyn Fault],
) -> Vec<Assignment> {
    let kills = command_line
        .kills
        .map(|kills| usize::try_from(kills).unwrap_or(usize::MAX));
    let replays = command_line
        .cuts
        .map(|cuts| usize::try_from(cuts).unwrap_or(usize::MAX))
        .map(|cuts| cuts.div_ceil(fault::CUTS_PER_REPLAY));
    let mut assignments: Vec<Assignment> = faults
        .iter()
        .filter(|_| !command_line.no_alone)
        .flat_map(|fault| {
            let strikes = match fault.card().name {
                "kill" => kills,
                "power-first-start" | "power-replay" => replays,
                _ => None,
            };
            run::alone(seed, *fault, strikes)
        })
        .collect();
    if command_line.no_mix {
        return assignments;
    }
    let time = command_line.minutes.map_or(BRIEF_MIX, Duration::from_mins);
    for (name, mix) in mixes(faults) {
        assignments.extend(run::mixed(seed, name, &mix, time));
    }
    assignments
}

/// Which faults are mixed with which: those of clusters with some of the others, and all others.
fn mixes(faults: &[&'static dyn Fault]) -> Vec<(&'static str, Vec<&'static dyn Fault>)> {
    const ALSO_IN_CLUSTERS: [&str; 3] = ["kill", "refuse", "server-error"];
    let mixing = faults.iter().copied().filter(|fault| fault.card().mixes);
    let (cluster, alone): (Vec<_>, Vec<_>) =
        mixing.partition(|fault| fault.card().needs == Needs::Cluster);
    let mut in_cluster = cluster.clone();
    in_cluster.extend(
        alone
            .iter()
            .filter(|fault| ALSO_IN_CLUSTERS.contains(&fault.card().name)),
    );
    let mut mixes = Vec::new();
    if alone.len() > 1 {
        mixes.push(("mixed", alone));
    }
    if !cluster.is_empty() && in_cluster.len() > 1 {
        mixes.push(("mixed-cluster", in_cluster));
    }
    mixes
}

async fn carry_out_all(
    target: &Arc<dyn Target>,
    assignments: &[Assignment],
    work: &Path,
    jobs: usize,
    write_report: &dyn Fn(&[Outcome]) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Outcome>> {
    let rounds = assignments.iter().enumerate().map(|(number, assignment)| {
        let folder = work.join(format!("{number:03}-{}", assignment.name));
        async move {
            let outcome = run::carry_out(Arc::clone(target), assignment, folder).await;
            (number, outcome)
        }
    });
    let mut running = futures::stream::iter(rounds).buffer_unordered(jobs);
    // In the order in which they were assigned, whichever ends first.
    let (mut numbers, mut outcomes) = (Vec::new(), Vec::new());
    while let Some((number, outcome)) = running.next().await {
        let (account, tally) = (&outcome.account, &outcome.tally);
        say(&format!(
            "{:<7} {:<18} {:>3} s: {} accepted, {} of {} delivered, {} settled, {} lost, {} out of order, {} kills",
            if tally.complaints.is_empty() {
                "ok"
            } else {
                "FAILED"
            },
            outcome.name,
            outcome.seconds,
            account.accepted,
            account.once + account.repeated,
            account.owed,
            account.settled.values().sum::<u64>(),
            account.lost,
            account.disordered,
            tally.kills,
        ))?;
        for complaint in &tally.complaints {
            say(&format!("        {complaint}"))?;
        }
        let place = numbers.partition_point(|known| *known < number);
        numbers.insert(place, number);
        outcomes.insert(place, outcome);
        write_report(&outcomes)?;
    }
    Ok(outcomes)
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("writing to standard output")
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
