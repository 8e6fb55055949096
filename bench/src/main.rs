//! Measures the product from outside, on the machine it runs on, beside the floors of that machine.
//!
//! It starts the real binary, loads it over loopback only, and writes figures with their conditions.
//! Load generator and sinks run in this process; every loop is bounded in count and time.

mod bitmap;
mod command_line;
mod conditions;
mod event;
mod figure;
mod floor;
mod histogram;
mod http1;
mod ledger;
mod load;
mod manifests;
mod peer;
mod process;
mod product;
mod report;
mod request;
mod running;
mod scenario;
mod sink;
mod webhook;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;

use command_line::{CommandLine, Hidden};
use figure::{Figure, Verdict};
use scenario::Laboratory;

fn main() -> anyhow::Result<()> {
    let command_line = CommandLine::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    match command_line.hidden {
        Some(Hidden::FloorServer { address }) => runtime.block_on(floor::serve(address)),
        None => runtime.block_on(measure(&command_line)),
    }
}

async fn measure(command_line: &CommandLine) -> anyhow::Result<()> {
    let chosen = scenario::choose(&command_line.scenarios)?;
    let work = command_line.work_dir.clone();
    std::fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let laboratory = Laboratory {
        fanfare: command_line.fanfare.clone(),
        wrapper: Vec::new(),
        soak: Duration::from_secs(command_line.soak_minutes * 60),
        alertmanager: command_line.alertmanager.clone(),
        work: std::path::absolute(&work)?,
        seconds: command_line.seconds,
        connections: command_line.connections,
        arguments: command_line.fanfare_argument.clone(),
        epoch: Instant::now(),
    };
    let conditions = conditions::read(&laboratory, command_line);

    let mut runs: Vec<Vec<Figure>> = Vec::new();
    let mut errors = Vec::new();
    // Repetitions go round and round, so that what else the machine does spreads over all figures.
    for repetition in 1..=command_line.repeat {
        let of = command_line.repeat;
        say(&format!("floors ({repetition} of {of})"))?;
        let (floors, figures) = floor::measure(&laboratory).await?;
        print_all(&figures)?;
        runs.push(figures);
        for scenario in &chosen {
            say(&format!("{} ({repetition} of {of})", scenario.name()))?;
            match scenario.run(&laboratory, &floors).await {
                Ok(figures) => {
                    print_all(&figures)?;
                    runs.push(figures);
                }
                Err(error) => {
                    let text = format!("{}: {error:#}", scenario.name());
                    say(&format!("  harness error: {text}"))?;
                    errors.push(text);
                }
            }
        }
    }

    let figures = figure::medians(runs.into_iter().flatten());
    let text = report::markdown(&conditions, &figures, &errors);
    say(&text)?;
    if let Some(output) = &command_line.output {
        write(output, &text)?;
        let json = report::json(&conditions, &figures, &errors)?;
        write(&output.with_extension("json"), &json)?;
    }
    anyhow::ensure!(errors.is_empty(), "{} harness errors", errors.len());
    let missed = figure::missed(&figures, &command_line.check)?;
    anyhow::ensure!(missed.is_empty(), "below the checks: {}", missed.join("; "));
    Ok(())
}

fn print_all(figures: &[Figure]) -> anyhow::Result<()> {
    for figure in figures {
        let verdict = match figure.verdict() {
            Verdict::None => "",
            Verdict::Ok => "ok",
            Verdict::Short => "SHORT",
        };
        say(&format!(
            "  {:<58} {:>12} {:<8} {verdict}",
            figure.id,
            figure::number(figure.value),
            figure.unit
        ))?;
    }
    Ok(())
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
