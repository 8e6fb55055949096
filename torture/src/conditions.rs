//! Under which conditions a run took place, and how to repeat it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;

use testkit::Conditions;

use crate::command_line::CommandLine;
use crate::target::Target;

/// A seed that nobody chose; short enough to type.
pub(crate) fn made_up_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000_000
}

/// Reads them.
pub(crate) fn read(
    command_line: &CommandLine,
    seed: u64,
    target: &dyn Target,
    work: &Path,
) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.add("date", &command_line.date);
    conditions.add("seed", seed.to_string());
    conditions.add("arguments", repeating(command_line, seed));
    conditions.add("target", target.name());
    conditions.add("version", target.version());
    conditions.add("its promise", target.promise().words);
    conditions.add_machine(work);
    conditions.add_notes(&command_line.note);
    conditions
}

/// The arguments that do the same again.
pub(crate) fn repeating(command_line: &CommandLine, seed: u64) -> String {
    let mut arguments = vec![format!("--seed {seed}")];
    if command_line.target != "fanfare" {
        arguments.push(format!("--target {}", command_line.target));
    }
    for (name, file) in [
        ("fanfare", &command_line.fanfare),
        ("alertmanager", &command_line.alertmanager),
    ] {
        if let Some(file) = file {
            arguments.push(format!("--{name} {}", file.display()));
        }
    }
    for (name, number) in [
        ("minutes", command_line.minutes),
        ("kills", command_line.kills),
        ("cuts", command_line.cuts),
    ] {
        if let Some(number) = number {
            arguments.push(format!("--{name} {number}"));
        }
    }
    if command_line.no_alone {
        arguments.push("--no-alone".to_owned());
    }
    if command_line.no_mix {
        arguments.push("--no-mix".to_owned());
    }
    arguments.push(format!("--jobs {}", command_line.jobs));
    arguments.extend(command_line.faults.iter().cloned());
    arguments.join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn what_repeats_a_run_is_a_command_line_that_says_the_same() {
        let given = [
            "torture",
            "--target",
            "alertmanager",
            "--kills",
            "7",
            "--no-mix",
            "kill",
        ];
        let text = repeating(&CommandLine::parse_from(given), 42);
        let again = ["torture"].into_iter().chain(text.split(' '));
        let again = CommandLine::parse_from(again);
        assert_eq!(again.seed, Some(42));
        assert_eq!((again.kills, again.no_mix), (Some(7), true));
        assert_eq!(
            (again.target.as_str(), again.faults.len()),
            ("alertmanager", 1)
        );
    }
}
