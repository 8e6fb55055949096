//! What the chart and a component of kustomize share with other parts of `deploy`: copies, since both
//! can only read files inside of themselves.

use anyhow::{Context as _, Result};

use super::{Documents, crds};
use crate::tree;

/// Where the chart's copies are.
pub(super) const FOLDER: &str = "deploy/chart/files/";

/// Where the component's copies of the definitions are.
pub(super) const PATCHES: &str = "deploy/kustomize/components/flux/crds/";

/// Files that people write and the chart needs too.
const SHARED: [&str; 2] = [
    "deploy/kustomize/components/monitoring/dashboard.json",
    "deploy/kustomize/components/monitoring/rules.yaml",
];

/// Makes the copies.
pub(super) fn render(documents: &Documents) -> Result<Documents> {
    let mut copies = Documents::new();
    for (path, text) in documents {
        let Some(name) = path.strip_prefix(crds::FOLDER) else {
            continue;
        };
        if name.starts_with("notification.") {
            copies.insert(format!("{FOLDER}crds/{name}"), text.clone());
            copies.insert(format!("{PATCHES}{name}"), text.clone());
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
