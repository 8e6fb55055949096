//! One process per data directory: an advisory lock that the system lets go when the process ends.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::store::open::OpenError;

const FILE: &str = "lock";

/// Between two tries for the lock.
const PAUSE: Duration = Duration::from_millis(50);

/// The lock, held until dropped.
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Makes the directory if needed and takes its lock, waiting for at most `wait`.
    pub(super) fn take(directory: &Path, wait: Duration) -> Result<Self, OpenError> {
        let unusable = |source: io::Error| OpenError::Directory {
            path: directory.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(unusable)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join(FILE))
            .map_err(unusable)?;
        let deadline = Instant::now() + wait;
        let mut is_announced = false;
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(unusable(error.into()));
            }
            if Instant::now() >= deadline {
                return Err(OpenError::Locked {
                    path: directory.to_owned(),
                    pid: read_pid(&mut file),
                });
            }
            if !is_announced {
                is_announced = true;
                tracing::info!(
                    directory = %directory.display(),
                    "waiting for another process to let go of the data directory"
                );
            }
            std::thread::sleep(PAUSE);
        }
        write_pid(&mut file).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    fs::File::sync_data(file)
}
