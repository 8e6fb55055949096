//! The data directory and the lock that makes one process its only user.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::store::open::OpenError;

/// Name of the lock file in the data directory. It stays when the process ends; what counts is the
/// lock on it, which the system drops with the process.
const FILE: &str = "lock";

/// Bytes that are written again at a time.
const PIECE: u64 = 1 << 20;

/// How often a held lock is tried again.
const POLL: Duration = Duration::from_millis(20);

/// The lock; held until dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

/// Makes a directory, for this user only, unless it is there. What was made survives a power cut.
pub(super) fn create_directory(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Directory {
        path: path.to_owned(),
        source,
    };
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists())
        .collect();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed)?;
    for made in missing {
        let parent = made
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new("."))).map_err(failed)?;
    }
    Ok(())
}

/// Has what is in a file survive a power cut, whoever wrote it; no file is no error.
pub(super) fn sync_file(path: &Path) -> io::Result<()> {
    match File::open(path) {
        Ok(file) => file.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The same for a file that counts because it is read, although a sync of it may have failed. The
/// system takes what such a sync was for as written, so no later one writes it: it is written again
/// first, each byte where it is.
pub(super) fn rewrite_file(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let (mut piece, mut offset) = (Vec::new(), 0);
    loop {
        piece.clear();
        let read = (&file).take(PIECE).read_to_end(&mut piece)?;
        if read == 0 {
            return file.sync_all();
        }
        file.write_all_at(&piece, offset)?;
        offset += PIECE;
    }
}

/// Has the names in a directory survive a power cut.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Opens a file for this user only; makes it if it is missing, changes nothing in it.
pub(super) fn open_file(path: &Path) -> Result<File, OpenError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| inaccessible(path, source))
}

/// Takes the lock, waiting for it at most `wait`.
pub(super) fn acquire(directory: &Path, wait: Duration) -> Result<DirectoryLock, OpenError> {
    let path = directory.join(FILE);
    let mut file = open_file(&path)?;
    let started = Instant::now();
    let mut has_told = false;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(errno) => return Err(inaccessible(&path, errno.into())),
        }
        let pid = holder(&mut file);
        let left = wait.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(OpenError::Locked {
                path: directory.to_owned(),
                pid,
            });
        }
        if !has_told {
            has_told = true;
            tracing::info!(
                directory = %directory.display(),
                holder.pid = pid,
                wait.seconds = wait.as_secs(),
                "another process uses the data directory; waiting for it to stop"
            );
        }
        std::thread::sleep(POLL.min(left));
    }
    write_pid(&mut file).map_err(|source| inaccessible(&path, source))?;
    Ok(DirectoryLock { _file: file })
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn inaccessible(path: &Path, source: io::Error) -> OpenError {
    OpenError::Inaccessible {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_again_is_the_same_file_with_the_same_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        rewrite_file(&path).unwrap();
        assert!(!path.exists());
        let more_than_one_piece = usize::try_from(PIECE).unwrap() + 7;
        for length in [0, 7, more_than_one_piece] {
            let content: Vec<u8> = (0..=250).cycle().take(length).collect();
            std::fs::write(&path, &content).unwrap();
            let kept = File::open(&path).unwrap();
            rewrite_file(&path).unwrap();
            let mut seen = Vec::new();
            (&kept).read_to_end(&mut seen).unwrap();
            assert!(seen == content, "{length}");
        }
    }
}
