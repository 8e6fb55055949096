//! The message format that Slack defined and that Discord and Rocket.Chat understand too.

use domain::Notification;
use serde::Serialize;

use super::fit::{self, Limits};
use super::title::title;

/// A message with one attachment.
#[derive(Debug, Serialize)]
pub(crate) struct SlackMessage {
    channel: String,
    username: String,
    icon_url: &'static str,
    icon_emoji: &'static str,
    attachments: [Attachment; 1],
}

#[derive(Debug, Serialize)]
struct Attachment {
    fallback: String,
    color: &'static str,
    author_name: String,
    text: String,
    mrkdwn_in: [&'static str; 1],
    fields: Vec<Field>,
}

#[derive(Debug, Serialize)]
struct Field {
    title: String,
    value: String,
    short: bool,
}

/// How a service wants it.
pub(crate) struct Dialect {
    /// Colour of errors and of everything else.
    pub(crate) colors: Colors,
    /// Whether notifications on devices get a text of their own, at most this long.
    pub(crate) fallback: Option<usize>,
    /// Takes the life out of mentions.
    pub(crate) neutralise: fn(&str) -> String,
    /// What the service takes.
    pub(crate) limits: Limits,
    /// The longest author name; the object's title goes there.
    pub(crate) author: usize,
}

/// Colours by severity.
pub(crate) struct Colors {
    /// For errors.
    pub(crate) error: &'static str,
    /// For everything else.
    pub(crate) other: &'static str,
}

impl SlackMessage {
    /// Renders a notification.
    pub(crate) fn render(
        notification: &Notification,
        channel: &str,
        username: &str,
        dialect: &Dialect,
    ) -> Self {
        let event = &notification.event;
        let neutralise = dialect.neutralise;
        let unit = dialect.limits.unit;
        let author_name = neutralise(&title(event));
        let author_name = super::truncate::head_and_tail(&author_name, dialect.author, unit);
        let message = neutralise(&event.message);
        let fallback = dialect.fallback.map(|limit| {
            let first_line = message.lines().next().unwrap_or_default();
            let fallback = format!("{author_name}: {first_line}");
            super::truncate::head_and_tail(&fallback, limit, unit)
        });
        let fallback = fallback.unwrap_or_default();
        let fixed = unit.length(&author_name) + unit.length(&fallback);
        let fields = fit::sorted(&event.metadata, neutralise);
        let fitted = fit::fit(&message, fields, fixed, &dialect.limits);
        let color = if event.is_error() {
            dialect.colors.error
        } else {
            dialect.colors.other
        };
        Self {
            channel: channel.to_owned(),
            username: username.to_owned(),
            icon_url: "",
            icon_emoji: "",
            attachments: [Attachment {
                fallback,
                color,
                author_name,
                text: fitted.text,
                mrkdwn_in: ["text"],
                fields: fitted.fields.into_iter().map(Field::from).collect(),
            }],
        }
    }
}

impl From<(String, String)> for Field {
    fn from((title, value): (String, String)) -> Self {
        Self {
            title,
            value,
            short: false,
        }
    }
}
