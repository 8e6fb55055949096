//! The two card formats of Microsoft Teams.

use domain::Notification;
use serde::Serialize;

use crate::shared::fit::{self, Fitted, Limits};
use crate::shared::mentions;
use crate::shared::title::title;
use crate::shared::truncate::{self, Unit};

/// "Approximately 28 KB" for the whole message:
/// <https://learn.microsoft.com/microsoftteams/limits-specifications-teams>.
pub(crate) const LARGEST_MESSAGE: usize = 28_000;

/// More than the members and braces of either card take.
const SKELETON: usize = 500;

/// More than `{"title":"","value":""},` takes.
const FACT: usize = 24;

/// The longest title; it stands there twice in one of the formats.
const LONGEST_TITLE: usize = 1_000;

const LIMITS: Limits = Limits {
    unit: Unit::JsonBytes,
    total: LARGEST_MESSAGE - SKELETON,
    text: LARGEST_MESSAGE,
    name: 1_000,
    value: 4_000,
    fields: 100,
    field_overhead: FACT,
};

/// A message with an Adaptive Card.
#[derive(Debug, Serialize)]
pub(super) struct AdaptiveCard {
    #[serde(rename = "type")]
    kind: &'static str,
    attachments: [CardAttachment; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CardAttachment {
    content_type: &'static str,
    content: Card,
}

#[derive(Debug, Serialize)]
struct Card {
    #[serde(rename = "$schema")]
    schema: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: &'static str,
    body: [Container; 1],
    msteams: TeamsOptions,
}

#[derive(Debug, Serialize)]
struct TeamsOptions {
    width: &'static str,
}

#[derive(Debug, Serialize)]
struct Container {
    #[serde(rename = "type")]
    kind: &'static str,
    items: [Element; 3],
}

#[derive(Debug, Serialize)]
#[serde(tag = "type")]
enum Element {
    TextBlock(TextBlock),
    FactSet {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        facts: Vec<Fact>,
    },
}

#[derive(Debug, Default, Serialize)]
struct TextBlock {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<&'static str>,
    wrap: bool,
}

#[derive(Debug, Serialize)]
struct Fact {
    title: String,
    value: String,
}

/// Title, message and metadata, inert and within the limits, `summary` first.
fn content(notification: &Notification) -> (String, Fitted) {
    let event = &notification.event;
    let title = mentions::teams(&title(event));
    let title = truncate::head_and_tail(&title, LONGEST_TITLE, Unit::JsonBytes);
    let message = mentions::teams(&event.message);
    let mut fields = fit::sorted(&event.metadata, mentions::teams);
    // The sort is stable, so all others stay in order.
    fields.sort_by_key(|(name, _)| name != "summary");
    let fixed = 2 * Unit::JsonBytes.length(&title);
    (title, fit::fit(&message, fields, fixed, &LIMITS))
}

impl AdaptiveCard {
    pub(super) fn render(notification: &Notification) -> Self {
        let (title, fitted) = content(notification);
        let heading = TextBlock {
            text: title,
            size: Some("large"),
            weight: Some("bolder"),
            wrap: true,
            ..TextBlock::default()
        };
        let message = TextBlock {
            text: fitted.text,
            color: notification.event.is_error().then_some("attention"),
            wrap: true,
            ..TextBlock::default()
        };
        let facts = fitted.fields.into_iter();
        let facts = facts.map(|(title, value)| Fact { title, value }).collect();
        Self {
            kind: "message",
            attachments: [CardAttachment {
                content_type: "application/vnd.microsoft.card.adaptive",
                content: Card {
                    schema: "http://adaptivecards.io/schemas/adaptive-card.json",
                    kind: "AdaptiveCard",
                    version: "1.4",
                    body: [Container {
                        kind: "Container",
                        items: [
                            Element::TextBlock(heading),
                            Element::TextBlock(message),
                            Element::FactSet { facts },
                        ],
                    }],
                    msteams: TeamsOptions { width: "Full" },
                },
            }],
        }
    }
}

/// A message of the legacy connectors.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectorCard {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@context")]
    context: &'static str,
    theme_color: &'static str,
    summary: String,
    sections: [Section; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Section {
    activity_title: String,
    activity_subtitle: String,
    facts: Vec<ConnectorFact>,
}

#[derive(Debug, Serialize)]
struct ConnectorFact {
    name: String,
    value: String,
}

impl ConnectorCard {
    pub(super) fn render(notification: &Notification) -> Self {
        let (title, fitted) = content(notification);
        let facts = fitted.fields.into_iter();
        Self {
            kind: "MessageCard",
            context: "http://schema.org/extensions",
            theme_color: if notification.event.is_error() {
                "FF0000"
            } else {
                "0076D7"
            },
            summary: title.clone(),
            sections: [Section {
                activity_title: fitted.text,
                activity_subtitle: title,
                facts: facts
                    .map(|(name, value)| ConnectorFact { name, value })
                    .collect(),
            }],
        }
    }
}
