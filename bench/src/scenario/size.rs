//! How large the binary is.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::figure::Figure;

use super::Laboratory;
use super::accept::count;

/// Reads it off the file.
pub(crate) fn run(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    let size = megabytes(&laboratory.fanfare)?;
    Ok(vec![Figure::lower("binary-size/file", size, "MB")])
}

/// Size of a file.
pub(crate) fn megabytes(path: &Path) -> anyhow::Result<f64> {
    let metadata =
        std::fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?;
    Ok(count(metadata.len()) / 1e6)
}

/// The file that a name of a program stands for, as the system looks for it.
#[expect(
    clippy::disallowed_methods,
    reason = "where programs are is a matter of the machine that is measured"
)]
pub(crate) fn find(program: &Path) -> anyhow::Result<PathBuf> {
    if program.components().count() > 1 {
        return Ok(program.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("no {} in PATH", program.display()))
}
