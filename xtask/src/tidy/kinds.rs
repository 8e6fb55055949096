//! The list of provider types is complete: every file is listed, every entry has a file, its user
//! page with an example, and its fixtures.

use std::collections::BTreeSet;

use super::Finding;
use crate::tree::Tree;

const LIST: &str = "crates/providers/src/kinds.rs";
const FOLDER: &str = "crates/providers/src/kinds/";

/// Compares the list with the files.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let list = tree.text(LIST);
    let modules: BTreeSet<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let files: BTreeSet<&str> = tree
        .with_ending("rs")
        .filter_map(|(path, _)| path.strip_prefix(FOLDER)?.strip_suffix(".rs"))
        .filter(|name| !name.contains('/'))
        .collect();
    let mut findings = Vec::new();
    for name in files.difference(&modules) {
        let path = format!("{FOLDER}{name}.rs");
        findings.push(Finding::new(&path, format!("{LIST} does not list it")));
    }
    for name in modules.difference(&files) {
        findings.push(Finding::new(
            LIST,
            format!("`{name}` has no file in {FOLDER}"),
        ));
    }
    for name in &files {
        let path = format!("{FOLDER}{name}.rs");
        findings.extend(check_file(&path, name, list, tree));
    }
    findings
}

fn check_file(path: &str, module: &str, list: &str, tree: &Tree) -> Vec<Finding> {
    let text = tree.text(path);
    let mut findings = Vec::new();
    for entry in entries(text) {
        if !list.contains(&format!("&{module}::{}", entry.constant)) {
            let message = format!("`{}` is not in the table ALL of {LIST}", entry.constant);
            findings.push(Finding::new(path, message));
        }
        for missing in missing_proof(entry.kind, entry.speaks_http, tree) {
            findings.push(Finding::new(path, missing));
        }
    }
    if entries(text).is_empty() {
        findings.push(Finding::new(path, "no `ProviderKind` with a `name` in it"));
    }
    let is_example = |line: &str| line.starts_with("//! kind: Provider");
    if !text.lines().any(is_example) {
        findings.push(Finding::new(path, "the user page has no example manifest"));
    }
    findings
}

struct Entry<'text> {
    constant: &'text str,
    kind: &'text str,
    speaks_http: bool,
}

/// The `ProviderKind` constants of a file and the type names in them.
fn entries(text: &str) -> Vec<Entry<'_>> {
    // Entries of one file share their way of speaking.
    let speaks_http = !text.contains("protocol: Protocol::Other(");
    let mut constant = None;
    let mut entries = Vec::new();
    for line in text.lines() {
        if let Some((name, _)) = line
            .strip_prefix("pub(crate) const ")
            .and_then(|rest| rest.split_once(": ProviderKind"))
        {
            constant = Some(name);
        }
        let kind = line
            .trim()
            .strip_prefix("name: \"")
            .and_then(|rest| rest.strip_suffix("\","));
        if let (Some(name), Some(kind)) = (constant, kind) {
            entries.push(Entry {
                constant: name,
                kind,
                speaks_http,
            });
            constant = None;
        }
    }
    entries
}

/// Cases that every type proves with a fixture.
const CASES: [&str; 3] = ["delivered", "throttled", "rejected"];

/// The text of what is said: requests and answers, or lines of a dialogue.
fn missing_proof(kind: &str, speaks_http: bool, tree: &Tree) -> Vec<String> {
    let file = if speaks_http {
        "exchange.http"
    } else {
        "exchange.txt"
    };
    CASES
        .into_iter()
        .map(|case| format!("crates/providers/fixtures/{kind}/{case}/{file}"))
        .filter(|file| !tree.paths.contains(file))
        .map(|file| format!("fixture {file} is missing"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "//! List.\nmod acme;\npub const ALL: &[&K] = &[&acme::KIND];\n";
    const ACME: &str = "//! Acme.\n//! kind: Provider\n\
        pub(crate) const KIND: ProviderKind = ProviderKind {\n    name: \"acme\",\n};\n";

    fn findings(list: &str, acme: &str, cases: &[&str]) -> Vec<String> {
        findings_with(list, acme, cases, "exchange.http")
    }

    fn findings_with(list: &str, acme: &str, cases: &[&str], exchange: &str) -> Vec<String> {
        let file = format!("{FOLDER}acme.rs");
        let fixtures: Vec<String> = cases
            .iter()
            .map(|case| format!("crates/providers/fixtures/acme/{case}/{exchange}"))
            .collect();
        let mut files = vec![(LIST, list), (&file, acme)];
        files.extend(fixtures.iter().map(|path| (path.as_str(), "")));
        check(&Tree::of(&files))
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn a_complete_type_has_no_findings() {
        assert_eq!(findings(LISTED, ACME, &CASES), Vec::<String>::new());
    }

    #[test]
    fn a_file_that_is_not_listed_is_found() {
        assert_eq!(findings("//! List.\n", ACME, &CASES).len(), 2);
        let unused = LISTED.replace("&acme::KIND", "");
        assert_eq!(findings(&unused, ACME, &CASES).len(), 1);
    }

    #[test]
    fn an_entry_without_a_file_is_found() {
        assert_eq!(check(&Tree::of(&[(LIST, LISTED)])).len(), 1);
    }

    #[test]
    fn a_type_that_does_not_speak_http_has_dialogues() {
        let other = ACME.replace("};", "    protocol: Protocol::Other(\"ACMEP\"),\n};");
        assert_eq!(findings(LISTED, &other, &CASES).len(), 3);
        let found = findings_with(LISTED, &other, &CASES, "exchange.txt");
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_type_without_example_or_proof_is_found() {
        let bare = ACME.replace("//! kind: Provider\n", "");
        assert_eq!(findings(LISTED, &bare, &CASES).len(), 1);
        assert_eq!(findings(LISTED, ACME, &["delivered"]).len(), 2);
    }
}
