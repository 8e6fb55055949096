//! The list of provider types, and nothing else. Both lists are alphabetical.

use crate::ProviderKind;

mod azure_devops;
mod bitbucket;
mod bitbucket_server;
mod discord;
mod email;
mod generic;
mod github;
mod gitlab;
mod matrix;
mod ms_teams;
mod nats;
mod rocket;
mod slack;

/// All types, sorted by name.
pub const ALL: &[&ProviderKind] = &[
    &azure_devops::KIND,
    &bitbucket::KIND,
    &bitbucket_server::KIND,
    &discord::KIND,
    &email::KIND,
    &generic::KIND,
    &generic::KIND_HMAC,
    &github::KIND,
    &gitlab::KIND,
    &matrix::KIND,
    &ms_teams::KIND,
    &nats::KIND,
    &rocket::KIND,
    &slack::KIND,
];

/// The type of a name.
pub fn find(name: &str) -> Option<&'static ProviderKind> {
    let found = ALL.binary_search_by(|kind| kind.name.cmp(name)).ok()?;
    ALL.get(found).copied()
}
