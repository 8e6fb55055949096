//! Decoding rules, mostly from `event-server.md` section 1.1.

use super::*;

fn event(body: &str) -> Event {
    decode(body.as_bytes()).expect(body)
}

#[test]
fn names_match_without_regard_to_case_and_the_last_duplicate_wins() {
    let event = event(r#"{"MESSAGE":"a","meſſage":"b","involvedOBJECT":{"Kind":"K"}}"#);
    assert_eq!(event.message, "b");
    assert_eq!(event.involved_object.kind, "K");
}

#[test]
fn repeated_objects_merge_and_null_changes_nothing() {
    let event = event(
        r#"{"involvedObject":{"kind":"K"},"involvedObject":{"name":"n"},"involvedObject":null,"reason":"r","reason":null}"#,
    );
    assert_eq!(event.involved_object.kind, "K");
    assert_eq!(event.involved_object.name, "n");
    assert_eq!(event.reason, "r");
}

#[test]
fn invalid_text_becomes_the_replacement_character() {
    assert_eq!(event(r#"{"message":"a\ud800b"}"#).message, "a\u{FFFD}b");
    assert_eq!(
        event(r#"{"message":"\ud83d\ude00\\ud800"}"#).message,
        "😀\\ud800"
    );
    let event = decode(b"{\"message\":\"a\xffb\"}").unwrap();
    assert_eq!(event.message, "a\u{FFFD}b");
}

#[test]
fn what_is_no_event_is_an_error() {
    for body in [
        "",
        " ",
        "[]",
        "\"text\"",
        "{} x",
        "{\"message\":1}",
        "{\"metadata\":{\"a\":1}}",
        "{\"message\":\"a\nb\"}",
    ] {
        assert!(decode(body.as_bytes()).is_err(), "{body}");
    }
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(10_001), "]".repeat(10_001));
    assert!(matches!(decode(deep.as_bytes()), Err(DecodeError::TooDeep)));
}

#[test]
fn timestamps_follow_go() {
    let parse = |text| timestamp::parse(text).map(jiff::Timestamp::as_second);
    assert_eq!(parse("2026-08-07T16:01:35Z"), Some(1_786_118_495));
    assert_eq!(parse("2026-08-07T6:01:35Z"), Some(1_786_082_495));
    assert_eq!(parse("2026-08-07T16:01:35,25Z"), Some(1_786_118_495));
    assert_eq!(parse("2026-08-07T16:01:35+24:00"), Some(1_786_032_095));
    for text in [
        "2026-08-07t16:01:35Z",
        "2026-08-07T16:01:35z",
        "2026-02-30T16:01:35Z",
        "2026-08-07T24:01:35Z",
        "2026-08-07T16:01:60Z",
        "2026-08-07T16:01Z",
        "",
        "2026-08-07T16:01:35.Z",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn the_empty_event_serialises_as_the_reference_does() {
    let mut event = Event::default();
    event.metadata.insert("foo".into(), "bar".into());
    assert_eq!(
        String::from_utf8(to_wire_json(&event).unwrap()).unwrap(),
        r#"{"involvedObject":{},"severity":"","timestamp":null,"message":"","reason":"","metadata":{"foo":"bar"},"reportingController":""}"#
    );
}

#[test]
fn special_characters_are_escaped_as_go_escapes_them() {
    let bytes = to_wire_json(&"<a&b>\u{2028}é\u{1}\u{8}\"").unwrap();
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "\"\\u003ca\\u0026b\\u003e\\u2028é\\u0001\\b\\\"\""
    );
}

#[test]
fn the_group_is_what_stands_before_the_only_slash() {
    let group = |api_version: &str| {
        ObjectReference {
            api_version: api_version.into(),
            ..ObjectReference::default()
        }
        .group()
        .to_owned()
    };
    assert_eq!(
        group("kustomize.toolkit.fluxcd.io/v1"),
        "kustomize.toolkit.fluxcd.io"
    );
    assert_eq!(group("v1"), "");
    assert_eq!(group("a/b/c"), "");
}
