//! Messages, whatever is in an event.

use api::{Event, ObjectKey, ObjectReference};
use proptest::prelude::*;

use super::*;

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text, "x").unwrap()
}

fn rendered(event: Event, key: &str) -> String {
    let from = mailbox("Fänfare <fanfare@example.com>");
    let to = [mailbox("ops@example.com"), mailbox("N <night@example.com>")];
    let envelope = Envelope {
        from: &from,
        to: &to,
        provider: "apps/mail 1",
    };
    let notification = Notification {
        event,
        alert: ObjectKey::new("apps", "alert"),
        alert_uid: String::new(),
        commit_status: None,
        accepted_at: jiff::Timestamp::UNIX_EPOCH,
        idempotency_key: key.to_owned(),
    };
    String::from_utf8(message(&envelope, &notification, Timestamp::UNIX_EPOCH).unwrap()).unwrap()
}

fn event(name: &str, message: &str) -> Event {
    Event {
        involved_object: ObjectReference {
            kind: "Kustomization".to_owned(),
            namespace: "apps".to_owned(),
            name: name.to_owned(),
            ..ObjectReference::default()
        },
        severity: "error".to_owned(),
        message: message.to_owned(),
        reason: "BuildFailed".to_owned(),
        ..Event::default()
    }
}

/// A header field, unfolded.
fn header(message: &str, name: &str) -> String {
    let (head, _) = message.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let wanted = format!("{name}: ");
    let found: Vec<&str> = unfolded
        .split("\r\n")
        .filter_map(|line| line.strip_prefix(&wanted))
        .collect();
    assert_eq!(found.len(), 1, "{name} in {head}");
    found[0].to_owned()
}

#[test]
fn messages_about_an_object_form_a_thread_and_each_has_its_own_id() {
    let one = rendered(event("webapp", "a"), "1.1");
    let again = rendered(event("webapp", "b"), "2.1");
    let other = rendered(event("shop", "a"), "3.1");
    assert_eq!(header(&one, "References"), header(&again, "References"));
    assert_eq!(header(&one, "References"), header(&one, "In-Reply-To"));
    assert_ne!(header(&one, "References"), header(&other, "References"));
    assert_ne!(header(&one, "Message-ID"), header(&again, "Message-ID"));
    assert_eq!(
        one,
        rendered(event("webapp", "a"), "1.1"),
        "not deterministic"
    );
    assert!(header(&one, "Message-ID").ends_with("@example.com>"));
}

#[test]
fn html_in_events_stays_text() {
    let message = rendered(event("<img>", "<script>alert('x' & \"y\")</script>"), "1.1");
    let (_, html) = message.split_once("text/html").unwrap();
    assert!(
        !html.contains("<script") && !html.contains("<img"),
        "{html}"
    );
    assert!(html.contains("&lt;script&gt;"), "{html}");
}

#[test]
fn subjects_are_one_line_and_not_too_long() {
    let long = "x".repeat(1000);
    let message = rendered(event("a\r\nBcc: evil@example.com\r\n", &long), "1.1");
    let subject = header(&message, "Subject");
    assert!(
        subject.starts_with("[error] kustomization/a Bcc: evil@example.com")
            || subject.starts_with("=?")
    );
    assert!(!message.contains("\r\nBcc:"), "{message}");
    assert!(message.split("\r\n").all(|line| line.len() <= 998));
}

proptest! {
    #[test]
    fn nothing_in_an_event_becomes_a_header_or_ends_the_message(
        texts in proptest::collection::vec(
            proptest::sample::select(vec![
                "\r\n", "\n", "\r", ".", "Bcc: x@example.com", ": ", "\0", "é", "🚨", "--=_", "\t",
                " ", "a", "\u{85}", "\u{2028}", "=?utf-8?Q?=0A?=",
            ]),
            0..30,
        ),
    ) {
        let text = texts.concat();
        let mut event = event(&text, &text);
        event.reason.clone_from(&text);
        event.metadata.insert(text.clone(), text.clone());
        let message = rendered(event, "1.1");
        let (head, _) = message.split_once("\r\n\r\n").unwrap();
        let known = [
            "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
            "Auto-Submitted", "MIME-Version", "Content-Type",
        ];
        for line in head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])) {
            let name = line.split(':').next().unwrap();
            prop_assert!(known.contains(&name), "{}", line);
        }
        let is_bare = head.chars().all(|one| one.is_ascii_graphic() || " \r\n\t".contains(one));
        prop_assert!(is_bare, "{}", head);
        prop_assert!(!message.replace("\r\n", "").contains(['\r', '\n']));
        prop_assert!(message.split("\r\n").all(|line| line.len() <= 998));
    }
}
