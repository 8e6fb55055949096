//! What is sent: a text and the same in simple HTML.
//!
//! Deterministic, and safe whatever is in an event: header values have no control characters, HTML is
//! escaped, and the boundary between the parts cannot stand in them.

use std::fmt::Write as _;

use api::Event;
use domain::Notification;
use domain::delivery::{Failure, FailureClass};
use jiff::Timestamp;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::text::Text;
use mail_builder::mime::MimePart;

use super::address::Mailbox;
use crate::shared::delivery_id::{delivery_id, fingerprint};
use crate::shared::title::title;
use crate::shared::truncate;

/// Longer subjects are cut by most mail programs anyway.
const LONGEST_SUBJECT: usize = 200;

/// From whom, to whom, and about what a conversation is.
pub(super) struct Envelope<'a> {
    pub(super) from: &'a Mailbox,
    pub(super) to: &'a [Mailbox],
    /// What tells the Provider from all others.
    pub(super) provider: &'a str,
}

/// The message in bytes; `now` is its date if the event has none.
pub(super) fn message(
    envelope: &Envelope<'_>,
    notification: &Notification,
    now: Timestamp,
) -> Result<Vec<u8>, Failure> {
    let event = &notification.event;
    let object = &event.involved_object;
    let domain = envelope.from.domain();
    let id = format!("{}@{domain}", delivery_id(notification));
    let thread = fingerprint(&[
        envelope.provider,
        &object.kind,
        &object.namespace,
        &object.name,
    ]);
    let thread = format!("{thread}@{domain}");
    let text = text(event);
    let html = html(event);
    let boundary = format!("=_{}", fingerprint(&[&text, &html]));
    let alternatives = MimePart::new(
        ContentType::new("multipart/alternative").attribute("boundary", boundary),
        vec![
            MimePart::new("text/plain", text),
            MimePart::new("text/html", html),
        ],
    );
    let built = MessageBuilder::new()
        .from(address(envelope.from))
        .to(Address::new_list(envelope.to.iter().map(address).collect()))
        .subject(subject(event))
        .date(event.timestamp.unwrap_or(now).as_second())
        .message_id(id)
        .in_reply_to(thread.clone())
        .references(thread)
        // So that absence notes stay away (RFC 3834).
        .header("Auto-Submitted", Text::new("auto-generated"))
        .body(alternatives)
        .write_to_vec();
    built.map_err(|error| {
        let detail = format!("rendering the message: {error}");
        Failure::new(FailureClass::Rejected, detail)
    })
}

fn address(mailbox: &Mailbox) -> Address<'_> {
    Address::new_address(mailbox.name.as_deref(), mailbox.address.as_str())
}

/// `[error] kustomization/webapp.apps: first line`.
fn subject(event: &Event) -> String {
    let sign = if event.is_error() { "[error] " } else { "" };
    let first = event.message.lines().next().unwrap_or_default();
    let text = format!("{sign}{}: {first}", title(event));
    truncate::head(&one_line(&text), LONGEST_SUBJECT)
}

/// The words of a text, with one space between them.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|one: char| one.is_whitespace() || one.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// What is said besides the message, each on a line.
fn facts(event: &Event) -> Vec<(&str, String)> {
    let mut facts = vec![
        ("Reason", event.reason.clone()),
        ("Severity", event.severity.clone()),
        ("Reported by", event.reporting_controller.clone()),
    ];
    if let Some(time) = event.timestamp {
        facts.push(("Time", time.to_string()));
    }
    facts.retain(|(_, value)| !value.is_empty());
    let metadata = event.metadata.iter();
    facts.extend(metadata.map(|(name, value)| (name.as_str(), value.clone())));
    facts
}

fn text(event: &Event) -> String {
    let mut text = format!("{}\n\n{}\n\n", one_line(&title(event)), event.message);
    for (name, value) in facts(event) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}: {value}");
    }
    unified(&text)
}

fn html(event: &Event) -> String {
    let colour = if event.is_error() {
        "#b00020"
    } else {
        "#1b5e20"
    };
    let mut rows = String::new();
    for (name, value) in facts(event) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            rows,
            "<tr><th align=\"left\">{}</th><td>{}</td></tr>",
            escaped(name),
            escaped(&value)
        );
    }
    unified(&format!(
        "<!DOCTYPE html>\n<html><body>\n<h3 style=\"color:{colour}\">{}</h3>\n<pre>{}</pre>\n\
         <table>\n{rows}</table>\n</body></html>\n",
        escaped(&one_line(&title(event))),
        escaped(&event.message)
    ))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// One kind of line end, and no control characters that mail must not have.
fn unified(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.replace(
        |one: char| one.is_control() && !matches!(one, '\n' | '\t'),
        " ",
    )
}
