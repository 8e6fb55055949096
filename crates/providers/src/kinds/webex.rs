//! Sends messages to a Webex room, as a bot or through an incoming webhook.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | `https://webexapis.com/v1/messages`, or an incoming webhook, `https://webexapis.com/v1/webhooks/incoming/…` (required; here or in the Secret) |
//! | `channel` | id of the room, for bots; webhooks have their own |
//! | Secret `token` | the bot's access token, sent as `Authorization: Bearer` (required, but for webhooks) |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The message is Markdown: ✅, or 💣 for errors, the object, the message, and the metadata as quotes.
//! `username` is not used: the bot has its own name.
//! Largest message: 7,439 bytes; what is longer is cut in the middle.
//! `<@all>`, `<@personId:…>` and `<@personEmail:…>` in event texts are made inert.
//! Rate limits are waited for as long as Webex asks.
//!
//! Webex' documentation: <https://developer.webex.com/docs/api/v1/messages/create-a-message>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: webex
//!   namespace: flux-system
//! spec:
//!   type: webex
//!   address: https://webexapis.com/v1/messages
//!   channel: Y2lzY29zcGFyazovL3VzL1JPT00vZXhhbXBsZQ
//!   secretRef:
//!     name: webex-bot
//! ```

use std::fmt::Write as _;

use api::{Problem, Provider};
use domain::Notification;
use domain::delivery::Failure;
use domain::ports::Clock;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use outbound::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use url::Url;

use super::slack::CHAT;
use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::answer::{self, Complaint};
use crate::shared::authorization;
use crate::shared::fit::{self, Fitted, Limits};
use crate::shared::json_post::json_post;
use crate::shared::mentions;
use crate::shared::title::title;
use crate::shared::truncate::{self, Unit};
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "webex",
    title: "Webex",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(Webex::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("webex.rs"),
};

/// "The maximum message length is 7439 bytes":
/// <https://developer.webex.com/docs/api/v1/messages/create-a-message>.
const LIMITS: Limits = Limits {
    unit: Unit::Bytes,
    total: 7_439,
    text: 7_439,
    name: 500,
    value: 2_000,
    fields: 100,
    // ">**", "**: " and the line's end.
    field_overhead: 8,
};

/// The longest title; objects in Kubernetes have at most a third of that.
const LONGEST_TITLE: usize = 1_000;

/// Where the paths of incoming webhooks begin; they are their own credential and know their room.
const WEBHOOKS: &str = "/v1/webhooks/incoming/";

const NO_TOKEN: &str =
    "the access token is missing: put the bot's token into the key `token` of the Secret";

fn is_webhook(address: &Url) -> bool {
    address.path().starts_with(WEBHOOKS)
}

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = address::check_url(provider);
    let Ok(address) = Url::parse(&provider.address) else {
        return problems;
    };
    if is_webhook(&address) {
        return problems;
    }
    if provider.channel.is_empty() {
        let problem = Problem::warning("spec.channel", "Webex needs the id of a room");
        problems.push(problem.with_hint("name the room, or use an incoming webhook"));
    }
    problems.extend(address::check_secret(provider, NO_TOKEN));
    problems
}

struct Webex {
    url: Url,
    room: Option<String>,
    authorization: Option<HeaderValue>,
}

impl Webex {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let url = settings.url()?;
        let authorization = authorization::bearer(settings)?;
        if authorization.is_none() && !is_webhook(&url) {
            return Err(ConfigError::new(NO_TOKEN));
        }
        Ok(Self {
            url,
            room: Some(settings.provider.spec.channel.clone()).filter(|room| !room.is_empty()),
            authorization,
        })
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<&'a str>,
    markdown: String,
}

impl OneRequest for Webex {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let message = Message {
            room_id: self.room.as_deref(),
            markdown: markdown(notification),
        };
        let mut request = json_post(&self.url, &message)?;
        if let Some(authorization) = &self.authorization {
            request.headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        answer::judge(response, clock, KIND.title, Answer::complaint)
    }
}

fn markdown(notification: &Notification) -> String {
    let event = &notification.event;
    let emoji = if event.is_error() { "💣" } else { "✅" };
    let title = mentions::webex(&title(event));
    let title = truncate::head_and_tail(&title, LONGEST_TITLE, LIMITS.unit);
    let heading = format!("{emoji} **{title}**\n");
    let fields = fit::sorted(&event.metadata, mentions::webex);
    let message = mentions::webex(&event.message);
    // One more for the end of the message's last line.
    let Fitted { text, fields } = fit::fit(&message, fields, heading.len() + 1, &LIMITS);
    let mut markdown = format!("{heading}{text}\n");
    for (key, value) in fields {
        // Writing to a string cannot fail.
        let _ = writeln!(markdown, ">**{key}**: {value}");
    }
    markdown
}

/// An answer; errors come with a list of them and no message id.
#[derive(Debug, Deserialize)]
struct Answer {
    id: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<ServiceError>,
}

#[derive(Debug, Deserialize)]
struct ServiceError {
    #[serde(default)]
    description: String,
}

impl Answer {
    fn complaint(self) -> Option<Complaint> {
        let first = self.errors.into_iter().next();
        let reason = match first.map(|error| error.description) {
            Some(description) if !description.is_empty() => description,
            Some(_) => self.message,
            None if self.id.is_none() && !self.message.is_empty() => self.message,
            None => return None,
        };
        Some(Complaint {
            reason,
            ..Complaint::default()
        })
    }
}
