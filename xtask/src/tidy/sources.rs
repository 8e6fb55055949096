//! How Rust files are named and begin, and what does not belong into them.

use super::Finding;
use crate::tree::{Tree, product_part};

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = [
    "utils", "util", "common", "helpers", "helper", "misc", "manager",
];

/// Written in pieces, so that this file does not find itself.
const PROMISES: [&str; 2] = [concat!("// TO", "DO"), concat!("// FIX", "ME")];

/// Finds badly named or badly begun Rust files, glob imports and promises without an address.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_ending("rs") {
        findings.extend(name_findings(path));
        if !text.starts_with("//! ") {
            findings.push(
                Finding::new(
                    path,
                    "begin with `//!` and one sentence on what the file is for",
                )
                .at_line(0),
            );
        }
        for (index, line) in product_part(path, text).lines().enumerate() {
            let line = line.trim();
            let is_import = line.starts_with("use ") || line.starts_with("pub use ");
            if is_import && line.ends_with("::*;") {
                findings.push(Finding::new(path, "name what you import").at_line(index));
            }
        }
        for (index, line) in text.lines().enumerate() {
            let is_promise = PROMISES.iter().any(|word| line.contains(word));
            if is_promise && !line.contains("https://") {
                findings.push(
                    Finding::new(path, "a promise for later needs a link to its issue")
                        .at_line(index),
                );
            }
        }
    }
    findings
}

fn name_findings(path: &str) -> Option<Finding> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == "mod.rs" {
        return Some(Finding::new(path, "write `foo.rs` beside `foo/`"));
    }
    path.trim_end_matches(".rs")
        .split('/')
        .find(|part| EMPTY_NAMES.contains(part))
        .map(|part| Finding::new(path, format!("`{part}` does not say what is inside")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "//! Adds numbers.\nuse std::fmt;\n";

    fn messages(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_good_file_has_no_findings() {
        assert_eq!(messages("crates/a/src/sum.rs", GOOD), 0);
    }

    #[test]
    fn empty_names_are_found() {
        assert_eq!(messages("crates/a/src/utils.rs", GOOD), 1);
        assert_eq!(messages("crates/a/src/helpers/sum.rs", GOOD), 1);
        assert_eq!(messages("crates/a/src/sum/mod.rs", GOOD), 1);
    }

    #[test]
    fn a_file_must_say_what_it_is_for() {
        assert_eq!(messages("crates/a/src/sum.rs", "use std::fmt;\n"), 1);
    }

    #[test]
    fn glob_imports_are_found_outside_tests() {
        let text = format!("{GOOD}use std::io::*;\n");
        assert_eq!(messages("crates/a/src/sum.rs", &text), 1);
        let text = format!("{GOOD}#[cfg(test)]\nmod tests {{\n    use super::*;\n}}\n");
        assert_eq!(messages("crates/a/src/sum.rs", &text), 0);
    }

    #[test]
    fn promises_need_an_address() {
        let promise = format!("{GOOD}{} later\n", PROMISES[0]);
        assert_eq!(messages("crates/a/src/sum.rs", &promise), 1);
        let linked = format!("{GOOD}{} https://example.com/issues/1\n", PROMISES[1]);
        assert_eq!(messages("crates/a/src/sum.rs", &linked), 0);
    }
}
