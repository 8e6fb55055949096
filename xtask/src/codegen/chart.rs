//! What the chart shares with `deploy/kustomize` and `deploy/crds`: copies, since a chart can only
//! read files inside of it.

use anyhow::{Context as _, Result};

use super::{Documents, crds};
use crate::tree;

/// Where the copies are.
pub(super) const FOLDER: &str = "deploy/chart/files/";

/// Files that people write and the chart needs too.
const SHARED: [&str; 0] = [];

/// Makes the copies.
pub(super) fn render(documents: &Documents) -> Result<Documents> {
    let mut copies = Documents::new();
    for (path, text) in documents {
        if let Some(name) = path.strip_prefix(crds::FOLDER) {
            copies.insert(format!("{FOLDER}crds/{name}"), text.clone());
        }
    }
    for path in SHARED {
        let text = std::fs::read_to_string(tree::root().join(path))
            .with_context(|| format!("reading {path}"))?;
        let name = path.rsplit('/').next().unwrap_or(path);
        copies.insert(format!("{FOLDER}{name}"), text);
    }
    Ok(copies)
}
