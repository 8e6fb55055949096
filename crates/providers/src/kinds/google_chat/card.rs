//! Messages of Google Chat with a card.

use domain::Notification;
use serde::Serialize;

use crate::shared::fit::{self, Limits};
use crate::shared::json_post::json_size;
use crate::shared::mentions;
use crate::shared::title::title;
use crate::shared::truncate::{self, Unit};

/// "The maximum message size, including the message contents, is 32,000 bytes":
/// <https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create>.
const LIMITS: Limits = Limits {
    unit: Unit::JsonBytes,
    total: 32_000,
    text: 32_000,
    name: 1_000,
    value: 4_000,
    fields: 100,
    field_overhead: WIDGET.len(),
};

/// What a field takes besides its name and value.
const WIDGET: &str = concat!(
    r#"{"textParagraph":null,"keyValue":{"topLabel":"","content":"","#,
    r#""contentMultiline":false,"bottomLabel":null,"icon":null}},"#
);

/// The longest title, subtitle and thread key. Of the latter the service takes 4,000 characters.
const LONGEST_TITLE: usize = 1_000;

/// A message with one card; what is `()` is there and null, as the service's first client sent it.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    cards: [Card; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<Thread>,
}

#[derive(Debug, Serialize)]
struct Card {
    header: Header,
    sections: Vec<Section>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    title: String,
    subtitle: String,
    image_url: (),
    image_style: (),
}

#[derive(Debug, Serialize)]
struct Section {
    header: &'static str,
    widgets: Vec<Widget>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Widget {
    text_paragraph: Option<TextParagraph>,
    key_value: Option<KeyValue>,
}

#[derive(Debug, Serialize)]
struct TextParagraph {
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyValue {
    top_label: String,
    content: String,
    content_multiline: bool,
    bottom_label: (),
    icon: (),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Thread {
    thread_key: String,
}

impl Message {
    /// Renders a notification; with `has_threads` all that are about one object are one thread.
    pub(super) fn render(notification: &Notification, has_threads: bool) -> Self {
        let event = &notification.event;
        let short = |text: &str| truncate::head_and_tail(text, LONGEST_TITLE, Unit::JsonBytes);
        let text = |text: &str| {
            let text = if event.is_error() {
                format!("<font color=\"#ff0000\">{text}</font>")
            } else {
                text.to_owned()
            };
            Section::of(vec![Widget {
                text_paragraph: Some(TextParagraph { text }),
                ..Widget::default()
            }])
        };
        let mut message = Self {
            cards: [Card {
                header: Header {
                    title: short(&title(event)),
                    subtitle: short(&event.reporting_controller),
                    image_url: (),
                    image_style: (),
                },
                sections: vec![text("")],
            }],
            thread: has_threads.then(|| Thread {
                thread_key: short(&title(event)),
            }),
        };
        let [card] = &mut message.cards;
        let fields = fit::sorted(&event.metadata, mentions::google_chat);
        let has_fields = !fields.is_empty();
        if has_fields {
            card.sections.push(Section::of(Vec::new()));
        }
        // The last field has no comma behind it.
        let fixed = json_size(&message) - usize::from(has_fields);
        let fitted = mentions::google_chat(&event.message);
        let fitted = fit::fit(&fitted, fields, fixed, &LIMITS);
        let [card] = &mut message.cards;
        card.sections = vec![text(&fitted.text)];
        if has_fields {
            let widgets = fitted.fields.into_iter().map(Widget::from).collect();
            card.sections.push(Section::of(widgets));
        }
        message
    }
}

impl Section {
    fn of(widgets: Vec<Widget>) -> Self {
        Self {
            header: "",
            widgets,
        }
    }
}

impl From<(String, String)> for Widget {
    fn from((name, value): (String, String)) -> Self {
        Self {
            key_value: Some(KeyValue {
                top_label: name,
                content: value,
                content_multiline: false,
                bottom_label: (),
                icon: (),
            }),
            ..Self::default()
        }
    }
}
