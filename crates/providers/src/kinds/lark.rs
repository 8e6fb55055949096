//! Sends cards to a Lark or Feishu group through the webhook of a custom bot.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the bot's webhook (required; here or in the Secret) |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The message is one card: turquoise, or red for errors, with the object as its header and the
//! metadata below the message.
//! `channel`, `username` and `token` are not used. Bots that verify signatures are not supported;
//! protect the bot with the list of allowed addresses or a key word, such as `kustomization`, instead.
//! Largest message: 20 KB; what is longer is cut in the middle.
//! `<at …>` and `<a href=…>` in event texts are made inert.
//!
//! Lark says no with status 200 and a `code` other than 0; that is a failure.
//! Unknown webhooks, addresses that are not allowed and missing key words wait for a change of the
//! Provider, rate limits of 100 messages a minute and 5 a second are waited for.
//!
//! Lark's documentation: <https://open.larksuite.com/document/client-docs/bot-v3/add-custom-bot>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: lark
//!   namespace: flux-system
//! spec:
//!   type: lark
//!   secretRef:
//!     name: lark-webhook
//! ```

use std::fmt::Write as _;
use std::time::Duration;

use domain::Notification;
use domain::delivery::{Failure, FailureClass};
use domain::ports::Clock;
use outbound::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use url::Url;

use super::slack::CHAT;
use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::answer::{self, Complaint};
use crate::shared::fit::{self, Fitted, Limits};
use crate::shared::json_post::{json_post, json_size};
use crate::shared::mentions;
use crate::shared::title::title;
use crate::shared::truncate::{self, Unit};
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "lark",
    title: "Lark",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check: address::check_url,
    build: |settings| Ok(Box::new(Lark::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("lark.rs"),
};

/// "The size of the request body cannot exceed 20 KB", in the notes of
/// <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>.
const LIMITS: Limits = Limits {
    unit: Unit::JsonBytes,
    total: 20_000,
    text: 20_000,
    name: 1_000,
    value: 4_000,
    fields: 100,
    // ": " and the line's end, which JSON escapes.
    field_overhead: 4,
};

/// The longest title; objects in Kubernetes have at most a third of that.
const LONGEST_TITLE: usize = 1_000;

struct Lark {
    url: Url,
}

impl Lark {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        Ok(Self {
            url: settings.url()?,
        })
    }
}

impl OneRequest for Lark {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        json_post(&self.url, &Message::render(notification))
    }

    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        // Seconds until the limit is lifted:
        // <https://open.larksuite.com/document/server-docs/api-call-guide/frequency-control>.
        let reset = response.headers.get("x-ogw-ratelimit-reset");
        let reset = reset.and_then(|value| value.to_str().ok()?.parse().ok());
        let reset = reset.map(Duration::from_secs);
        answer::judge(response, clock, KIND.title, |answer: Answer| {
            answer.complaint(reset)
        })
    }
}

/// An answer; older webhooks write `StatusCode` and `StatusMessage`.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    msg: String,
    #[serde(default, rename = "StatusCode")]
    status_code: i64,
    #[serde(default, rename = "StatusMessage")]
    status_message: String,
}

impl Answer {
    fn complaint(self, retry_after: Option<Duration>) -> Option<Complaint> {
        let (code, message) = match (self.code, self.status_code) {
            (0, 0) => return None,
            (0, code) => (code, self.status_message),
            (code, _) => (code, self.msg),
        };
        Some(Complaint {
            class: class_of(code, &message),
            retry_after,
            reason: format!("{code}: {message}"),
        })
    }
}

/// Source: the errors at <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>.
fn class_of(code: i64, message: &str) -> Option<FailureClass> {
    match code {
        // Webhook unknown; signature or time wrong; address not allowed; key word missing.
        19001 | 19021 | 19022 | 19024 => Some(FailureClass::Misconfigured),
        11232 | 99_991_400 => Some(FailureClass::Throttled),
        // One code for bad and for too many requests.
        9499 if message.to_ascii_lowercase().contains("too many") => Some(FailureClass::Throttled),
        _ => None,
    }
}

#[derive(Debug, Serialize)]
struct Message {
    msg_type: &'static str,
    card: Card,
}

#[derive(Debug, Serialize)]
struct Card {
    config: CardConfig,
    header: Header,
    elements: [Element; 1],
}

#[derive(Debug, Serialize)]
struct CardConfig {
    wide_screen_mode: bool,
}

#[derive(Debug, Serialize)]
struct Header {
    title: Text,
    template: &'static str,
}

#[derive(Debug, Serialize)]
struct Element {
    tag: &'static str,
    text: Text,
}

#[derive(Debug, Serialize)]
struct Text {
    tag: &'static str,
    content: String,
}

impl Message {
    fn render(notification: &Notification) -> Self {
        let event = &notification.event;
        let (emoji, template) = if event.is_error() {
            ("🚨", "red")
        } else {
            ("💫", "turquoise")
        };
        let title = truncate::head_and_tail(&title(event), LONGEST_TITLE, LIMITS.unit);
        let mut message = Self {
            msg_type: "interactive",
            card: Card {
                config: CardConfig {
                    wide_screen_mode: true,
                },
                header: Header {
                    title: Text {
                        tag: "plain_text",
                        content: format!("{emoji} {title}"),
                    },
                    template,
                },
                elements: [Element {
                    tag: "div",
                    text: Text {
                        tag: "lark_md",
                        content: content("", Vec::new()),
                    },
                }],
            },
        };
        let fields = fit::sorted(&event.metadata, mentions::lark);
        let text = mentions::lark(&event.message);
        let Fitted { text, fields } = fit::fit(&text, fields, json_size(&message), &LIMITS);
        let [element] = &mut message.card.elements;
        element.text.content = content(&text, fields);
        message
    }
}

fn content(text: &str, fields: Vec<(String, String)>) -> String {
    let mut content = format!("**{text}**\n\n");
    for (key, value) in fields {
        // Writing to a string cannot fail.
        let _ = writeln!(content, "{key}: {value}");
    }
    content
}
