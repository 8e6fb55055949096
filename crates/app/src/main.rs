//! The `fanfare` binary.

mod cli;
mod commands;
mod compose;
mod descriptors;
mod hints;
mod lifecycle;
mod output;
mod panics;
mod process_metrics;
mod runtime;
mod settings;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

/// Less memory and CPU than the system's under many small allocations of several threads.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    panics::tell_in(settings::LogEncoding::Console);
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    match commands::execute(cli.command) {
        Ok(code) => code,
        Err(error) => output::failure(&error),
    }
}
