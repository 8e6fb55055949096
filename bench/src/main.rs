//! Measures the product from outside, on the machine it runs on, beside the floors of that machine.
//!
//! It starts the real binary, loads it over loopback only, and writes figures with their conditions.
//! Load generator and sinks run in this process; every loop is bounded in count and time.

mod baseline;
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
mod page;
mod peer;
mod plot;
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

use baseline::Baseline;
use command_line::{CommandLine, Hidden};
use figure::{Figure, Verdict};
use floor::Floors;
use page::Measured;
use scenario::{Laboratory, Scenario};

fn main() -> anyhow::Result<()> {
    let command_line = CommandLine::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    match &command_line.hidden {
        Some(Hidden::FloorServer { address, file }) => {
            runtime.block_on(floor::serve(*address, file.as_deref()))
        }
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

    let (runs, errors) = run_all(command_line, &laboratory, &chosen).await?;
    let figures = figure::medians(runs.into_iter().flatten());
    let text = report::markdown(&conditions, &figures, &errors);
    say(&text)?;
    if let Some(output) = &command_line.output {
        write(output, &text)?;
        let json = report::json(&conditions, &figures, &errors)?;
        write(&output.with_extension("json"), &json)?;
        let stem = output.file_stem().context("a report needs a name")?;
        let pictures = plot::pictures(&figures);
        for (name, picture) in &pictures {
            let file = format!("{}-{name}.svg", stem.display());
            write(&output.with_file_name(file), picture)?;
        }
        if let Some(path) = &command_line.page {
            let measured = Measured {
                conditions: &conditions,
                figures: &figures,
                pictures: pictures.iter().map(|(name, _)| *name).collect(),
                report: output,
            };
            let page = std::fs::read_to_string(path)
                .with_context(|| format!("reading {}", path.display()))?;
            write(path, &measured.put_into(&page, path)?)?;
        }
    }
    if let Some(path) = &command_line.write_baseline {
        write(path, &Baseline::of(&figures).text()?)?;
    }
    judge(command_line, &figures, &errors)
}

/// Figures of all runs, and why scenarios could not be run to their end.
async fn run_all(
    command_line: &CommandLine,
    laboratory: &Laboratory,
    chosen: &[Scenario],
) -> anyhow::Result<(Vec<Vec<Figure>>, Vec<String>)> {
    let mut runs: Vec<Vec<Figure>> = Vec::new();
    let mut errors = Vec::new();
    // Repetitions go round and round, so that what else the machine does spreads over all figures.
    for repetition in 1..=command_line.repeat {
        let of = command_line.repeat;
        let mut floors = Floors::default();
        if scenario::need_floors(chosen) {
            say(&format!("floors ({repetition} of {of})"))?;
            let (measured, figures) = floor::measure(laboratory).await?;
            print_all(&figures)?;
            floors = measured;
            runs.push(figures);
        }
        for scenario in chosen {
            say(&format!("{} ({repetition} of {of})", scenario.name()))?;
            if let Some(reason) = scenario.lacks(laboratory) {
                say(&format!("  skipped: {reason}"))?;
                continue;
            }
            match scenario.run(laboratory, &floors).await {
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
    Ok((runs, errors))
}

/// An error for what is not as it should be.
fn judge(command_line: &CommandLine, figures: &[Figure], errors: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(errors.is_empty(), "{} harness errors", errors.len());
    let missed = figure::missed(figures, &command_line.check)?;
    anyhow::ensure!(missed.is_empty(), "below the checks: {}", missed.join("; "));
    if let Some(path) = &command_line.baseline {
        let baseline = Baseline::read(path)?;
        for better in baseline.outdated(figures) {
            say(&format!("worth recording (--write-baseline): {better}"))?;
        }
        let exceeded = baseline.exceeded(figures);
        anyhow::ensure!(
            exceeded.is_empty(),
            "more than {} allows: {}; if that is meant, record it with --write-baseline",
            path.display(),
            exceeded.join("; ")
        );
    }
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
