//! Documents: links lead somewhere, one sentence per line, plain words.

use std::collections::BTreeSet;

use super::Finding;
use crate::tree::Tree;

/// Words that praise or belittle instead of saying something, each with a space where a word ends.
const EMPTY_WORDS: [&str; 10] = [
    "blazing",
    "seamless",
    "leverage",
    "utilize",
    "simply ",
    "obviously",
    "cutting-edge",
    "world-class",
    "state-of-the-art",
    "effortless",
];

/// Checks every Markdown document; style only in those we write for people.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_ending("md") {
        let is_written = !path.starts_with("conformance/") && !path.starts_with("docs/reference/");
        for (index, line) in prose(text) {
            for target in links(line) {
                if let Some(problem) = link_problem(path, target, tree) {
                    findings.push(Finding::new(path, problem).at_line(index));
                }
            }
            if is_written {
                findings.extend(style(path, line).map(|found| found.at_line(index)));
            }
        }
    }
    findings
}

/// Lines outside of fenced code, with their index.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        if is_fence {
            is_code = !is_code;
        }
        !is_code && !is_fence
    })
}

fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
}

fn link_problem(from: &str, target: &str, tree: &Tree) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() {
        from.to_owned()
    } else {
        let Some(path) = resolve(from, file) else {
            return Some(format!("link `{target}` leaves the repository"));
        };
        path
    };
    if !tree.paths.contains(&path) {
        return Some(format!("link `{target}` leads nowhere"));
    }
    if !anchor.is_empty() && !anchors(tree.text(&path)).contains(anchor) {
        return Some(format!("link `{target}`: there is no such heading"));
    }
    None
}

fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Headings as GitHub turns them into anchors.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

fn style<'line>(path: &'line str, line: &'line str) -> impl Iterator<Item = Finding> + 'line {
    let lower = line.to_lowercase();
    let words = EMPTY_WORDS
        .into_iter()
        .filter(move |word| lower.contains(word))
        .map(|word| format!("`{}` says nothing", word.trim()));
    let sentences = has_two_sentences(line).then(|| "one sentence per line".to_owned());
    words
        .chain(sentences)
        .map(move |message| Finding::new(path, message))
}

/// Whether a sentence ends and another one begins on a line; tables are left alone.
fn has_two_sentences(line: &str) -> bool {
    if line.starts_with('|') {
        return false;
    }
    ["`. ", ". ", "? ", "! "].into_iter().any(|end| {
        line.match_indices(end).any(|(at, _)| {
            let before = line.get(..at).unwrap_or_default();
            let after = line.get(at + end.len()..).unwrap_or_default();
            let is_abbreviation = before.ends_with("e.g") || before.ends_with("i.e");
            let is_list_number = before.trim().chars().all(|c| c.is_ascii_digit());
            after.starts_with(|c: char| c.is_uppercase()) && !is_abbreviation && !is_list_number
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("docs/guides/a.md", text),
            ("docs/b.md", "# B\n\n## Two words, really\n"),
        ]);
        check(&tree)
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let text = "See [b](../b.md), [two](../b.md#two-words-really), [x](https://example.com).\n";
        assert_eq!(messages(text), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(messages("[b](b.md)\n"), ["link `b.md` leads nowhere"]);
        assert_eq!(
            messages("[b](../b.md#three)\n"),
            ["link `../b.md#three`: there is no such heading"]
        );
        assert_eq!(
            messages("[b](../../../b.md)\n"),
            ["link `../../../b.md` leaves the repository"]
        );
    }

    #[test]
    fn two_sentences_on_a_line_are_found() {
        assert_eq!(messages("It runs. It stops.\n"), ["one sentence per line"]);
        assert_eq!(messages("1. It runs.\n"), Vec::<String>::new());
        assert_eq!(
            messages("```\nIt runs. It stops.\n```\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn empty_words_are_found() {
        assert_eq!(messages("It is blazing.\n"), ["`blazing` says nothing"]);
    }
}
