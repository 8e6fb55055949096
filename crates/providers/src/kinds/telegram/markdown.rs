//! Messages in Telegram's `MarkdownV2`, which appear as the texts they are made of.
//!
//! Source: <https://core.telegram.org/bots/api#markdownv2-style>.

use domain::Notification;

use crate::shared::fit::{self, Fitted, Limits};
use crate::shared::mentions;
use crate::shared::truncate::{self, Unit};

/// "1-4096 characters after entities parsing", counted as everything in Telegram is, in UTF-16:
/// <https://core.telegram.org/bots/api#sendmessage>, <https://core.telegram.org/api/entities>.
const LIMITS: Limits = Limits {
    unit: Unit::Utf16,
    total: 4_096,
    text: 4_096,
    name: 300,
    value: 1_000,
    fields: 100,
    // "- ", ": " and the line's end.
    field_overhead: 5,
};

/// The longest title; objects in Kubernetes have fewer characters than that.
const LONGEST_TITLE: usize = 500;

/// The message: object in bold, text, and the metadata as a list. Limits hold for what is shown, so
/// texts are cut first and escaped then.
pub(super) fn render(notification: &Notification) -> String {
    let event = &notification.event;
    let object = &event.involved_object;
    let emoji = if event.is_error() { "🚨" } else { "💫" };
    let title = mentions::telegram(&format!(
        "{emoji} {}/{}/{}",
        object.kind.to_lowercase(),
        object.name,
        object.namespace
    ));
    let title = truncate::head_and_tail(&title, LONGEST_TITLE, LIMITS.unit);
    // Two more for the ends of the title's and the message's last line.
    let fixed = LIMITS.unit.length(&title) + 2;
    let message = mentions::telegram(&event.message);
    let fields = fit::sorted(&event.metadata, mentions::telegram);
    let Fitted { text, fields } = fit::fit(&message, fields, fixed, &LIMITS);
    let mut markdown = format!("*{}*\n{}\n", escaped(&title), escaped(&text));
    for (key, value) in fields {
        markdown.push_str(&format_entry(&key, &value));
    }
    markdown
}

fn format_entry(key: &str, value: &str) -> String {
    format!("\\- *{}*: {}\n", escaped(key), escaped(value))
}

/// The text with a backslash before every character that could mean something.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_special(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn is_special(character: char) -> bool {
    matches!(
        character,
        '\\' | '.'
            | '-'
            | '_'
            | '['
            | ']'
            | '('
            | ')'
            | '~'
            | '>'
            | '`'
            | '#'
            | '+'
            | '='
            | '|'
            | '{'
            | '}'
            | '!'
            | '*'
    )
}

#[cfg(test)]
mod tests;
