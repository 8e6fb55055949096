//! Flags of `controller`: all that the reference has, with its names and defaults, and ours.
//!
//! Source: `operations.md` section 1. Booleans may stand alone or have a value after `=`, as Go
//! programs take them; of a flag that is given twice the last counts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use cluster::AllowedAccount;

use super::{LogEncoding, ServeArguments, boolean, duration};

/// Flags of `controller`.
#[derive(Debug, Args)]
pub(crate) struct ControllerArguments {
    /// Folder for accepted events and deliveries; one process at a time. Without it a folder under
    /// the temporary directory, which survives a restart of the container, not of the pod
    #[arg(long, value_name = "DIR", env = "FANFARE_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) serve: ServeArguments,

    /// Follow objects of all namespaces; otherwise only of the one in `RUNTIME_NAMESPACE`
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", value_parser = boolean, action = ArgAction::Set,
          help_heading = "Cluster")]
    pub(crate) watch_all_namespaces: bool,
    /// Taken for compatibility: every change of a Secret that a Receiver names counts
    #[arg(
        long,
        value_name = "SELECTOR",
        default_value = "reconcile.fluxcd.io/watch=Enabled",
        help_heading = "Cluster"
    )]
    pub(crate) watch_configs_label_selector: String,
    /// Taken for compatibility: what is done at once has bounds of its own
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 4,
        help_heading = "Cluster"
    )]
    pub(crate) concurrent: u16,
    /// Taken for compatibility: the API server itself limits its clients
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 50.0,
        help_heading = "Cluster"
    )]
    pub(crate) kube_api_qps: f32,
    /// Taken for compatibility: the API server itself limits its clients
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 300,
        help_heading = "Cluster"
    )]
    pub(crate) kube_api_burst: u32,
    /// Taken for compatibility: a Receiver is looked at again when what it needs changes
    #[arg(long, value_name = "DURATION", default_value = "750ms", value_parser = duration,
          help_heading = "Cluster")]
    pub(crate) min_retry_delay: Duration,
    /// Taken for compatibility: a Receiver is looked at again when what it needs changes
    #[arg(long, value_name = "DURATION", default_value = "15m0s", value_parser = duration,
          help_heading = "Cluster")]
    pub(crate) max_retry_delay: Duration,

    /// Who may send events: anybody, or `ServiceAccount`s whose tokens the API server vouches for
    #[arg(
        long,
        value_name = "HOW",
        default_value = "none",
        help_heading = "Events"
    )]
    pub(crate) events_auth: EventsAuth,
    /// `ServiceAccount`s that may send events with `--events-auth=token-review`: `namespace/name`, or
    /// `namespace/*`; repeatable. Without it all of the namespace that this runs in
    #[arg(
        long = "events-allow",
        value_name = "ACCOUNT",
        value_delimiter = ',',
        help_heading = "Events"
    )]
    pub(crate) events_allow: Vec<AllowedAccount>,

    /// Only the holder of the lease writes status; every replica takes events and delivers
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = false,
          default_missing_value = "true", value_parser = boolean, action = ArgAction::Set,
          help_heading = "Leader election")]
    pub(crate) enable_leader_election: bool,
    /// Give the lease back on shutdown
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", value_parser = boolean, action = ArgAction::Set,
          help_heading = "Leader election")]
    pub(crate) leader_election_release_on_cancel: bool,
    /// How long a lease holds that is not renewed
    #[arg(long, value_name = "DURATION", default_value = "35s", value_parser = duration,
          help_heading = "Leader election")]
    pub(crate) leader_election_lease_duration: Duration,
    /// How long the holder tries to renew before it gives up
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration,
          help_heading = "Leader election")]
    pub(crate) leader_election_renew_deadline: Duration,
    /// How often the lease is looked at
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration,
          help_heading = "Leader election")]
    pub(crate) leader_election_retry_period: Duration,

    /// Feature gates: `NAME=true`, separated by commas. `ObjectLevelWorkloadIdentity` lets Providers name a
    /// `ServiceAccount`; with `DisableConfigWatchers` Secrets are not watched but read again every half
    /// minute; `CacheSecretsAndConfigMaps` is taken for compatibility
    #[arg(
        long,
        value_name = "GATES",
        default_value = "",
        hide_default_value = true,
        help_heading = "Identity"
    )]
    pub(crate) feature_gates: String,
    /// `ServiceAccount` for workload identity where a Provider names none
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true,
        help_heading = "Identity"
    )]
    pub(crate) default_service_account: String,

    /// How lines of the log look
    #[arg(
        long,
        value_name = "ENCODING",
        default_value = "json",
        help_heading = "Logs"
    )]
    pub(crate) log_encoding: LogEncoding,
}

/// How senders of events are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventsAuth {
    /// Not at all, as in the reference; a `NetworkPolicy` is what keeps others away.
    None,
    /// The API server is asked about their bearer tokens.
    TokenReview,
}

/// The reference's feature gates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeatureGates {
    /// Serve Secrets from a cluster-wide cache; ours is by name, so this changes nothing.
    pub(crate) cache_secrets_and_config_maps: bool,
    /// Secrets are not watched but read again every half minute, those of Providers too.
    pub(crate) disable_config_watchers: bool,
    /// Providers may name a `ServiceAccount`.
    pub(crate) object_level_workload_identity: bool,
}

impl FeatureGates {
    /// Reads `NAME=BOOL,...`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut gates = Self::default();
        for entry in text.split(',').map(str::trim) {
            if entry.is_empty() {
                continue;
            }
            let (name, value) = entry
                .split_once('=')
                .ok_or_else(|| format!("missing bool value for `{entry}`"))?;
            let value = boolean(value.trim())
                .map_err(|error| format!("invalid value of `{name}`: {error}"))?;
            match name.trim() {
                "CacheSecretsAndConfigMaps" => gates.cache_secrets_and_config_maps = value,
                "DisableConfigWatchers" => gates.disable_config_watchers = value,
                "ObjectLevelWorkloadIdentity" => gates.object_level_workload_identity = value,
                other => {
                    return Err(format!(
                        "feature-gate `{other}` not supported; there are CacheSecretsAndConfigMaps, \
                         DisableConfigWatchers, ObjectLevelWorkloadIdentity"
                    ));
                }
            }
        }
        Ok(gates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_named_and_unknown_ones_refused() {
        let gates =
            FeatureGates::parse("ObjectLevelWorkloadIdentity=true, DisableConfigWatchers=F");
        assert_eq!(
            gates,
            Ok(FeatureGates {
                object_level_workload_identity: true,
                ..FeatureGates::default()
            })
        );
        assert!(FeatureGates::parse("").is_ok());
        assert!(FeatureGates::parse("Sharding=true").is_err());
        assert!(FeatureGates::parse("DisableConfigWatchers").is_err());
        assert!(FeatureGates::parse("DisableConfigWatchers=maybe").is_err());
    }
}
