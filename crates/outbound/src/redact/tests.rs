//! Secrets in every disguise, and texts that must stay as they are.

use super::*;
use base64::engine::general_purpose::STANDARD;

fn redactor(values: &[&str]) -> Redactor {
    let mut redactor = Redactor::new();
    for value in values {
        redactor.hide(value.as_bytes());
    }
    redactor
}

#[test]
fn every_occurrence_is_replaced() {
    let redacted = redactor(&["hunter2"]).redact("hunter2, hunter2hunter2 and hunter3");
    assert_eq!(redacted, "*****, ********** and hunter3");
}

#[test]
fn the_longest_of_nested_and_overlapping_values_goes_entirely() {
    let redactor = redactor(&["abcdef", "defghi", "abcd"]);
    assert_eq!(redactor.redact("<abcdefghi>"), "<*****>");
    assert_eq!(redactor.redact("<abcdef> <abcd>"), "<*****> <*****>");
}

#[test]
fn values_with_surrounding_white_space_are_known_without_it() {
    let redactor = redactor(&["s3cr3t-token\n"]);
    assert_eq!(redactor.redact("token=s3cr3t-token;"), "token=*****;");
    assert_eq!(redactor.redact("token=s3cr3t-token\n;"), "token=*****;");
}

#[test]
fn percent_encoded_forms_are_found() {
    let redactor = redactor(&["p/ss w%rd-1"]);
    for text in [
        "p%2Fss%20w%25rd-1",
        "p%2fss%20w%25rd-1",
        "p%2Fss+w%25rd-1",
        "p%2Fss%20w%25rd%2D1",
    ] {
        assert_eq!(redactor.redact(text), "*****", "{text}");
    }
}

#[test]
fn base64_is_found_at_any_offset() {
    let secret = "correct horse battery";
    let redactor = redactor(&[secret]);
    for prefix in ["", "a", "ab", "abc:", "user:"] {
        let text = STANDARD.encode(format!("{prefix}{secret}"));
        let redacted = redactor.redact(&text);
        assert!(redacted.contains(REPLACEMENT), "{text} {redacted}");
        // What is left is too little to hold any of the secret but a few bits at its edges.
        assert!(redacted.len() <= REPLACEMENT.len() + 12, "{redacted}");
    }
}

#[test]
fn escaped_forms_are_found() {
    let redactor = redactor(&["line one\nline \"two\""]);
    let json = format!("{:?}", "x line one\nline \"two\" y");
    assert_eq!(redactor.redact(&json), "\"x ***** y\"");
    let redactor = self::redactor(&["a/b<c>&\u{1}d"]);
    for json in [
        r"a/b\u003cc\u003e\u0026\u0001d",
        r"a\/b<c>&\u0001d",
        r"a/b<c>&\u0001d",
    ] {
        assert_eq!(redactor.redact(json), "*****", "{json}");
    }
}

#[test]
fn a_secret_cut_by_the_end_of_the_text_is_found() {
    let redactor = redactor(&["0123456789abcdef"]);
    assert_eq!(redactor.redact("got 0123456789"), "got *****");
    assert_eq!(redactor.redact("got 012"), "got 012");
}

#[test]
fn long_lines_of_a_value_are_found_by_themselves() {
    let redactor = redactor(&["first\n  MIGHAgEAMBMGByqGSM49\nlast"]);
    assert_eq!(redactor.redact("<MIGHAgEAMBMGByqGSM49>"), "<*****>");
    assert_eq!(redactor.redact("first and last"), "first and last");
}

#[test]
fn short_values_are_ignored() {
    let redactor = redactor(&["", "a", "abc", " ab "]);
    assert_eq!(redactor.redact("abc ab a"), "abc ab a");
}

#[test]
fn multibyte_text_is_cut_at_character_boundaries() {
    let redactor = redactor(&["пароль"]);
    assert_eq!(redactor.redact("→пароль←"), "→*****←");
}

#[test]
fn parts_of_a_url_are_found() {
    let url =
        "https://bob:hunter%402@hooks.example/services/T0000000/abcdefghijklmnop?key=qwerty%20uiop";
    let mut redactor = Redactor::new();
    redactor.hide_url(&Url::parse(url).unwrap());
    let redacted = redactor.redact(&format!(
        "{url} | hunter@2 | abcdefghijklmnop | qwerty uiop | T0000000"
    ));
    for secret in ["hunter", "abcdefghijklmnop", "qwerty", "T0000000"] {
        assert!(!redacted.contains(secret), "{redacted}");
    }
    assert!(redacted.contains("hooks.example"), "{redacted}");
    assert_eq!(redactor.redact("two services"), "two services");
}

#[test]
fn debug_shows_nothing() {
    assert_eq!(format!("{:?}", redactor(&["hunter2"])), "Redactor(*****)");
}

#[test]
fn urls_for_people_name_the_endpoint_only() {
    for (url, shown) in [
        (
            "https://u:p@hooks.example/services/T/B/X?y=z",
            "https://hooks.example/*****",
        ),
        (
            "https://hooks.example:8443/a#b",
            "https://hooks.example:8443/*****",
        ),
        (
            "https://hooks.example/?token=x",
            "https://hooks.example/*****",
        ),
        ("https://hooks.example", "https://hooks.example"),
        ("http://[2001:db8::1]/x", "http://[2001:db8::1]/*****"),
    ] {
        assert_eq!(url_for_humans(&Url::parse(url).unwrap()), shown);
    }
}
