//! Nothing that is shipped names a path of somebody's machine.

use super::Finding;
use crate::tree::{Tree, extension, is_test_file, product_part};

/// Written in pieces, so that this file does not find itself.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
    concat!("/ro", "ot/"),
    concat!("../sha", "red"),
];

/// Finds machine paths in everything but tests.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in &tree.texts {
        let is_rust = extension(path) == Some("rs");
        if is_test_file(path) || path.starts_with("conformance/events/") {
            continue;
        }
        let text = if is_rust {
            product_part(path, text)
        } else {
            text
        };
        for (index, line) in text.lines().enumerate() {
            for trace in MACHINE_PATHS {
                if line.contains(trace) {
                    let message = format!("`{trace}` exists on one machine only");
                    findings.push(Finding::new(path, message).at_line(index));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_are_found_in_documents_and_product_code() {
        let text = format!("//! Reads.\nconst A: &str = \"{}x\";\n", MACHINE_PATHS[0]);
        assert_eq!(check(&Tree::of(&[("crates/a/src/a.rs", &text)])).len(), 1);
        assert_eq!(check(&Tree::of(&[("README.md", &text)])).len(), 1);
        assert_eq!(
            check(&Tree::of(&[("crates/a/tests/it/main.rs", &text)])),
            []
        );
        assert_eq!(check(&Tree::of(&[("README.md", "see docs/\n")])), []);
    }
}
