//! The file of arrivals: read once at the start, written and synced from then on.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::frame::{self, Arrival};
use super::ring::Ring;
use super::unfiled::Unfiled;
use crate::store::StoreError;
use crate::store::open::OpenError;
use crate::store::sqlite::lock;

/// Name of the file in the data directory.
const FILE: &str = "arrivals.log";

/// How long the file usually is.
const SOFT: u64 = 4 << 20;

/// How long it gets while the database is slow or full.
const HARD: u64 = 16 << 20;

/// The file grows by so many bytes at a time, since growing costs a sync of the file system's notes.
const GROWTH: u64 = 256 << 10;

/// Why nothing was written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The database has to take something over first.
    NoRoom,
    /// The medium failed.
    Medium(io::Error),
}

impl From<&WriteError> for StoreError {
    fn from(error: &WriteError) -> Self {
        match error {
            WriteError::NoRoom => Self::Full(format!(
                "`{FILE}` has no room left, since the database takes nothing"
            )),
            WriteError::Medium(error)
                if matches!(
                    error.kind(),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
                ) =>
            {
                Self::Full("the disk has no room left".to_owned())
            }
            WriteError::Medium(error) => Self::Failed(format!("writing `{FILE}`: {error}")),
        }
    }
}

/// The file, and what is known about it.
pub(super) struct Log {
    file: File,
    length: u64,
    ring: Ring,
    /// The last position that was given, whatever became of it.
    last: i64,
    /// The last position that was acknowledged.
    acknowledged: i64,
    buffer: Vec<u8>,
}

impl Log {
    /// Opens the file, or makes it, and reads what is not in the database: all behind `filed`.
    pub(super) fn open(directory: &Path, filed: i64) -> Result<(Self, Unfiled), OpenError> {
        let path = directory.join(FILE);
        let mut file = lock::open_file(&path)?;
        let mut bytes = Vec::new();
        // A file that is longer was not written by us. What is read counts from now on, so it is written
        // again and synced, also if a process that was killed did not come to that or failed to, and so
        // is the name of a new file.
        (&mut file)
            .take(2 * HARD)
            .read_to_end(&mut bytes)
            .and_then(|_| lock::rewrite_file(&path))
            .and_then(|()| lock::sync_directory(directory))
            .map_err(|source| OpenError::Inaccessible { path, source })?;
        let mut log = Self {
            file,
            length: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            ring: Ring::new(SOFT, HARD),
            last: filed,
            acknowledged: filed,
            buffer: Vec::new(),
        };
        let unfiled = Unfiled::new(filed);
        for frame in frame::scan(&bytes, filed) {
            if frame.previous > log.acknowledged {
                tracing::error!(
                    first = log.acknowledged + 1,
                    last = frame.previous,
                    "the medium lost accepted events in `{FILE}` that it had synced"
                );
            }
            log.ring.hold(frame.offset, frame.length, frame.last());
            log.last = log.last.max(frame.last());
            log.acknowledged = log.last;
            unfiled.push(frame.arrivals.into_iter().filter(|it| it.position > filed));
        }
        Ok((log, unfiled))
    }

    /// Gives arrivals their positions, writes them and syncs. What failed has used its positions up:
    /// the medium may show it again after a crash.
    pub(super) fn write<'a>(
        &mut self,
        arrivals: impl Iterator<Item = &'a mut Arrival>,
        filed: i64,
    ) -> Result<(), WriteError> {
        self.ring.release(filed);
        let mut last = self.last;
        let numbered: Vec<&Arrival> = arrivals
            .map(|arrival| {
                last += 1;
                arrival.position = last;
                &*arrival
            })
            .collect();
        frame::encode(&mut self.buffer, numbered.into_iter(), self.acknowledged);
        let length = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        let offset = self.ring.place(length).ok_or(WriteError::NoRoom)?;
        self.last = last;
        self.put(offset, length).map_err(WriteError::Medium)?;
        self.ring.hold(offset, length, last);
        self.acknowledged = last;
        Ok(())
    }

    fn put(&mut self, offset: u64, length: u64) -> io::Result<()> {
        let end = offset + length;
        let is_longer = end > self.length;
        if is_longer {
            let grown = end.next_multiple_of(GROWTH);
            let zeros = vec![0; usize::try_from(grown - end).unwrap_or_default()];
            self.file.write_all_at(&zeros, end)?;
        }
        self.file.write_all_at(&self.buffer, offset)?;
        self.file.sync_data()?;
        if is_longer {
            self.length = end.next_multiple_of(GROWTH);
        }
        Ok(())
    }

    /// Empties the file, if nothing in it is needed any more.
    pub(super) fn empty(&mut self, filed: i64) -> io::Result<()> {
        self.ring.release(filed);
        if self.ring.is_empty() {
            self.file.set_len(0)?;
            self.length = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(count: usize, length: usize) -> Vec<Arrival> {
        vec![
            Arrival {
                position: 0,
                received_at: 1,
                interval_start: 1,
                key: [1; 32],
                body: vec![b'x'; length],
            };
            count
        ]
    }

    fn write(log: &mut Log, count: usize, length: usize, filed: i64) -> Result<(), WriteError> {
        log.write(arrivals(count, length).iter_mut(), filed)
    }

    fn recovered(directory: &Path, filed: i64) -> Vec<i64> {
        let (_, unfiled) = Log::open(directory, filed).unwrap();
        let all = unfiled.behind(i64::MIN, usize::MAX);
        all.iter().map(|arrival| arrival.position).collect()
    }

    #[test]
    fn what_was_written_and_not_filed_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let (mut log, unfiled) = Log::open(directory.path(), 40).unwrap();
        assert!(unfiled.first(1).is_empty());
        write(&mut log, 3, 100, 40).unwrap();
        write(&mut log, 1, 5000, 41).unwrap();
        assert_eq!(recovered(directory.path(), 40), [41, 42, 43, 44]);
        assert_eq!(recovered(directory.path(), 42), [43, 44]);
        let (mut log, _) = Log::open(directory.path(), 42).unwrap();
        write(&mut log, 1, 1, 42).unwrap();
        assert_eq!(recovered(directory.path(), 42), [43, 44, 45]);
        log.empty(44).unwrap();
        assert_eq!(recovered(directory.path(), 44), [45], "it is still needed");
        log.empty(45).unwrap();
        assert!(recovered(directory.path(), 0).is_empty());
    }

    #[test]
    fn laps_over_the_same_file_lose_nothing_that_is_not_filed() {
        let directory = tempfile::tempdir().unwrap();
        let (mut log, _) = Log::open(directory.path(), 0).unwrap();
        let mut last = 0;
        for round in 0..300_usize {
            let (count, length) = (1 + round % 7, round * 7919 % 30_000);
            let filed = last - i64::try_from(round % 40).unwrap();
            write(&mut log, count, length, filed.max(0)).unwrap();
            last += i64::try_from(count).unwrap();
            if round % 10 == 9 {
                let expected: Vec<i64> = (filed.max(0) + 1..=last).collect();
                assert_eq!(recovered(directory.path(), filed.max(0)), expected);
            }
        }
        assert!(log.length <= SOFT + GROWTH, "{}", log.length);
    }

    #[test]
    fn a_file_that_nobody_files_from_is_full_at_last_and_goes_on_later() {
        let directory = tempfile::tempdir().unwrap();
        let (mut log, _) = Log::open(directory.path(), 0).unwrap();
        let mut written = 0;
        let error = loop {
            match write(&mut log, 1, 900_000, 0) {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
            assert!(written < 100);
        };
        assert!(matches!(error, WriteError::NoRoom));
        assert!(matches!(StoreError::from(&error), StoreError::Full(_)));
        assert_eq!(written, 18);
        assert!(log.length <= HARD + GROWTH);
        write(&mut log, 1, 900_000, 10).unwrap();
        let expected: Vec<i64> = (11..=19).collect();
        assert_eq!(recovered(directory.path(), 10), expected);
    }

    #[test]
    fn a_file_of_somebody_else_is_no_reason_not_to_start() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), vec![0x5a; 70_000]).unwrap();
        assert!(recovered(directory.path(), 0).is_empty());
    }
}
