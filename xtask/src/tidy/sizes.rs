//! Files stay small: think again at 300 lines, split by 500. Tests do not count.

use super::Finding;
use crate::tree::{Tree, product_part};

const THINK_AGAIN: usize = 300;
const TOO_LONG: usize = 500;

/// Finds long Rust files.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.with_ending("rs")
        .filter_map(|(path, text)| {
            let lines = product_part(path, text).lines().count();
            if lines > TOO_LONG {
                let message = format!("{lines} lines without tests; {TOO_LONG} is the limit");
                Some(Finding::new(path, message))
            } else if lines > THINK_AGAIN {
                let message = format!("{lines} lines without tests; could it be two files?");
                Some(Finding::new(path, message).softened())
            } else {
                None
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn levels(lines: usize, test_lines: usize) -> Vec<Level> {
        let text = format!(
            "{}#[cfg(test)]\nmod tests {{\n{}}}\n",
            "x\n".repeat(lines),
            "x\n".repeat(test_lines)
        );
        check(&Tree::of(&[("crates/a/src/a.rs", &text)]))
            .into_iter()
            .map(|finding| finding.level)
            .collect()
    }

    #[test]
    fn long_files_warn_and_then_fail() {
        assert_eq!(levels(300, 900), []);
        assert_eq!(levels(301, 0), [Level::Warning]);
        assert_eq!(levels(501, 0), [Level::Error]);
    }
}
