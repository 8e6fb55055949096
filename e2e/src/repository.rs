//! Files of the repository that are under test.

use std::path::{Path, PathBuf};

/// A path from the repository's root.
pub fn path(relative: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).join(relative)
}

/// The text of a file.
pub fn text(relative: &str) -> String {
    let path = path(relative);
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
}

/// Our `CustomResourceDefinition`s, as one stream of documents.
pub fn definitions() -> String {
    ["alerts", "providers", "receivers"]
        .map(|plural| text(&format!("deploy/crds/{}_{plural}.yaml", api::GROUP)))
        .join("---\n")
}
