//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures the product beside the floors of this machine
#[derive(Debug, Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) hidden: Option<Hidden>,

    /// Scenarios to run, or beginnings of their names; all but the soak without any
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,
    /// The binary to measure
    #[arg(long, value_name = "FILE", default_value = "target/release/fanfare")]
    pub(crate) fanfare: PathBuf,
    /// How long each load lasts
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// How long the soak lasts
    #[arg(long, value_name = "NUMBER", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1440))]
    pub(crate) soak_minutes: u64,
    /// Alertmanager to put beside the product, if it is there
    #[arg(long, value_name = "FILE", default_value = "prometheus-alertmanager")]
    pub(crate) alertmanager: PathBuf,
    /// Connections of the load generator
    #[arg(long, value_name = "NUMBER", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) connections: u16,
    /// How often each scenario runs; the report has medians
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=20))]
    pub(crate) repeat: u8,
    /// Folder for data and logs; its disk is the one that is measured
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub(crate) work_dir: PathBuf,
    /// Report to write, in Markdown; a JSON file of the same name goes beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Page whose part between `<!-- measured -->` and `<!-- /measured -->` is written anew from the
    /// report
    #[arg(long, value_name = "FILE", requires = "output")]
    pub(crate) page: Option<PathBuf>,
    /// Date to put into the report
    #[arg(long, value_name = "DATE", default_value = "not given")]
    pub(crate) date: String,
    /// What else to say about the conditions, such as what ran beside; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Vec<String>,
    /// Further argument for the measured binary; may be repeated
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(crate) fanfare_argument: Vec<String>,
    /// Fail unless a figure reaches this share of its floor, such as `accept-saturated/no-alert/accepted=0.1`
    #[arg(long, value_name = "FIGURE=RATIO")]
    pub(crate) check: Vec<String>,
    /// Fail if more instructions were counted than this file has, beyond its tolerance
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the counted instructions into this file
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    pub(crate) write_baseline: Option<PathBuf>,
}

/// What this program starts itself as.
#[derive(Debug, Subcommand)]
pub(crate) enum Hidden {
    /// A bare server that answers 202
    #[command(hide = true)]
    FloorServer {
        /// Where to listen
        address: SocketAddr,
        /// Where each body is synced to before it is answered
        file: Option<PathBuf>,
    },
}
