//! Small file systems for one round, where this program may mount some.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// A file system in memory, which goes with the value.
#[derive(Debug)]
pub(crate) struct Mount {
    folder: PathBuf,
}

impl Mount {
    /// Mounts one of so many MiB on a folder.
    pub(crate) fn tmpfs(folder: &Path, mebibytes: u32) -> anyhow::Result<Self> {
        let mut command = Command::new("mount");
        command.args([
            "-t",
            "tmpfs",
            "-o",
            &format!("size={mebibytes}m"),
            "torture",
        ]);
        let output = command.arg(folder).output().context("starting `mount`")?;
        anyhow::ensure!(
            output.status.success(),
            "no tmpfs on {}: {}",
            folder.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Whether this program may do that; if not, the reason.
    pub(crate) fn is_possible() -> Result<(), String> {
        let folder = std::env::temp_dir().join(format!("torture-mount-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let mounted = Self::tmpfs(&folder, 1);
        let possible = mounted.map(drop).map_err(|error| format!("{error:#}"));
        // One that stays is empty.
        let _ = std::fs::remove_dir(&folder);
        possible
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a process that was just killed may still have files open there. What cannot be
        // unmounted goes with the machine.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).output();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_as_small_as_was_said_and_goes_with_its_value() {
        if let Err(reason) = Mount::is_possible() {
            eprintln!("skipped: {reason}");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let mount = Mount::tmpfs(folder.path(), 1).unwrap();
        assert!(std::fs::write(&file, vec![0; 2 << 20]).is_err());
        assert!(file.exists());
        drop(mount);
        assert!(!file.exists());
        std::fs::write(&file, vec![0; 2 << 20]).unwrap();
    }
}
