//! Every flag and environment variable of the commands that read configuration, documented in place.
//!
//! Flags that the reference has keep its names and defaults (`operations.md` section 1).

mod controller;
mod identity;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use ipnet::IpNet;

pub(crate) use controller::{ControllerArguments, EventsAuth, FeatureGates};
pub(crate) use identity::{TokenArguments, azure_environment, google_environment};

/// Where configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigurationArguments {
    /// Folder with Provider, Alert and Secret manifests
    #[arg(long, value_name = "DIR", env = "FANFARE_CONFIG")]
    pub(crate) config: PathBuf,
    /// Folder with Secrets as files: DIR/NAMESPACE/NAME/KEY
    #[arg(long, value_name = "DIR", env = "FANFARE_SECRETS_DIR")]
    pub(crate) secrets_dir: Option<PathBuf>,
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
    /// Folder for accepted events and deliveries; one process at a time
    #[arg(
        long,
        value_name = "DIR",
        default_value = "data",
        env = "FANFARE_DATA_DIR"
    )]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
    /// What to do for each object that a webhook asks to reconcile: `event` makes an event of it, a
    /// URL gets a POST, anything else is a shell command
    #[arg(
        long,
        value_name = "event|URL|COMMAND",
        default_value = "event",
        help_heading = "Receivers"
    )]
    pub(crate) on_reconcile: String,
    /// How lines of the log look
    #[arg(
        long,
        value_name = "ENCODING",
        default_value = "console",
        help_heading = "Logs"
    )]
    pub(crate) log_encoding: LogEncoding,
}

/// Flags of everything that serves: `run` and `controller`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Address of the event server
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = ":9090",
        help_heading = "Ports"
    )]
    pub(crate) events_addr: String,
    /// Address of the metrics; `0` switches them off
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = ":8080",
        help_heading = "Ports"
    )]
    pub(crate) metrics_addr: String,
    /// Address of the health probes
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = ":9440",
        help_heading = "Ports"
    )]
    pub(crate) health_addr: String,

    /// Address of the webhooks of Receivers
    #[arg(
        long = "receiverAddr",
        value_name = "ADDRESS",
        default_value = ":9292",
        help_heading = "Ports"
    )]
    pub(crate) receiver_addr: String,

    #[command(flatten)]
    pub(crate) receivers: ReceiverArguments,

    /// How long a repeat of an event is answered with 429
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration,
          allow_negative_numbers = true, allow_hyphen_values = true, help_heading = "Events")]
    pub(crate) rate_limit_interval: Duration,
    /// Alerts only take events of objects in their own namespace, Receivers only name such objects
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = false,
          default_missing_value = "true", value_parser = boolean, action = ArgAction::Set,
          help_heading = "Events")]
    pub(crate) no_cross_namespace_refs: bool,
    /// Label HTTP metrics with the real request path
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = false,
          default_missing_value = "true", value_parser = boolean, action = ArgAction::Set,
          help_heading = "Events")]
    pub(crate) export_http_path_metrics: bool,

    /// How long a delivery is tried before it counts as failed
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration,
          help_heading = "Deliveries")]
    pub(crate) delivery_max_age: Duration,
    /// When chat messages about info events are not worth sending any more
    #[arg(long, value_name = "DURATION", default_value = "4h", value_parser = duration,
          help_heading = "Deliveries")]
    pub(crate) stale_after: Duration,
    /// Attempts at once, in all
    #[arg(long, value_name = "NUMBER", default_value_t = 256, value_parser = positive,
          help_heading = "Deliveries")]
    pub(crate) delivery_concurrency: usize,
    /// Attempts at once, per Provider
    #[arg(long, value_name = "NUMBER", default_value_t = 32, value_parser = positive,
          help_heading = "Deliveries")]
    pub(crate) provider_concurrency: usize,

    /// How long settled deliveries are kept
    #[arg(long, value_name = "DURATION", default_value = "168h", value_parser = duration,
          help_heading = "Store")]
    pub(crate) history: Duration,
    /// How many bytes the store may take before the oldest settled deliveries go
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size,
          help_heading = "Store")]
    pub(crate) history_size: u64,
    /// How many events and deliveries may wait before new events are refused with 503
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1_000_000,
        help_heading = "Store"
    )]
    pub(crate) queue_limit: u64,
    /// How many bytes may wait before new events are refused with 503
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = size,
          help_heading = "Store")]
    pub(crate) queue_size_limit: u64,

    #[command(flatten)]
    pub(crate) egress: EgressArguments,
    #[command(flatten)]
    pub(crate) tokens: TokenArguments,
    /// Least level of what is logged
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "info",
        help_heading = "Logs"
    )]
    pub(crate) log_level: LogLevel,
}

/// How webhooks are answered.
#[derive(Debug, Args)]
pub(crate) struct ReceiverArguments {
    /// How long a replaced token still counts; `0` for not at all
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration,
          help_heading = "Receivers")]
    pub(crate) receiver_rotation_overlap: Duration,
    /// Refuse HMAC-SHA1 where senders can do better
    #[arg(long, help_heading = "Receivers")]
    pub(crate) receiver_refuse_sha1: bool,
}

/// Which addresses may be dialled.
#[derive(Debug, Args)]
pub(crate) struct EgressArguments {
    /// Networks to dial although they are link-local or a cloud's metadata service
    #[arg(
        long,
        value_name = "CIDR",
        value_delimiter = ',',
        help_heading = "Network"
    )]
    pub(crate) egress_allow: Vec<IpNet>,
    /// Networks never to dial
    #[arg(
        long,
        value_name = "CIDR",
        value_delimiter = ',',
        help_heading = "Network"
    )]
    pub(crate) egress_deny: Vec<IpNet>,
}

/// Least level of what is logged.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    Info,
    Error,
}

/// How lines look.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogEncoding {
    /// One JSON object per line
    Json,
    /// For people
    Console,
}

/// A variable of the environment, if it is set and not empty.
pub(crate) fn environment(name: &str) -> Option<std::ffi::OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "settings are where the environment is read"
    )]
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The proxy variables, read once, here.
pub(crate) fn proxy_environment() -> Result<outbound::ProxyEnvironment, String> {
    let variable = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| environment(name));
        found.and_then(|value| value.into_string().ok())
    };
    outbound::ProxyEnvironment::parse(
        variable(["HTTP_PROXY", "http_proxy"]).as_deref(),
        variable(["HTTPS_PROXY", "https_proxy"]).as_deref(),
        variable(["NO_PROXY", "no_proxy"]).as_deref(),
    )
    .map_err(|error| format!("HTTP_PROXY or HTTPS_PROXY: {error}"))
}

fn duration(text: &str) -> Result<Duration, String> {
    if let Some(days) = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok())
    {
        return Ok(Duration::from_hours(u64::from(days) * 24));
    }
    // The reference takes negative intervals for zero.
    if text.starts_with('-') && api::duration::parse(text.trim_start_matches('-')).is_ok() {
        return Ok(Duration::ZERO);
    }
    api::duration::parse(text).map_err(|error| error.to_string())
}

/// Go's words for true and false.
fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("expected `true` or `false`".to_owned()),
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a number of at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("", 1),
    ];
    UNITS
        .iter()
        .find_map(|(unit, bytes)| {
            let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
            number.checked_mul(*bytes)
        })
        .ok_or_else(|| format!("expected a size such as `512MiB` or `4GiB`, got `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_parse() {
        assert_eq!(size("4GiB"), Ok(4 << 30));
        assert_eq!(size("512Mi"), Ok(512 << 20));
        assert_eq!(size("17"), Ok(17));
        assert!(size("many").is_err());
        assert_eq!(duration("7d"), Ok(Duration::from_hours(168)));
        assert_eq!(duration("-5m"), Ok(Duration::ZERO));
        assert!(duration("soon").is_err());
    }
}
