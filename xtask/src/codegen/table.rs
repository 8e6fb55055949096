//! Tables of types, printed by example targets that link the crates they are in, so that everyday
//! commands of this crate do not have to build all of them.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;

use crate::tree;

/// What an example target prints.
pub(super) fn read<T: DeserializeOwned>(example: &str) -> Result<Vec<T>> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--package", "xtask", "--example", example])
        .current_dir(tree::root())
        .output()
        .with_context(|| format!("running the example {example}"))?;
    if !output.status.success() {
        bail!(
            "printing a table of types failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("parsing a table of types")
}
