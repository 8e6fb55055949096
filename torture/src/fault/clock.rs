//! The wall clock jumps, as it does when a machine wakes up, or when somebody sets it.
//!
//! A library that is loaded into the target moves what the C library says the time is. While the clock
//! is wrong the destination fails now and then, so that times to come are computed by it.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Card, Fault, Needs, Work};
use crate::compiler;
use crate::destination::{Mode, Role};
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::setup::Setup;
use anyhow::Context as _;

const SOURCE: &str = include_str!("../../shim/clock.c");

/// The variable that names the file with the offset; `shim/clock.c` reads it.
const VARIABLE: &str = "TORTURE_CLOCK";

/// How far it jumps, in seconds. Not as far as notifications are kept (four hours), since whoever sets a
/// clock that far on purpose wants what comes of it.
const JUMPS: [i64; 8] = [-7200, -3600, -90, -5, 5, 90, 3600, 7200];

/// The fault.
pub(crate) struct Clock;

fn offset_file(setup: &Setup) -> PathBuf {
    setup.folder.join("clock")
}

/// Makes the clock wrong by so much.
fn set(file: &Path, seconds: i64) -> anyhow::Result<()> {
    let open = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(file);
    open.and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), 0))
        .with_context(|| format!("writing {}", file.display()))
}

impl Fault for Clock {
    fn card(&self) -> Card {
        Card::new(
            "clock",
            "the wall clock jumps, by seconds up to two hours, forth and back",
            Rhythm::millis(500..1500, 1500..3500, 4),
        )
        .needs(Needs::Clock)
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        setup.roles.insert(Role::Victim);
        let library = compiler::library("clock", SOURCE, &setup.folder)?;
        let file = offset_file(setup);
        set(&file, 0)?;
        setup.environment.push((VARIABLE.to_owned(), file.into()));
        setup.preload.push(library);
        Ok(())
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let mut dice = strike.dice();
            let jump = dice.pick(&JUMPS).copied().unwrap_or(3600);
            let file = offset_file(&round.setup);
            let Some(victim) = round.destination(Role::Victim) else {
                return Ok(());
            };
            // Too short to count as down: single deliveries wait for their retry.
            let hiccup = Duration::from_millis(dice.below(60));
            victim.misbehave(Mode::Status(500), hiccup).await;
            set(&file, jump)?;
            victim.misbehave(Mode::Status(500), hiccup).await;
            tokio::time::sleep(strike.lasts).await;
            set(&file, 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_with_the_library_sees_the_time_that_the_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let library = compiler::library("clock", SOURCE, folder.path()).unwrap();
        let file = folder.path().join("clock");
        let seconds = |offset: i64| -> i64 {
            set(&file, offset).unwrap();
            let output = Command::new("date")
                .arg("+%s")
                .env("LD_PRELOAD", &library)
                .env(VARIABLE, &file)
                .output()
                .unwrap();
            String::from_utf8(output.stdout)
                .unwrap()
                .trim()
                .parse()
                .unwrap()
        };
        let now = seconds(0);
        assert!((seconds(3600) - now - 3600).abs() < 60);
        assert!((seconds(-3600) - now + 3600).abs() < 60);
    }
}
