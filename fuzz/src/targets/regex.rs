//! A regular expression with Go's meaning, and a text; the first line is the expression.

use expr::regex::Pattern;

use super::{Target, first_line};
use crate::features::feature;
use crate::seeds;

pub(super) const TARGET: Target = Target {
    name: "regex",
    seeds: || seeds::column("re2.jsonl", &["pattern", "text"]),
    words: &[
        "(",
        ")",
        "(?:",
        "(?i)",
        "(?s)",
        "(?U)",
        "(?P<a>",
        "(?<b>",
        "[",
        "]",
        "[^",
        "[[:alpha:]]",
        "\\d",
        "\\pL",
        "\\p{Greek}",
        "\\PN",
        "\\Q",
        "\\E",
        "\\b",
        "\\B",
        "\\z",
        "\\A",
        "^",
        "$",
        "*",
        "+",
        "?",
        "*?",
        "{2,3}",
        "{1000}",
        "{,5}",
        "|",
        ".",
        "\\C",
        "\\x{10FFFF}",
        "\\x41",
        "\\07",
        "-",
        "\\",
        "\n",
    ],
    run,
};

/// Matching never panics, and a text that matches has one of the required literals in it.
fn run(input: &[u8]) -> Result<(), String> {
    let input = String::from_utf8_lossy(input);
    let (source, text) = first_line(&input);
    let pattern = match Pattern::compile(source) {
        Ok(pattern) => pattern,
        Err(error) => {
            feature(&error.to_string());
            return Ok(());
        }
    };
    let is_match = pattern.is_match(text);
    let literals = pattern
        .required_literals()
        .map_or(0, |some| some.len().min(3));
    feature(["no", "one", "two", "many"][literals]);
    if let Some(literals) = pattern.required_literals()
        && is_match
        && !literals
            .iter()
            .any(|literal| text.contains(literal.as_str()))
    {
        return Err(format!("`{source}` matches without any of {literals:?}"));
    }
    Ok(())
}
