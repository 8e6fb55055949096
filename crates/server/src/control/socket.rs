//! Where the control socket is, however long the path to it.

use std::fmt;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// File name of the socket in the data directory.
const NAME: &str = "control.sock";

/// The control socket of a data directory; displays as its path.
///
/// The address of a Unix socket holds about a hundred bytes ([unix(7)]), which data directories may
/// exceed. Where the path is longer, the directory is opened and the socket reached through
/// `/proc/self/fd`, which Linux has; elsewhere such a path is the error of the system.
///
/// [unix(7)]: https://man7.org/linux/man-pages/man7/unix.7.html
#[derive(Clone, Debug)]
pub struct ControlSocket {
    path: PathBuf,
}

impl ControlSocket {
    /// The one of this data directory; nothing is looked at yet.
    pub fn of(directory: &Path) -> Self {
        Self {
            path: directory.join(NAME),
        }
    }

    /// Listens, for this user only; a socket that a killed process left behind is replaced, so the
    /// caller must hold the directory's lock. To be called on a runtime.
    ///
    /// # Errors
    /// What the system says of the directory or the socket.
    pub fn bind(&self) -> io::Result<UnixListener> {
        self.remove();
        let within_reach = self.within_reach()?;
        let socket = UnixListener::bind(&within_reach.path)?;
        std::fs::set_permissions(&self.path, Permissions::from_mode(0o600))?;
        Ok(socket)
    }

    /// Connects to the process that listens.
    ///
    /// # Errors
    /// What the system says; `NotFound` and `ConnectionRefused` where no process runs.
    pub async fn connect(&self) -> io::Result<UnixStream> {
        let within_reach = self.within_reach()?;
        UnixStream::connect(&within_reach.path).await
    }

    /// Removes the socket.
    pub fn remove(&self) {
        // Usually there is none.
        let _ = std::fs::remove_file(&self.path);
    }

    fn within_reach(&self) -> io::Result<WithinReach> {
        if cfg!(not(target_os = "linux")) || SocketAddr::from_pathname(&self.path).is_ok() {
            return Ok(WithinReach {
                path: self.path.clone(),
                _directory: None,
            });
        }
        let directory = File::open(self.path.parent().unwrap_or(Path::new(".")))?;
        Ok(WithinReach {
            path: PathBuf::from(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd())),
            _directory: Some(directory),
        })
    }
}

/// A path to the socket that fits into an address, as long as this is held.
struct WithinReach {
    path: PathBuf,
    _directory: Option<File>,
}

impl fmt::Display for ControlSocket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_data_directory_may_have_a_short_or_a_long_path() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data".to_owned(), "d".repeat(200)] {
            let directory = folder.path().join(name);
            std::fs::create_dir(&directory).unwrap();
            let socket = ControlSocket::of(&directory);
            let absent = socket.connect().await.unwrap_err();
            assert_eq!(absent.kind(), io::ErrorKind::NotFound, "{socket}");
            let listener = socket.bind().unwrap();
            let mode = std::fs::metadata(directory.join(NAME))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
            let (connected, accepted) = tokio::join!(socket.connect(), listener.accept());
            assert!(connected.is_ok() && accepted.is_ok(), "{socket}");
            drop(listener);
            let left_behind = socket.connect().await.unwrap_err();
            assert_eq!(left_behind.kind(), io::ErrorKind::ConnectionRefused);
            assert!(socket.bind().is_ok(), "{socket}");
            socket.remove();
            assert!(!directory.join(NAME).exists());
        }
    }
}
