//! Why an operation on the database did not work, and what callers are told.

use rusqlite::ErrorCode;
use thiserror::Error;

use crate::store::StoreError;

/// The inside view of a failure.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// The caller asked for something that must not be stored.
    #[error("{0}")]
    Refused(String),
    #[error("encoding failed: {0}")]
    Encoding(#[from] serde_json::Error),
}

impl Fault {
    /// Whether the medium is to blame, so that other operations will most likely fail, too.
    pub(super) fn blames_medium(&self) -> bool {
        matches!(
            self,
            Self::Database(rusqlite::Error::SqliteFailure(failure, _))
                if matches!(
                    failure.code,
                    ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::CannotOpen
                        | ErrorCode::ReadOnly
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::OutOfMemory
                )
        )
    }
}

impl From<&Fault> for StoreError {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Database(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == ErrorCode::DiskFull =>
            {
                Self::Full("the disk has no room left".to_owned())
            }
            _ => Self::Failed(fault.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> Fault {
        Fault::Database(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(code),
            None,
        ))
    }

    #[test]
    fn a_full_disk_is_told_apart_from_a_broken_one() {
        let full = failure(rusqlite::ffi::SQLITE_FULL);
        assert!(matches!(StoreError::from(&full), StoreError::Full(_)));
        let broken = failure(rusqlite::ffi::SQLITE_IOERR);
        assert!(matches!(StoreError::from(&broken), StoreError::Failed(_)));
        assert!(full.blames_medium() && broken.blames_medium());
        assert!(!failure(rusqlite::ffi::SQLITE_CONSTRAINT).blames_medium());
    }
}
