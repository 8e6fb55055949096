//! The list of provider types, and nothing else. Both lists are alphabetical.

use crate::ProviderKind;

mod alertmanager;
mod azure_devops;
mod azure_event_hub;
mod bitbucket;
mod bitbucket_server;
mod datadog;
mod discord;
mod email;
mod generic;
mod gitea;
mod gitea_pull_request_comment;
mod github;
mod github_dispatch;
mod github_pull_request_comment;
mod gitlab;
mod gitlab_merge_request_comment;
mod google_chat;
mod google_pubsub;
mod grafana;
mod lark;
mod matrix;
mod mattermost;
mod ms_teams;
mod nats;
mod ntfy;
mod opsgenie;
mod otel;
mod pagerduty;
mod rocket;
mod sentry;
mod slack;
mod telegram;
mod webex;
mod zulip;

/// All types, sorted by name.
pub const ALL: &[&ProviderKind] = &[
    &alertmanager::KIND,
    &azure_devops::KIND,
    &azure_event_hub::KIND,
    &bitbucket::KIND,
    &bitbucket_server::KIND,
    &datadog::KIND,
    &discord::KIND,
    &email::KIND,
    &generic::KIND,
    &generic::KIND_HMAC,
    &gitea::KIND,
    &gitea_pull_request_comment::KIND,
    &github::KIND,
    &github_dispatch::KIND,
    &github_pull_request_comment::KIND,
    &gitlab::KIND,
    &gitlab_merge_request_comment::KIND,
    &google_chat::KIND,
    &google_pubsub::KIND,
    &grafana::KIND,
    &lark::KIND,
    &matrix::KIND,
    &mattermost::KIND,
    &ms_teams::KIND,
    &nats::KIND,
    &ntfy::KIND,
    &opsgenie::KIND,
    &otel::KIND,
    &pagerduty::KIND,
    &rocket::KIND,
    &sentry::KIND,
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
