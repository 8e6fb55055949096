//! Sends messages to a Rocket.Chat channel through an incoming webhook.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the webhook (required; here or in the Secret) |
//! | `channel` | channel, if the webhook may post to others than its own |
//! | `username` | name to post as, if the webhook allows it |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The message is one attachment: blue, or red for errors, with the metadata as fields.
//! Largest message: 5,000 characters; longer ones are cut in the middle, even where an administrator of
//! Rocket.Chat allows more.
//! `@all`, `@here` and Slack-style mentions and links in event texts are made inert.
//!
//! Rocket.Chat's documentation: <https://docs.rocket.chat/docs/integrations>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: rocket
//!   namespace: flux-system
//! spec:
//!   type: rocket
//!   username: flux
//!   channel: "#deployments"
//!   secretRef:
//!     name: rocket-webhook
//! ```

use domain::Notification;
use domain::delivery::Failure;
use outbound::HttpRequest;
use url::Url;

use super::slack::CHAT;
use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::fit::Limits;
use crate::shared::json_post::json_post;
use crate::shared::mentions;
use crate::shared::slack_message::{Colors, Dialect, SlackMessage};
use crate::shared::truncate::Unit;
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "rocket",
    title: "Rocket.Chat",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check: address::check_url,
    build: |settings| Ok(Box::new(Rocket::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("rocket.rs"),
};

const DIALECT: Dialect = Dialect {
    colors: Colors {
        error: "#FF0000",
        other: "#0076D7",
    },
    fallback: None,
    neutralise: mentions::rocket,
    author: 256,
    // "Maximum Allowed Characters Per Message", which holds for webhooks too:
    // <https://docs.rocket.chat/docs/message>
    limits: Limits {
        unit: Unit::Characters,
        total: 40_000,
        text: 5_000,
        name: 256,
        value: 5_000,
        fields: 100,
        field_overhead: 0,
    },
};

struct Rocket {
    url: Url,
    channel: String,
    username: String,
}

impl Rocket {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        Ok(Self {
            url: settings.url()?,
            channel: settings.provider.spec.channel.clone(),
            username: settings.username.clone(),
        })
    }
}

impl OneRequest for Rocket {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let message = SlackMessage::render(notification, &self.channel, &self.username, &DIALECT);
        json_post(&self.url, &message)
    }
}
