//! Sends messages to a Discord channel through a webhook.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the channel's webhook, with or without `/slack` at its end (required; here or in the Secret) |
//! | `username` | name to post as; default: the reporting controller |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! Messages go to the webhook's Slack-compatible form, and a query is kept.
//! Threads: the `thread_id` in the address.
//! `channel` is not used: the webhook decides.
//! Largest message: 4,096 characters, and 6,000 with its 25 fields of 1,024 characters at most; what is
//! longer is cut in the middle.
//! `@everyone`, `@here` and mentions in event texts are made inert.
//!
//! Discord's documentation:
//! <https://docs.discord.com/developers/resources/webhook#execute-slackcompatible-webhook>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: discord
//!   namespace: flux-system
//! spec:
//!   type: discord
//!   secretRef:
//!     name: discord-webhook
//! ```

use api::{Problem, Provider};
use domain::Notification;
use domain::delivery::Failure;
use outbound::HttpRequest;
use url::Url;

use super::slack::{CHAT, or_controller};
use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::fit::Limits;
use crate::shared::json_post::json_post;
use crate::shared::mentions;
use crate::shared::slack_message::{Colors, Dialect, SlackMessage};
use crate::shared::truncate::{self, Unit};
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "discord",
    title: "Discord",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(Discord::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("discord.rs"),
};

/// <https://docs.discord.com/developers/resources/message#embed-object-embed-limits>
const DIALECT: Dialect = Dialect {
    colors: Colors {
        error: "danger",
        other: "good",
    },
    fallback: None,
    neutralise: mentions::discord,
    author: 256,
    limits: Limits {
        unit: Unit::Characters,
        total: 6_000,
        text: 4_096,
        name: 256,
        value: 1_024,
        fields: 25,
        field_overhead: 0,
    },
};

/// <https://docs.discord.com/developers/resources/webhook#execute-webhook>
const LONGEST_USERNAME: usize = 80;

struct Discord {
    url: Url,
    username: String,
}

impl Discord {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        Ok(Self {
            url: slack_compatible(settings.url()?),
            username: settings.username.clone(),
        })
    }
}

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = address::check_url(provider);
    if !provider.channel.is_empty() {
        problems.push(
            Problem::warning(
                "spec.channel",
                "has no effect: the webhook decides on the channel",
            )
            .with_hint("make a webhook in the channel you want"),
        );
    }
    problems
}

/// The Slack-compatible form of a webhook: its path ends in `/slack`.
fn slack_compatible(mut url: Url) -> Url {
    let mut segments: Vec<&str> = url
        .path()
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    if segments.last() != Some(&"slack") {
        segments.push("slack");
    }
    let path = format!("/{}", segments.join("/"));
    url.set_path(&path);
    url
}

impl OneRequest for Discord {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let username = or_controller(&self.username, notification);
        let username = truncate::prefix(username, LONGEST_USERNAME, Unit::Characters);
        let message = SlackMessage::render(notification, "", username, &DIALECT);
        json_post(&self.url, &message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slack_form_is_asked_for_once_and_the_query_is_kept() {
        for (address, expected) in [
            (
                "https://d.example/api/webhooks/1/abc",
                "/api/webhooks/1/abc/slack",
            ),
            (
                "https://d.example/api/webhooks/1/abc/",
                "/api/webhooks/1/abc/slack",
            ),
            (
                "https://d.example/api/webhooks/1/abc/slack",
                "/api/webhooks/1/abc/slack",
            ),
            (
                "https://d.example/api/webhooks/1/abc/slack/",
                "/api/webhooks/1/abc/slack",
            ),
        ] {
            for query in ["", "?thread_id=1"] {
                let url = slack_compatible(Url::parse(&format!("{address}{query}")).unwrap());
                assert_eq!(url.as_str(), format!("https://d.example{expected}{query}"));
            }
        }
    }
}
