//! Sends cards to a Google Chat space through an incoming webhook.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the space's webhook with its `key` and `token` (required; here or in the Secret) |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The message is one card: the object, the reporting controller, the message, in red for errors,
//! and the metadata.
//! `channel` and `username` are not used: the webhook decides on both.
//! Threads: one per object, if the address asks for it.
//! Append `&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD` to the address, and all messages
//! about one object are one thread; with a `threadKey` of your own next to it, all messages are.
//! Largest message: 32,000 bytes; what is longer is cut in the middle.
//! Mentions such as `<users/all>` and links with a label in event texts are made inert.
//! Google Chat takes one message a second per space; when it says that it is too much, it is waited for.
//!
//! Google's documentation: <https://developers.google.com/workspace/chat/quickstart/webhooks>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: googlechat
//!   namespace: flux-system
//! spec:
//!   type: googlechat
//!   secretRef:
//!     name: googlechat-webhook
//! ```

mod card;

use api::{Problem, Provider};
use domain::Notification;
use domain::delivery::{Failure, FailureClass};
use domain::ports::Clock;
use outbound::{HttpRequest, HttpResponse};
use serde::Deserialize;
use url::Url;

use self::card::Message;
use super::slack::CHAT;
use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::answer::{self, Complaint};
use crate::shared::json_post::json_post;
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "googlechat",
    title: "Google Chat",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(GoogleChat::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("google_chat.rs"),
};

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = address::check_url(provider);
    if !provider.channel.is_empty() {
        problems.push(
            Problem::warning(
                "spec.channel",
                "has no effect: the webhook decides on the space",
            )
            .with_hint("make a webhook in the space you want"),
        );
    }
    problems
}

struct GoogleChat {
    url: Url,
    has_threads: bool,
}

impl GoogleChat {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let url = settings.url()?;
        Ok(Self {
            has_threads: asks_for_threads(&url),
            url,
        })
    }
}

/// Whether an address says how to reply, but not to which thread.
fn asks_for_threads(url: &Url) -> bool {
    let has = |wanted: &str| url.query_pairs().any(|(name, _)| name == wanted);
    has("messageReplyOption") && !has("threadKey")
}

impl OneRequest for GoogleChat {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        json_post(&self.url, &Message::render(notification, self.has_threads))
    }

    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        answer::judge(response, clock, KIND.title, Answer::complaint)
    }
}

/// The form of an answer, `error` only where there is one:
/// <https://cloud.google.com/apis/design/errors#http_mapping>.
#[derive(Debug, Deserialize)]
struct Answer {
    error: Option<ServiceError>,
}

#[derive(Debug, Deserialize)]
struct ServiceError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    #[serde(default)]
    reason: String,
}

impl Answer {
    fn complaint(self) -> Option<Complaint> {
        let error = self.error?;
        // A wrong key is an invalid argument for Google, but no fault of the message.
        let blames_key = error
            .details
            .iter()
            .any(|detail| detail.reason.starts_with("API_KEY"));
        let class = match error.status.as_str() {
            _ if blames_key => Some(FailureClass::Misconfigured),
            "PERMISSION_DENIED" | "UNAUTHENTICATED" | "NOT_FOUND" => {
                Some(FailureClass::Misconfigured)
            }
            "RESOURCE_EXHAUSTED" => Some(FailureClass::Throttled),
            "INTERNAL" | "UNAVAILABLE" | "UNKNOWN" | "ABORTED" | "DEADLINE_EXCEEDED" => {
                Some(FailureClass::ServerFault)
            }
            _ => None,
        };
        Some(Complaint {
            class,
            retry_after: None,
            reason: error.message,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_made_only_when_the_address_asks_for_them() {
        let hook = "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t";
        let reply = "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD";
        for (address, expected) in [
            (hook.to_owned(), false),
            (format!("{hook}&{reply}"), true),
            (format!("{hook}&threadKey=mine"), false),
            (format!("{hook}&threadKey=mine&{reply}"), false),
        ] {
            let url = Url::parse(&address).unwrap();
            assert_eq!(asks_for_threads(&url), expected, "{address}");
        }
    }
}
