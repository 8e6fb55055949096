//! The versions of each kind, and what old versions leave open that newer ones limit.
//!
//! Source: `crds.md` sections 1.1, 2.2 and 5.

use std::collections::BTreeSet;

/// A served version of a kind.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) name: &'static str,
    /// The version to use instead, for deprecated ones.
    pub(super) successor: Option<&'static str>,
    /// Paths of texts whose length this version does not limit, though the current one does.
    pub(super) unlimited: &'static [&'static str],
}

impl Version {
    /// Only the current version is stored, as in the reference.
    pub(super) fn is_stored(&self) -> bool {
        self.successor.is_none()
    }
}

const fn current(name: &'static str) -> Version {
    Version {
        name,
        successor: None,
        unlimited: &[],
    }
}

const fn deprecated(
    name: &'static str,
    successor: &'static str,
    unlimited: &'static [&'static str],
) -> Version {
    Version {
        name,
        successor: Some(successor),
        unlimited,
    }
}

/// Versions of the Alert, newest first.
pub(super) const OF_ALERT: [Version; 3] = [
    current("v1beta3"),
    deprecated("v1beta2", "v1beta3", &[]),
    deprecated("v1beta1", "v1beta3", &["spec.summary"]),
];

/// Versions of the Provider, newest first.
pub(super) const OF_PROVIDER: [Version; 3] = [
    current("v1beta3"),
    deprecated("v1beta2", "v1beta3", &[]),
    deprecated(
        "v1beta1",
        "v1beta3",
        &[
            "spec.address",
            "spec.channel",
            "spec.proxy",
            "spec.username",
        ],
    ),
];

/// Versions of the Receiver, newest first.
pub(super) const OF_RECEIVER: [Version; 3] = [
    current("v1"),
    deprecated("v1beta2", "v1", &[]),
    deprecated("v1beta1", "v1", &[]),
];

/// Provider types that the reference's CRD accepts, in its order.
///
/// Ours accepts them too, whichever of them this build can deliver to: a Provider of the reference
/// never becomes invalid by an upgrade of the CRDs. A type that cannot be delivered to is told in
/// the Provider's `Ready` condition.
pub const REFERENCE_PROVIDER_TYPES: [&str; 32] = [
    "slack",
    "discord",
    "msteams",
    "rocket",
    "generic",
    "generic-hmac",
    "github",
    "gitlab",
    "gitea",
    "giteapullrequestcomment",
    "bitbucketserver",
    "bitbucket",
    "azuredevops",
    "googlechat",
    "googlepubsub",
    "webex",
    "sentry",
    "azureeventhub",
    "telegram",
    "lark",
    "matrix",
    "opsgenie",
    "alertmanager",
    "grafana",
    "githubdispatch",
    "githubpullrequestcomment",
    "gitlabmergerequestcomment",
    "pagerduty",
    "datadog",
    "nats",
    "zulip",
    "otel",
];

/// The reference's commit status types; they may have `commitStatusExpr`.
pub(super) const REFERENCE_COMMIT_STATUS_TYPES: [&str; 6] = [
    "github",
    "gitlab",
    "gitea",
    "bitbucketserver",
    "bitbucket",
    "azuredevops",
];

/// `first` in its order, then those of `names` that are not in it.
pub(super) fn followed_by<'a>(first: &[&'a str], names: &[&'a str]) -> Vec<&'a str> {
    let known: BTreeSet<&str> = first.iter().copied().collect();
    let others = names.iter().copied().filter(|name| !known.contains(name));
    first.iter().copied().chain(others).collect()
}
