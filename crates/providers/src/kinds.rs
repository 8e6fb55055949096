//! The list of provider types, and nothing else. Both lists are alphabetical.

use crate::ProviderKind;

mod azure_devops;
mod bitbucket;
mod bitbucket_server;
mod discord;
mod generic;
mod github;
mod gitlab;
mod google_chat;
mod lark;
mod mattermost;
mod ms_teams;
mod ntfy;
mod rocket;
mod slack;
mod telegram;
mod webex;
mod zulip;

/// All types, sorted by name.
pub const ALL: &[&ProviderKind] = &[
    &azure_devops::KIND,
    &bitbucket::KIND,
    &bitbucket_server::KIND,
    &discord::KIND,
    &generic::KIND,
    &generic::KIND_HMAC,
    &github::KIND,
    &gitlab::KIND,
    &google_chat::KIND,
    &lark::KIND,
    &mattermost::KIND,
    &ms_teams::KIND,
    &ntfy::KIND,
    &rocket::KIND,
    &slack::KIND,
    &telegram::KIND,
    &webex::KIND,
    &zulip::KIND,
];

/// The type of a name.
pub fn find(name: &str) -> Option<&'static ProviderKind> {
    let found = ALL.binary_search_by(|kind| kind.name.cmp(name)).ok()?;
    ALL.get(found).copied()
}
