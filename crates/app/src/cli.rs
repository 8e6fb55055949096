//! The command tree.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::delivery::DeliveryState;

use crate::settings::{ConfigurationArguments, ControllerArguments, RunArguments};

/// Tells people and Git hosts what GitOps controllers do. A drop-in for Flux's
/// notification-controller that never loses an accepted event.
#[derive(Debug, Parser)]
#[command(
    name = "fanfare",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 success, 1 the command failed or found problems, 2 wrong usage.\n\
                  Documentation: docs/ in the repository."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve: take events, deliver notifications
    ///
    /// Reads Provider, Alert and Secret manifests from a folder and follows its changes. What was
    /// answered with 202 is on disk in the data directory and is delivered, also after a crash.
    Run(Box<RunArguments>),
    /// Serve in a Kubernetes cluster, in the place of Flux's notification-controller
    ///
    /// Follows Provider, Alert and Secret objects of the API server that KUBECONFIG, the pod's service
    /// account or ~/.kube/config name. Takes the flags of notification-controller.
    #[command(args_override_self = true)]
    Controller(Box<ControllerArguments>),
    /// Check manifests and report every problem with file, line and field
    Check(CheckArguments),
    /// Say, Alert by Alert, what would become of an event and why
    Explain(EventArguments),
    /// Show the exact requests that an event would cause, credentials redacted
    Render(EventArguments),
    /// Post an event to a running Fanfare, as a controller would
    Send(SendArguments),
    /// See what is pending, failed or delivered; replay or drop it
    Queue {
        #[command(subcommand)]
        command: QueueCommand,
    },
    /// Print the version
    Version(FormatArgument),
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Files or folders with manifests
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretsArgument,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsArgument {
    /// Folder with Secrets as files: DIR/NAMESPACE/NAME/KEY
    #[arg(long, value_name = "DIR", env = "FANFARE_SECRETS_DIR")]
    pub(crate) secrets_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EventArguments {
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
    /// File with the event as JSON; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) event: PathBuf,
    /// Alerts only take events of objects in their own namespace
    #[arg(long)]
    pub(crate) no_cross_namespace_refs: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Args)]
pub(crate) struct SendArguments {
    /// File with the event as JSON; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) event: PathBuf,
    /// Where Fanfare takes events
    #[arg(
        long,
        default_value = "http://127.0.0.1:9090/",
        env = "FANFARE_EVENTS_URL"
    )]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List deliveries, newest first; without filters those that wait or failed
    List(ListArguments),
    /// Show one delivery, or an event with everything that became of it
    Show(ShowArguments),
    /// Send settled deliveries again; without filters those that failed or expired
    Replay(ChangeArguments),
    /// Give waiting deliveries up
    Drop(ChangeArguments),
}

#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// Data directory of the running or stopped Fanfare
    #[arg(
        long,
        value_name = "DIR",
        default_value = "data",
        env = "FANFARE_DATA_DIR"
    )]
    pub(crate) data_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct FilterArguments {
    /// Only deliveries in this state; may be given several times
    #[arg(long = "state", value_name = "STATE")]
    pub(crate) states: Vec<DeliveryState>,
    /// Only deliveries to this Provider
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = object_key)]
    pub(crate) provider: Option<api::ObjectKey>,
    /// Only deliveries of this Alert
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = object_key)]
    pub(crate) alert: Option<api::ObjectKey>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
    /// Only deliveries older than this id, to turn pages
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// A delivery such as `4711.0`, or an event such as `4711`
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArguments {
    /// Deliveries such as `4711.0`
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// All deliveries that the command is about, when neither ids nor filters are given
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct FormatArgument {
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Format,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

fn object_key(text: &str) -> Result<api::ObjectKey, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(api::ObjectKey::new(namespace, name))
        }
        _ => Err("expected NAMESPACE/NAME, for example flux-system/slack".to_owned()),
    }
}
