//! The list of provider types, and nothing else. Both lists are alphabetical.

use crate::ProviderKind;

mod alertmanager;
mod azure_devops;
mod azure_event_hub;
mod bitbucket;
mod bitbucket_server;
mod datadog;
mod discord;
mod generic;
mod github;
mod gitlab;
mod google_pubsub;
mod grafana;
mod ms_teams;
mod opsgenie;
mod otel;
mod pagerduty;
mod rocket;
mod sentry;
mod slack;

/// All types, sorted by name.
pub const ALL: &[&ProviderKind] = &[
    &alertmanager::KIND,
    &azure_devops::KIND,
    &azure_event_hub::KIND,
    &bitbucket::KIND,
    &bitbucket_server::KIND,
    &datadog::KIND,
    &discord::KIND,
    &generic::KIND,
    &generic::KIND_HMAC,
    &github::KIND,
    &gitlab::KIND,
    &google_pubsub::KIND,
    &grafana::KIND,
    &ms_teams::KIND,
    &opsgenie::KIND,
    &otel::KIND,
    &pagerduty::KIND,
    &rocket::KIND,
    &sentry::KIND,
    &slack::KIND,
];

/// The type of a name.
pub fn find(name: &str) -> Option<&'static ProviderKind> {
    let found = ALL.binary_search_by(|kind| kind.name.cmp(name)).ok()?;
    ALL.get(found).copied()
}
