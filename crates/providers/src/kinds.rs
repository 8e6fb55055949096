//! The list of provider types, and nothing else. Both lists are alphabetical.

use crate::ProviderKind;

mod azure_devops;
mod bitbucket;
mod bitbucket_server;
mod discord;
mod generic;
mod gitea;
mod gitea_pull_request_comment;
mod github;
mod github_dispatch;
mod github_pull_request_comment;
mod gitlab;
mod gitlab_merge_request_comment;
mod ms_teams;
mod rocket;
mod slack;

/// All types, sorted by name.
pub const ALL: &[&ProviderKind] = &[
    &azure_devops::KIND,
    &bitbucket::KIND,
    &bitbucket_server::KIND,
    &discord::KIND,
    &generic::KIND,
    &generic::KIND_HMAC,
    &gitea::KIND,
    &gitea_pull_request_comment::KIND,
    &github::KIND,
    &github_dispatch::KIND,
    &github_pull_request_comment::KIND,
    &gitlab::KIND,
    &gitlab_merge_request_comment::KIND,
    &ms_teams::KIND,
    &rocket::KIND,
    &slack::KIND,
];

/// The type of a name.
pub fn find(name: &str) -> Option<&'static ProviderKind> {
    let found = ALL.binary_search_by(|kind| kind.name.cmp(name)).ok()?;
    ALL.get(found).copied()
}
