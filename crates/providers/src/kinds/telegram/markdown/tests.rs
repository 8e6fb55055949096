//! What Telegram would show of a message, by a reader that knows `MarkdownV2` and nothing of how we
//! write it.

use std::collections::BTreeMap;

use api::{Event, ObjectKey, ObjectReference};
use domain::Notification;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

/// The text without markup and the parts of it that are bold; `Err` where Telegram would refuse.
fn read(markdown: &str) -> Result<(String, Vec<String>), String> {
    // "In all other places" these "must be escaped with the preceding character '\'".
    const RESERVED: &str = "_*[]()~`>#+-=|{}.!";
    let mut shown = String::new();
    let mut bold = Vec::new();
    let mut open: Option<String> = None;
    let mut characters = markdown.chars().peekable();
    while let Some(character) = characters.next() {
        let literal = match character {
            // "Any character with code between 1 and 126 inclusively can be escaped anywhere."
            '\\' => characters
                .next_if(|next| (1..=126).contains(&u32::from(*next)))
                .unwrap_or('\\'),
            '*' => {
                match open.take() {
                    Some(text) => bold.push(text),
                    None => open = Some(String::new()),
                }
                continue;
            }
            reserved if RESERVED.contains(reserved) => {
                return Err(format!("character {reserved:?} is reserved"));
            }
            plain => plain,
        };
        shown.push(literal);
        if let Some(text) = &mut open {
            text.push(literal);
        }
    }
    match open {
        Some(_) => Err("can't find the end of a bold entity".to_owned()),
        None => Ok((shown, bold)),
    }
}

fn notification(name: &str, message: &str, metadata: &[(String, String)]) -> Notification {
    Notification {
        event: Event {
            involved_object: ObjectReference {
                kind: "Kustomization".to_owned(),
                name: name.to_owned(),
                namespace: "apps".to_owned(),
                ..ObjectReference::default()
            },
            message: message.to_owned(),
            metadata: metadata.iter().cloned().collect::<BTreeMap<_, _>>(),
            ..Event::default()
        },
        alert: ObjectKey::new("apps", "alert"),
        alert_uid: String::new(),
        commit_status: None,
        accepted_at: Timestamp::UNIX_EPOCH,
        idempotency_key: String::new(),
    }
}

#[test]
fn the_reader_refuses_what_telegram_refuses() {
    for markdown in ["a.b", "*open", "x_y", "1-2", "[x](y)", "a > b"] {
        assert!(read(markdown).is_err(), "{markdown}");
    }
    let (shown, bold) = read("*b\\.c* \\_x\\\\").unwrap();
    assert_eq!((shown.as_str(), bold), ("b.c _x\\", vec!["b.c".to_owned()]));
}

#[test]
fn limits_hold_for_what_is_shown_and_cuts_are_marked() {
    // "💫 kustomization/webapp/apps", and the ends of two lines.
    let fixed = "💫 kustomization/webapp/apps".encode_utf16().count() + 2;
    for unit in ["x", ".", "é", "🚨", "\n"] {
        let width = unit.encode_utf16().count();
        for (length, is_whole) in [(4095, true), (4096, true), (4097, false)] {
            let count = (length - fixed) / width;
            let padding = "y".repeat(length - fixed - count * width);
            let message = unit.repeat(count) + &padding;
            let (shown, _) = read(&render(&notification("webapp", &message, &[]))).unwrap();
            let shown_length = shown.encode_utf16().count();
            assert!(shown_length <= 4096, "{unit:?} {length}: {shown_length}");
            assert_eq!(shown.contains(&message), is_whole, "{unit:?} {length}");
            assert_eq!(shown.contains("(cut)"), !is_whole, "{unit:?} {length}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_shown_as_it_is(
        name in any::<String>(),
        message in any::<String>(),
        metadata in proptest::collection::vec((any::<String>(), any::<String>()), 0..4),
    ) {
        let notification = notification(&name, &message, &metadata);
        let (shown, bold) = read(&render(&notification)).unwrap();
        let title = mentions::telegram(&format!("💫 kustomization/{name}/apps"));
        let mut expected = format!("{title}\n{}\n", mentions::telegram(&message));
        let mut keys = vec![title];
        for (key, value) in fit::sorted(&notification.event.metadata, mentions::telegram) {
            expected.extend(["- ", &key, ": ", &value, "\n"]);
            keys.push(key);
        }
        prop_assert_eq!(shown, expected);
        prop_assert_eq!(bold, keys);
    }

    #[test]
    fn texts_of_markup_are_shown_within_the_limit(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "*", "_", "__", "\\", "\\*", "`", "```", "||", ">", "**>", "[", "](", ")", "!", "~",
                "🚨", "é", "\n", "tg://user?id=1", "@someone", "#tag", ".", "-", "=",
            ]),
            0..3_000,
        ),
    ) {
        let text = parts.concat();
        let metadata = [(text.clone(), text.clone())];
        let (shown, _) = read(&render(&notification("webapp", &text, &metadata))).unwrap();
        prop_assert!(shown.encode_utf16().count() <= 4096);
    }
}
