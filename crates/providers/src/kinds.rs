//! The list of provider types, and nothing else. Both lists are alphabetical.

use crate::ProviderKind;

mod azure_devops;
mod azure_event_hub;
mod bitbucket;
mod bitbucket_server;
mod discord;
mod generic;
mod github;
mod gitlab;
mod google_pubsub;
mod ms_teams;
mod otel;
mod rocket;
mod slack;

/// All types, sorted by name.
pub const ALL: &[&ProviderKind] = &[
    &azure_devops::KIND,
    &azure_event_hub::KIND,
    &bitbucket::KIND,
    &bitbucket_server::KIND,
    &discord::KIND,
    &generic::KIND,
    &generic::KIND_HMAC,
    &github::KIND,
    &gitlab::KIND,
    &google_pubsub::KIND,
    &ms_teams::KIND,
    &otel::KIND,
    &rocket::KIND,
    &slack::KIND,
];

/// The type of a name.
pub fn find(name: &str) -> Option<&'static ProviderKind> {
    let found = ALL.binary_search_by(|kind| kind.name.cmp(name)).ok()?;
    ALL.get(found).copied()
}
