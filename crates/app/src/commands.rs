//! One command, one file.

mod check;
mod controller;
mod explain;
mod queue;
mod render;
mod run;
mod send;
mod serve;
mod version;

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::Command;
use crate::hints::Hinted;

/// Larger files are no events; the event port takes 3 MiB.
const LARGEST_EVENT: u64 = 3 << 20;

/// Carries a command out.
pub(crate) fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(arguments) => run::execute(&arguments),
        Command::Controller(arguments) => controller::execute(&arguments),
        Command::Check(arguments) => check::execute(&arguments),
        Command::Explain(arguments) => explain::execute(&arguments),
        Command::Render(arguments) => render::execute(&arguments),
        Command::Send(arguments) => send::execute(&arguments),
        Command::Queue { command } => queue::execute(&command),
        Command::Version(format) => version::execute(format),
    }
}

/// Reads an event file, or standard input for `-`.
fn read_event_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(LARGEST_EVENT + 1)
            .read_to_end(&mut bytes)
            .context("reading the event from standard input")?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(LARGEST_EVENT + 1).read_to_end(&mut bytes))
            .with_context(|| format!("reading the event file `{}`", path.display()))?;
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST_EVENT {
        anyhow::bail!(
            "`{}` is larger than 3 MiB, which is more than an event may have",
            path.display()
        );
    }
    Ok(bytes)
}

/// Decodes an event file the way the event port would.
fn read_event(path: &Path) -> anyhow::Result<domain::CleanEvent> {
    let bytes = read_event_file(path)?;
    let named = |error: String| {
        Hinted::error(
            format!("`{}`: {error}", path.display()),
            "an event is a JSON object with at least involvedObject.kind and involvedObject.name; \
             see docs/guides/events.md",
        )
    };
    let event = api::event::decode(&bytes).map_err(|error| named(error.to_string()))?;
    let (event, _) =
        domain::CleanEvent::from_wire(event).map_err(|error| named(error.to_string()))?;
    Ok(event)
}
