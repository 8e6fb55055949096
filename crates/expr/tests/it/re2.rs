//! Regular expressions against recordings of Go's `regexp`, and against arbitrary input.

use std::fs;
use std::path::Path;

use expr::regex::Pattern;
use proptest::prelude::*;
use serde_json::Value;

/// Runs `check` with the stack that a worker thread has.
pub(crate) fn on_a_small_stack<T: Send + 'static>(check: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(check)
        .unwrap()
        .join()
        .unwrap()
}

/// Reads the lines of a recording.
pub(crate) fn recording(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../conformance")
        .join(name);
    let lines = fs::read_to_string(path).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn outcome(pattern: &str, text: &str) -> &'static str {
    match Pattern::compile(pattern) {
        Err(_) => "ERR",
        Ok(pattern) if pattern.is_match(text) => "true",
        Ok(_) => "false",
    }
}

#[test]
fn every_recorded_pattern_does_as_in_go() {
    let differences = on_a_small_stack(|| {
        let cases = recording("re2.jsonl");
        assert!(cases.len() > 70, "{} cases", cases.len());
        let mut differences = Vec::new();
        for case in cases {
            let [pattern, text, expected] =
                ["pattern", "text", "go"].map(|member| case[member].as_str().unwrap().to_owned());
            let actual = outcome(&pattern, &text);
            if actual != expected {
                let error = Pattern::compile(&pattern).err();
                differences.push(format!(
                    "{pattern:.60}: {actual} not {expected} ({error:?})"
                ));
            }
        }
        differences
    });
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn hostile_patterns_are_refused_or_matched_on_a_small_stack() {
    on_a_small_stack(|| {
        let n = 20_000;
        let patterns = [
            "(".repeat(n),
            "(?:".repeat(n),
            "[".repeat(n),
            "(?i)(?:".repeat(n),
            "\\pL".repeat(n),
            "(?i)\\PL".repeat(5_000),
            format!("{}a{}", "(".repeat(n), ")".repeat(n)),
            format!("{}a{}", "(?:".repeat(n), ")".repeat(n)),
            format!("{}a{}", "(?:".repeat(n / 2), ")*".repeat(n / 2)),
            format!("{}a{}", "(?:".repeat(48), ")*".repeat(48)),
            format!("{}a{}", "(?:".repeat(48), "){0,3}".repeat(48)),
            format!("{}a{}", "(?:b|cd".repeat(24), ")".repeat(24)),
            format!("{}a{}", "(?:b|cd".repeat(16), ")*".repeat(16)),
            format!("{}a{}", "(".repeat(900), ")".repeat(900)),
            "a|".repeat(n),
            "(?i)[\\x{0}-\\x{10FFFF}]".repeat(500),
            "((((((a{10}){10}){10}){10}){10}){10}){10}".to_owned(),
            "(?:(?:.{0,100}){0,10})".to_owned(),
            ".{1000}".repeat(100),
            "\\".to_owned(),
            "a{99999999999999999999}".to_owned(),
        ];
        for pattern in patterns {
            if let Ok(pattern) = Pattern::compile(&pattern) {
                pattern.is_match("abcdefg");
                pattern.required_literals();
            }
        }
    });
}

#[test]
fn a_match_never_starts_inside_a_character() {
    assert!(!Pattern::compile(r"\B").unwrap().is_match("aéa"));
    assert!(Pattern::compile(r"\B").unwrap().is_match("aéé"));
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-c]{1,5}",
        Just("é".to_owned()),
        r"\(\?i\)",
        r"\.|\.\*|\?|\*|\+|\||\{2\}|\{0,1\}|\^|\$",
        r"\(|\)|\(\?:|\[ab\]|\[\^a\]|\\b|\\w|\\pL",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_pattern_panics(pattern in "\\PC{0,40}", text in "\\PC{0,20}") {
        outcome(&pattern, &text);
    }

    #[test]
    fn matching_texts_contain_a_required_literal(pattern in pieces(), text in "[a-cA-Cé]{0,12}") {
        if let Ok(compiled) = Pattern::compile(&pattern)
            && let Some(literals) = compiled.required_literals()
        {
            prop_assert!(literals.len() <= 16);
            prop_assert!(literals.iter().all(|literal| literal.len() >= 3));
            if compiled.is_match(&text) {
                prop_assert!(
                    literals.iter().any(|literal| text.contains(literal.as_str())),
                    "{pattern} matches {text} without {literals:?}"
                );
            }
        }
    }
}
