//! Regular expressions mean what they mean in Go.

use super::{AUTOMATON_LIMIT, BYTES_PER_WORK_UNIT, Pattern, build, parser, size};

fn literals(source: &str) -> Option<Vec<String>> {
    Pattern::compile(source).unwrap().required_literals()
}

#[test]
fn a_plain_word_is_its_own_required_literal() {
    assert_eq!(literals("failed"), Some(vec!["failed".to_owned()]));
}

#[test]
fn the_longest_literal_of_a_sequence_is_required() {
    assert_eq!(
        literals(".*upgrade.*failed"),
        Some(vec!["upgrade".to_owned()])
    );
}

#[test]
fn alternatives_are_required_together() {
    let expected = vec!["no artifact".to_owned(), "waiting".to_owned()];
    assert_eq!(literals("^.*(no artifact|waiting).*$"), Some(expected));
}

#[test]
fn ignoring_case_requires_every_spelling_of_a_prefix() {
    let spellings = literals("(?i)error").unwrap();
    assert!(spellings.contains(&"ErRo".to_owned()), "{spellings:?}");
    assert!(spellings.len() <= 16);
}

#[test]
fn optional_and_short_parts_require_nothing() {
    assert_eq!(literals("(failed)?"), None);
    assert_eq!(literals("ab"), None);
    assert_eq!(literals("failed|ab"), None);
    assert_eq!(literals("failed|.*"), None);
}

#[test]
fn an_automaton_over_the_limit_is_refused() {
    let error = Pattern::compile(&r"\pL{1000}".repeat(3)).unwrap_err();
    assert!(
        error.to_string().contains("compiles to more than"),
        "{error}"
    );
}

#[test]
fn errors_say_where_and_what() {
    let error = Pattern::compile("é(a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid regular expression at character 4: this group lacks its closing `)`"
    );
}

#[test]
fn what_counts_as_small_is_small_once_it_is_built() {
    let mut small = 0;
    for source in [
        "failed",
        ".*upgrade.*failed",
        "(?i)^(no artifact|waiting for .+)$",
        r"[\x{80}-\x{10FFFF}]{0,14}",
        r"\w+\.\d{1,3}\W?",
        "(a{1,20}){1,20}",
        "(?s).{1,12}",
        r"[^\x00-\x{7F}]+|é|\bÄ",
        r"\pL",
        r"(?i)straße",
    ] {
        let hir = parser::parse(source).unwrap();
        if size::is_surely_small(&hir) {
            small += 1;
            let automaton = build(&hir).unwrap();
            let usage = automaton.memory_usage();
            assert!(usage < 4 * BYTES_PER_WORK_UNIT, "{source}: {usage} bytes");
            assert!(usage < AUTOMATON_LIMIT / 4, "{source}");
        }
    }
    assert!(small >= 7, "only {small}");
}

#[test]
fn large_automata_do_not_count_as_small() {
    for source in [r"\pL{10}", ".{1000}", "(a{1,30}){1,30}", "((x{30}){30})"] {
        assert!(
            !size::is_surely_small(&parser::parse(source).unwrap()),
            "{source}"
        );
    }
}
