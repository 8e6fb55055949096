//! Sends messages to a Mattermost channel through an incoming webhook.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the webhook (required; here or in the Secret) |
//! | `channel` | name of a channel or `@name` of a person, unless the webhook is locked to its own |
//! | `username` | name to post as, if the server lets webhooks choose it |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The message is one attachment: green, or red for errors, with the metadata as fields.
//! Largest message: 16,383 characters, with its fields; longer ones are cut in the middle.
//! `@all`, `@channel`, `@here` and Slack-style mentions and links in event texts are made inert.
//! Unknown webhooks and channels, and servers that do not allow webhooks, wait for a change of the
//! Provider.
//! Flux has no type of this name: there, webhooks of Mattermost are used through `slack`, which works
//! here too.
//!
//! Mattermost's documentation: <https://developers.mattermost.com/integrate/webhooks/incoming/>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: mattermost
//!   namespace: flux-system
//! spec:
//!   type: mattermost
//!   channel: deployments
//!   username: flux
//!   secretRef:
//!     name: mattermost-webhook
//! ```

use domain::Notification;
use domain::delivery::{Failure, FailureClass};
use domain::ports::Clock;
use outbound::{HttpRequest, HttpResponse};
use serde::Deserialize;
use url::Url;

use super::slack::CHAT;
use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::answer::{self, Complaint};
use crate::shared::fit::Limits;
use crate::shared::json_post::json_post;
use crate::shared::mentions;
use crate::shared::slack_message::{Colors, Dialect, SlackMessage};
use crate::shared::truncate::Unit;
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "mattermost",
    title: "Mattermost",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check: address::check_url,
    build: |settings| Ok(Box::new(Mattermost::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("mattermost.rs"),
};

/// Attachments: <https://developers.mattermost.com/integrate/reference/message-attachments/>.
const DIALECT: Dialect = Dialect {
    colors: Colors {
        error: "danger",
        other: "good",
    },
    // Shown where there is no room for an attachment, such as on lock screens.
    fallback: Some(500),
    neutralise: mentions::mattermost,
    author: 256,
    // The length of a post since Mattermost 5.0, for the parts of an attachment together:
    // <https://docs.mattermost.com/administration-guide/upgrade/important-upgrade-notes.html>.
    limits: Limits {
        unit: Unit::Characters,
        total: 16_383,
        text: 16_383,
        name: 256,
        value: 4_000,
        fields: 100,
        field_overhead: 0,
    },
};

struct Mattermost {
    url: Url,
    channel: String,
    username: String,
}

impl Mattermost {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        Ok(Self {
            url: settings.url()?,
            channel: settings.provider.spec.channel.clone(),
            username: settings.username.clone(),
        })
    }
}

impl OneRequest for Mattermost {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let message = SlackMessage::render(notification, &self.channel, &self.username, &DIALECT);
        json_post(&self.url, &message)
    }

    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        // The only answer that is no JSON.
        if response.status.is_success() && response.body.trim_ascii() == b"ok" {
            return Ok(());
        }
        answer::judge(response, clock, KIND.title, Answer::complaint)
    }
}

/// The form of errors: <https://developers.mattermost.com/api-documentation/#/#error-handling>.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    id: String,
    #[serde(default)]
    message: String,
}

impl Answer {
    fn complaint(self) -> Option<Complaint> {
        let about_webhook = self.id.strip_prefix("web.incoming_webhook.")?;
        let class = match about_webhook.split_once('.').map_or("", |(what, _)| what) {
            "invalid" | "disabled" | "channel" | "channel_locked" | "permissions" | "user" => {
                Some(FailureClass::Misconfigured)
            }
            _ => None,
        };
        Some(Complaint {
            class,
            retry_after: None,
            reason: self.message,
        })
    }
}
