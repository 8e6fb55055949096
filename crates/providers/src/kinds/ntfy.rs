//! Publishes messages to a topic of ntfy, which shows them on phones and desktops.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the server, such as `https://ntfy.sh`, or server and topic, `https://ntfy.sh/mytopic` (required; here or in the Secret) |
//! | `channel` | the topic, if the address does not end with it |
//! | Secret `token` | an access token, sent as `Authorization: Bearer` |
//! | Secret `username`, `password` | instead of a token, for basic authentication |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The title is the object, the text the message and the metadata below it.
//! Errors have priority 4, high, and a rotating light; other messages 3, the default; `trace` 2, low,
//! which makes no sound.
//! On public servers a topic is as good as a password: choose one that nobody guesses, and keep the
//! address that ends with it in the Secret.
//! Largest message: 4,096 bytes; what is longer is cut in the middle, so that it does not become an
//! attachment.
//! Wrong credentials wait for a change of Provider or Secret, rate limits are waited for.
//! Flux has no type of this name.
//!
//! ntfy's documentation: <https://docs.ntfy.sh/publish/#publish-as-json>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: ntfy
//!   namespace: flux-system
//! spec:
//!   type: ntfy
//!   address: https://ntfy.example.com
//!   channel: flux-alerts
//!   secretRef:
//!     name: ntfy-token
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
use crate::shared::basic_pair;
use crate::shared::fit::{self, Fitted, Limits};
use crate::shared::json_post::{json_post, json_size};
use crate::shared::title::title;
use crate::shared::truncate::{self, Unit};
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "ntfy",
    title: "ntfy",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(Ntfy::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("ntfy.rs"),
};

/// "Each message can be up to 4,096 bytes long": <https://docs.ntfy.sh/publish/#limitations>.
const LIMITS: Limits = Limits {
    unit: Unit::Bytes,
    total: 4_096,
    text: 4_096,
    name: 300,
    value: 1_000,
    fields: 100,
    // ": " and the line's end.
    field_overhead: 3,
};

/// What a server reads of a request, twice the length of a message; escapes in JSON count here.
const LARGEST_BODY: usize = 8_192;

/// The longest title, in bytes; objects in Kubernetes have fewer.
const LONGEST_TITLE: usize = 400;

/// The longest name of a topic: <https://docs.ntfy.sh/publish/>.
const LONGEST_TOPIC: usize = 64;

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = address::check_url(provider);
    if let Ok(address) = Url::parse(&provider.address)
        && let Err(error) = Target::parse(address, &provider.channel)
    {
        problems.push(Problem::error("spec.channel", error.to_string()));
    }
    problems
}

/// Server and topic.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    server: Url,
    topic: String,
}

impl Target {
    /// The topic is the last part of an address, unless that ends with a slash or names a server
    /// only. Errors do not show it: it may be a secret.
    fn parse(mut address: Url, channel: &str) -> Result<Self, ConfigError> {
        let (folder, last) = address.path().rsplit_once('/').unwrap_or_default();
        let topic = match (last, channel) {
            ("", "") => {
                return Err(ConfigError::new(
                    "no topic: set spec.channel, or let the address end with the topic, as in \
                     https://ntfy.sh/mytopic",
                ));
            }
            ("", channel) => channel.to_owned(),
            (last, channel) if channel.is_empty() || last == channel => last.to_owned(),
            _ => {
                return Err(ConfigError::new(
                    "two topics: spec.channel names one and the address ends with another; a \
                     server's own path must end with a slash",
                ));
            }
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if topic.len() > LONGEST_TOPIC || !topic.bytes().all(is_name) {
            return Err(ConfigError::new(format!(
                "the topic is no name that ntfy takes: expected at most {LONGEST_TOPIC} letters, \
                 digits, `-` and `_`"
            )));
        }
        let folder = format!("{folder}/");
        address.set_path(&folder);
        Ok(Self {
            server: address,
            topic,
        })
    }
}

struct Ntfy {
    target: Target,
    authorization: Option<HeaderValue>,
}

impl Ntfy {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let authorization = match authorization::bearer(settings)? {
            Some(bearer) => Some(bearer),
            None => basic_pair::parse(settings)?
                .map(|pair| basic_pair::header(&pair))
                .transpose()?,
        };
        Ok(Self {
            target: Target::parse(settings.url()?, &settings.provider.spec.channel)?,
            authorization,
        })
    }
}

#[derive(Debug, Serialize)]
struct Publication<'a> {
    topic: &'a str,
    title: String,
    message: String,
    priority: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<[&'static str; 1]>,
}

impl OneRequest for Ntfy {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let mut request = json_post(
            &self.target.server,
            &render(notification, &self.target.topic),
        )?;
        if let Some(authorization) = &self.authorization {
            request.headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        answer::judge(response, clock, KIND.title, Answer::complaint)
    }
}

fn render<'a>(notification: &Notification, topic: &'a str) -> Publication<'a> {
    let event = &notification.event;
    let (priority, tags) = match event.severity.as_str() {
        _ if event.is_error() => (4, Some(["rotating_light"])),
        "trace" => (2, None),
        _ => (3, None),
    };
    let mut publication = Publication {
        topic,
        title: truncate::head_and_tail(&title(event), LONGEST_TITLE, LIMITS.unit),
        message: String::new(),
        priority,
        tags,
    };
    let fields = fit::sorted(&event.metadata, str::to_owned);
    // One more for the empty line before the metadata.
    let empty_line = usize::from(!fields.is_empty());
    let Fitted { text, fields } = fit::fit(&event.message, fields, empty_line, &LIMITS);
    let mut text = text;
    for (number, (key, value)) in fields.into_iter().enumerate() {
        text.push_str(if number == 0 { "\n\n" } else { "\n" });
        // Writing to a string cannot fail.
        let _ = write!(text, "{key}: {value}");
    }
    let room = LARGEST_BODY - json_size(&publication).min(LARGEST_BODY);
    publication.message = truncate::head_and_tail(&text, room, Unit::JsonBytes);
    publication
}

/// An answer; errors have a code and a text: <https://docs.ntfy.sh/publish/#publish-as-json>.
#[derive(Debug, Deserialize)]
struct Answer {
    error: Option<String>,
}

impl Answer {
    fn complaint(self) -> Option<Complaint> {
        Some(Complaint {
            reason: self.error?,
            ..Complaint::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(address: &str, channel: &str) -> Result<(String, String), String> {
        Target::parse(Url::parse(address).unwrap(), channel)
            .map(|target| (target.server.into(), target.topic))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_topic_is_in_the_channel_or_ends_the_address() {
        for (address, channel, server) in [
            ("https://n.example", "alerts", "https://n.example/"),
            ("https://n.example/", "alerts", "https://n.example/"),
            ("https://n.example/alerts", "", "https://n.example/"),
            ("https://n.example/alerts", "alerts", "https://n.example/"),
            (
                "https://n.example/push/",
                "alerts",
                "https://n.example/push/",
            ),
            (
                "https://n.example/push/alerts",
                "",
                "https://n.example/push/",
            ),
        ] {
            let expected = (server.to_owned(), "alerts".to_owned());
            assert_eq!(
                target(address, channel),
                Ok(expected),
                "{address} {channel}"
            );
        }
    }

    #[test]
    fn topics_that_are_missing_double_or_no_names_are_refused_without_showing_them() {
        for (address, channel, words) in [
            ("https://n.example/", "", "no topic"),
            ("https://n.example/one", "two", "two topics"),
            ("https://n.example/", "a b", "no name"),
            ("https://n.example/a%20b", "", "no name"),
        ] {
            let said = target(address, channel).unwrap_err();
            assert!(said.contains(words), "{said}");
            assert!(!said.contains("one") || words == "two topics", "{said}");
        }
        let longest = "x".repeat(LONGEST_TOPIC);
        assert!(target("https://n.example/", &longest).is_ok());
        assert!(target("https://n.example/", &(longest + "x")).is_err());
    }
}
