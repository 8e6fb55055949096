//! Sends messages to a topic of a Zulip channel, as a bot.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the server, such as `https://example.zulipchat.com`; its path is not used (required; here or in the Secret) |
//! | `channel` | `channel/topic`, split at the first slash (required) |
//! | Secret `username`, `password` | the bot's e-mail address and its API key |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The message is Markdown: ℹ️, or ⚠️ for errors, the object, the message, and the metadata as a list.
//! The number of a change request is left out of it.
//! The user name may also stand in `spec.username`.
//! Threads: the topic in `channel`.
//! Largest message: 10,000 characters; longer ones are cut in the middle, and topics of more than 60
//! characters at their end.
//! `@**name**` and `@*group*` in event texts are made inert.
//! Unknown channels and wrong API keys wait for a change of Provider or Secret, rate limits are waited
//! for as long as Zulip asks.
//!
//! Zulip's documentation: <https://zulip.com/api/send-message>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: zulip
//!   namespace: flux-system
//! spec:
//!   type: zulip
//!   address: https://example.zulipchat.com
//!   channel: deployments/flux
//!   secretRef:
//!     name: zulip-bot
//! ```

use api::{Problem, Provider, Secret};
use bytes::Bytes;
use domain::Notification;
use domain::delivery::{Failure, FailureClass};
use domain::ports::Clock;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use outbound::{HttpRequest, HttpResponse};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use url::Url;

use super::slack::CHAT;
use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::answer::{self, Complaint};
use crate::shared::fit::Limits;
use crate::shared::truncate::{self, Unit};
use crate::shared::{basic_pair, markdown_post, mentions};
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "zulip",
    title: "Zulip",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(Zulip::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("zulip.rs"),
};

/// `max_message_length`, which is 10,000 Unicode code points unless the server says otherwise:
/// <https://zulip.com/api/send-message>.
const LIMITS: Limits = Limits {
    unit: Unit::Characters,
    total: 10_000,
    text: 10_000,
    name: 500,
    value: 4_000,
    fields: 100,
    field_overhead: markdown_post::ENTRY,
};

/// `max_topic_length` of the same page, in Unicode code points.
const LONGEST_TOPIC: usize = 60;

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = address::check_url(provider);
    match Destination::parse(&provider.channel) {
        Ok(destination) if destination.topic.chars().count() > LONGEST_TOPIC => {
            let text = format!("the topic is cut to {LONGEST_TOPIC} characters");
            problems.push(Problem::warning("spec.channel", text));
        }
        Ok(_) => {}
        Err(error) => problems.push(Problem::error("spec.channel", error.to_string())),
    }
    problems
}

/// Where messages go.
#[derive(Debug, PartialEq, Eq)]
struct Destination {
    channel: String,
    topic: String,
}

impl Destination {
    fn parse(channel: &str) -> Result<Self, ConfigError> {
        match channel.split_once('/') {
            Some((channel, topic)) if !channel.is_empty() && !topic.is_empty() => Ok(Self {
                channel: channel.to_owned(),
                topic: topic.to_owned(),
            }),
            _ => Err(ConfigError::new(format!(
                "invalid Zulip channel format, expected <channel>/<topic>, got '{channel}'"
            ))),
        }
    }
}

struct Zulip {
    url: Url,
    destination: Destination,
    authorization: Option<HeaderValue>,
}

impl Zulip {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let mut url = settings.url()?;
        url.set_path("/api/v1/messages");
        let pair = basic_pair::parse(settings)?;
        // A user name of the specification by itself is sent too, as the reference does.
        let pair = pair.or_else(|| {
            let username = &settings.username;
            (!username.is_empty()).then(|| Secret::new(format!("{username}:")))
        });
        let authorization = pair.map(|pair| basic_pair::header(&pair));
        Ok(Self {
            url,
            destination: Destination::parse(&settings.provider.spec.channel)?,
            authorization: authorization.transpose()?,
        })
    }
}

impl OneRequest for Zulip {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let content = markdown_post::render(notification, mentions::zulip, &LIMITS);
        let topic = truncate::prefix(&self.destination.topic, LONGEST_TOPIC, LIMITS.unit);
        let form = form(&[
            ("content", &content),
            ("to", &self.destination.channel),
            ("topic", topic),
            ("type", "stream"),
        ]);
        let mut request = HttpRequest::new(Method::POST, self.url.clone());
        request.headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        if let Some(authorization) = &self.authorization {
            request.headers.insert(AUTHORIZATION, authorization.clone());
        }
        request.body = Bytes::from(form);
        Ok(request)
    }

    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        answer::judge(response, clock, KIND.title, Answer::complaint)
    }
}

/// What a form need not encode.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Names and values as `application/x-www-form-urlencoded`, byte for byte as the reference encodes
/// them; names need no encoding.
fn form(fields: &[(&str, &str)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            let value = utf8_percent_encode(value, PLAIN).to_string();
            format!("{name}={}", value.replace("%20", "+"))
        })
        .collect();
    fields.join("&")
}

/// The form of every answer: <https://zulip.com/api/rest-error-handling>.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    result: String,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    code: String,
    #[serde(default, rename = "retry-after")]
    retry_after: Option<f64>,
}

impl Answer {
    fn complaint(self) -> Option<Complaint> {
        if self.result != "error" {
            return None;
        }
        let class = match self.code.as_str() {
            "RATE_LIMIT_HIT" => Some(FailureClass::Throttled),
            "STREAM_DOES_NOT_EXIST"
            | "NONEXISTENT_SUBDOMAIN"
            | "INVALID_API_KEY"
            | "UNAUTHORIZED"
            | "UNAUTHENTICATED_USER"
            | "USER_DEACTIVATED"
            | "REALM_DEACTIVATED" => Some(FailureClass::Misconfigured),
            _ => None,
        };
        Some(Complaint {
            class,
            retry_after: self.retry_after.and_then(answer::seconds),
            reason: self.msg,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_split_at_its_first_slash() {
        let destination = Destination::parse("ops/flux/prod events").unwrap();
        assert_eq!(destination.channel, "ops");
        assert_eq!(destination.topic, "flux/prod events");
        for channel in ["", "general", "/alerts", "general/"] {
            let error = Destination::parse(channel).unwrap_err().to_string();
            assert!(error.contains("<channel>/<topic>"), "{error}");
        }
    }
}
