//! Builds the small C libraries that are loaded into a target, with the system's own compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// Whether there is a C compiler; if not, what to do about it.
pub(crate) fn is_there() -> Result<(), String> {
    let found = Command::new("cc").arg("--version").output();
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    Err(
        "it needs a C compiler called `cc` (Debian and Ubuntu: apt-get install gcc libc6-dev)"
            .to_owned(),
    )
}

/// Compiles a shared library `NAME.so` into a folder.
pub(crate) fn library(name: &str, source: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let file = folder.join(format!("{name}.c"));
    let library = folder.join(format!("{name}.so"));
    std::fs::write(&file, source).with_context(|| format!("writing {}", file.display()))?;
    let output = Command::new("cc")
        .args(["-std=gnu11", "-O2", "-Wall", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&file)
        .output()
        .context("running the C compiler `cc`")?;
    anyhow::ensure!(
        output.status.success(),
        "{} does not compile: {}",
        file.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(library)
}
