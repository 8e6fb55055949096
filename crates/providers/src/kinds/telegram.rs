//! Sends messages to a Telegram chat as a bot.
//!
//! | Field | Use |
//! |---|---|
//! | `channel` | id of the chat, such as `-1001234567890`, or `@name` of a public one; `:` and a number behind it name a topic (required) |
//! | Secret `token` | the bot's token, such as `123456789:AA…` (required) |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The message is text: 💫, or 🚨 for errors, the object in bold, the message, and the metadata as a
//! list.
//! `address` and `username` are not used: messages go to `https://api.telegram.org`, and the bot has
//! its own name.
//! Threads: the topic in `channel`.
//! Largest message: 4,096 characters; most emoji count twice, and what is longer is cut in the middle.
//! Event texts appear as they are, whatever Markdown they hold; `@name` in them is made inert.
//! Unknown chats, wrong tokens and missing rights wait for a change of Provider or Secret, rate limits
//! are waited for as long as Telegram asks.
//!
//! Telegram's documentation: <https://core.telegram.org/bots/api#sendmessage>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: telegram
//!   namespace: flux-system
//! spec:
//!   type: telegram
//!   channel: "-1001234567890:7"
//!   secretRef:
//!     name: telegram-bot
//! ```

mod markdown;

use api::{Problem, Provider};
use domain::Notification;
use domain::delivery::{Failure, FailureClass};
use domain::ports::Clock;
use outbound::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use url::Url;

use super::slack::CHAT;
use crate::classify;
use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::answer::{self, Complaint};
use crate::shared::json_post::json_post;
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "telegram",
    title: "Telegram",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(Telegram::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("telegram.rs"),
};

const API: &str = "https://api.telegram.org";

const NO_TOKEN: &str =
    "empty Telegram token: put the bot's token into the key `token` of the Secret";

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = Vec::new();
    match Chat::parse(&provider.channel) {
        Ok(chat) => problems.extend(chat.doubts()),
        Err(error) => problems.push(Problem::error("spec.channel", error.to_string())),
    }
    problems.extend(address::check_secret(provider, NO_TOKEN));
    if !provider.address.is_empty() {
        let text = format!("has no effect: messages always go to {API}");
        problems.push(Problem::warning("spec.address", text));
    }
    problems
}

/// Where messages go.
#[derive(Debug, PartialEq, Eq)]
struct Chat {
    id: String,
    thread: Option<String>,
}

impl Chat {
    fn parse(channel: &str) -> Result<Self, ConfigError> {
        let (id, thread) = channel.split_once(':').unwrap_or((channel, ""));
        if id.is_empty() {
            return Err(ConfigError::new(
                "empty Telegram channel: expected a chat such as -1001234567890 or @name, with \
                 :topic behind it if wanted",
            ));
        }
        Ok(Self {
            id: id.to_owned(),
            thread: Some(thread.to_owned()).filter(|thread| !thread.is_empty()),
        })
    }

    /// What Telegram will hardly take.
    fn doubts(&self) -> Option<Problem> {
        let is_number = |text: &str| text.parse::<i64>().is_ok();
        let text = if !self.id.starts_with('@') && !is_number(&self.id) {
            "the chat is neither a number such as -1001234567890 nor a name such as @channel"
        } else if self
            .thread
            .as_deref()
            .is_some_and(|topic| !is_number(topic))
        {
            "the topic behind the colon is no number"
        } else {
            return None;
        };
        Some(Problem::warning("spec.channel", text))
    }
}

struct Telegram {
    url: Url,
    chat: Chat,
}

impl Telegram {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let token = settings.token.as_ref();
        let token = token.ok_or_else(|| ConfigError::new(NO_TOKEN))?.expose();
        // It becomes a part of the path, so nothing else may be in it.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":_-".contains(&byte);
        if !token.bytes().all(is_plain) {
            return Err(ConfigError::new(
                "the key `token` of the Secret is no Telegram token: expected one such as \
                 123456789:AA…",
            ));
        }
        let url = Url::parse(&format!("{API}/bot{token}/sendMessage"));
        Ok(Self {
            url: url
                .map_err(|error| ConfigError::new(format!("the token gives no URL: {error}")))?,
            chat: Chat::parse(&settings.provider.spec.channel)?,
        })
    }
}

#[derive(Debug, Serialize)]
struct SendMessage<'a> {
    chat_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<&'a str>,
    text: String,
    parse_mode: &'static str,
}

impl OneRequest for Telegram {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let message = SendMessage {
            chat_id: &self.chat.id,
            message_thread_id: self.chat.thread.as_deref(),
            text: markdown::render(notification),
            parse_mode: "MarkdownV2",
        };
        json_post(&self.url, &message)
    }

    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        let now = clock.now();
        answer::judge(response, clock, KIND.title, |answer: Answer| {
            let class = answer.class(response, now);
            answer.complaint(class)
        })
    }
}

/// The form of every answer: <https://core.telegram.org/bots/api#making-requests>.
#[derive(Debug, Deserialize)]
struct Answer {
    ok: Option<bool>,
    #[serde(default)]
    error_code: Option<u16>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

/// <https://core.telegram.org/bots/api#responseparameters>.
#[derive(Debug, Default, Deserialize)]
struct Parameters {
    migrate_to_chat_id: Option<i64>,
    retry_after: Option<f64>,
}

/// What Telegram calls a bad request, although the chat or the bot's rights in it are wrong.
const WRONG_CHAT: [&str; 11] = [
    "chat not found",
    "upgraded to a supergroup",
    "group chat was deactivated",
    "message thread not found",
    "topic_closed",
    "topic_deleted",
    "not enough rights",
    "have no rights",
    "need administrator rights",
    "chat_write_forbidden",
    "peer_id_invalid",
];

impl Answer {
    /// What the description tells, or else the code, which is that of HTTP.
    fn class(&self, response: &HttpResponse, now: jiff::Timestamp) -> Option<FailureClass> {
        let description = self.description.to_ascii_lowercase();
        if WRONG_CHAT.iter().any(|words| description.contains(words)) {
            return Some(FailureClass::Misconfigured);
        }
        let status = self.error_code?.try_into().ok()?;
        let with_code = HttpResponse {
            status,
            ..response.clone()
        };
        Some(classify::failure(&with_code, now).class)
    }

    fn complaint(self, class: Option<FailureClass>) -> Option<Complaint> {
        if self.ok != Some(false) {
            return None;
        }
        let moved = self.parameters.migrate_to_chat_id;
        let moved = moved.map(|id| format!("; set spec.channel to {id}"));
        Some(Complaint {
            class,
            retry_after: self.parameters.retry_after.and_then(answer::seconds),
            reason: self.description + &moved.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_chat_may_name_a_topic() {
        for (channel, id, thread) in [
            ("-1552289257:1", "-1552289257", Some("1")),
            ("@fluxcd", "@fluxcd", None),
            ("42:", "42", None),
        ] {
            let chat = Chat::parse(channel).unwrap();
            assert_eq!((chat.id.as_str(), chat.thread.as_deref()), (id, thread));
            assert!(chat.doubts().is_none());
        }
        for channel in ["", ":1"] {
            let error = Chat::parse(channel).unwrap_err();
            assert!(error.to_string().starts_with("empty Telegram channel"));
        }
        for channel in ["fluxcd", "-100:general"] {
            assert!(
                Chat::parse(channel).unwrap().doubts().is_some(),
                "{channel}"
            );
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let object = json!({"spec": {"type": "telegram", "address": "https://example.com"}});
        let problems = check(&Provider::from_object(Arc::new(object)));
        let paths: Vec<&str> = problems.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["spec.channel", "spec.secretRef", "spec.address"]);
        assert_eq!(problems.iter().filter(|one| one.is_error()).count(), 2);
    }
}
