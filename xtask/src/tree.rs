//! The repository as a value: paths, and the text of what people write. Checks are functions of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Folders that are built, recorded or fetched, not written.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "corpus"];

/// Endings of files whose text is looked at.
const TEXT: [&str; 8] = ["rs", "toml", "md", "yaml", "yml", "sh", "sql", "http"];

/// Files without an ending whose text is looked at.
const TEXT_NAMES: [&str; 3] = ["run", "justfile", "LICENSE"];

/// All files of the repository, by path relative to its root, with `/` between parts.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Every file and folder.
    pub(crate) paths: BTreeSet<String>,
    /// Text of the files that people write.
    pub(crate) texts: BTreeMap<String, String>,
}

impl Tree {
    /// Reads the repository.
    pub(crate) fn read() -> Result<Self> {
        let root = root();
        let mut tree = Self::default();
        tree.read_folder(&root, "")?;
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let entries = std::fs::read_dir(folder)
            .with_context(|| format!("reading folder {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let file_type = entry.file_type()?;
            if file_type.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    self.paths.insert(path.clone());
                    self.read_folder(&entry.path(), &format!("{path}/"))?;
                }
            } else if file_type.is_file() {
                self.paths.insert(path.clone());
                if is_text(&name) {
                    let text = std::fs::read_to_string(entry.path())
                        .with_context(|| format!("reading {path}"))?;
                    self.texts.insert(path, text);
                }
            }
        }
        Ok(())
    }

    /// Paths and texts of files with an ending.
    pub(crate) fn with_ending<'tree>(
        &'tree self,
        ending: &'tree str,
    ) -> impl Iterator<Item = (&'tree str, &'tree str)> {
        self.texts
            .iter()
            .filter(move |(path, _)| extension(path) == Some(ending))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The text of one file; empty if there is none.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.texts.get(path).map_or("", String::as_str)
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            let mut folder = String::new();
            for part in path.split('/') {
                folder.push_str(part);
                tree.paths.insert(folder.clone());
                folder.push('/');
            }
            tree.texts.insert((*path).to_owned(), (*text).to_owned());
        }
        tree
    }
}

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The part behind the last dot of a file name.
pub(crate) fn extension(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map(|(_, extension)| extension)
}

fn is_text(name: &str) -> bool {
    match extension(name) {
        Some(extension) => TEXT.contains(&extension),
        None => TEXT_NAMES.contains(&name),
    }
}

/// What is shipped of a Rust file: all of it up to its test module; nothing of a file of tests.
pub(crate) fn product_part<'text>(path: &str, text: &'text str) -> &'text str {
    if is_test_file(path) {
        return "";
    }
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

/// Lines with something in front of each and an end behind it; empty ones stay empty.
pub(crate) fn prefixed<'text>(lines: impl Iterator<Item = &'text str>, prefix: &str) -> String {
    let mut text = String::new();
    for line in lines {
        if !line.is_empty() {
            text.push_str(prefix);
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

/// Whether a file holds nothing but tests.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_not_part_of_the_product() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(product_part("crates/a/src/a.rs", text), "fn a() {}\n");
        assert_eq!(product_part("crates/a/src/a/tests.rs", text), "");
        assert_eq!(product_part("crates/a/tests/it/main.rs", text), "");
    }

    #[test]
    fn the_repository_is_read_without_what_was_built() {
        let tree = Tree::read().unwrap();
        assert!(tree.texts.contains_key("xtask/src/tree.rs"));
        assert!(tree.paths.contains("crates/domain"));
        assert!(!tree.paths.iter().any(|path| path.starts_with("target/")));
    }
}
