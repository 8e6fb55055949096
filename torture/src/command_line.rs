//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Tortures a notification system and accounts for every event that it accepted
#[derive(Debug, Parser)]
#[command(name = "torture", args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Faults to try, each alone and then all mixed; all that fit the target without any
    #[arg(value_name = "FAULT")]
    pub(crate) faults: Vec<String>,
    /// What to torture: fanfare or alertmanager
    #[arg(long, value_name = "NAME", default_value = "fanfare")]
    pub(crate) target: String,
    /// The binary of Fanfare; by default the one that cargo built beside this program
    #[arg(long, value_name = "FILE")]
    pub(crate) fanfare: Option<PathBuf>,
    /// The binary of Alertmanager; by default the one in PATH
    #[arg(long, value_name = "FILE")]
    pub(crate) alertmanager: Option<PathBuf>,
    /// Decides everything that is random; without one it is made up and printed
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// How long to mix faults after each was tried alone; without it, half a minute
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) minutes: Option<u64>,
    /// How often the fault `kill` kills when it is alone
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) kills: Option<u64>,
    /// How often each of the faults that replay a record cuts the power
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) cuts: Option<u64>,
    /// Only mix faults, do not try each alone
    #[arg(long, conflicts_with = "no_mix")]
    pub(crate) no_alone: bool,
    /// Leave the mixed run out
    #[arg(long)]
    pub(crate) no_mix: bool,
    /// Rounds at the same time, each with a target of its own
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub(crate) jobs: u16,
    /// Folder for data and logs; those of rounds that failed stay there
    #[arg(long, value_name = "DIR", default_value = "target/torture")]
    pub(crate) work_dir: PathBuf,
    /// Report to write, in Markdown; a JSON file of the same name goes beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Date to put into the report
    #[arg(long, value_name = "DATE", default_value = "not given")]
    pub(crate) date: String,
    /// What else to say about the conditions; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Vec<String>,
}

/// What else it can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Name all faults
    List,
}
