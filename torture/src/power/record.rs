//! Reads what the shim recorded: every change to the disk, in the order in which it happened.
//!
//! The format is `struct record` of `shim/disk.c`. A record that its process could not finish, because
//! it was killed, ends the list; corrections are folded into the change that they correct.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::{Buf, Bytes};

const MAGIC: u32 = u32::from_le_bytes(*b"DISK");
/// The variable that names the folder of a record.
pub(crate) const VARIABLE: &str = "DISK_SHIM_RECORD";
/// Size of `struct record`.
const HEAD: usize = 40;
/// Records of more than this are refused; they are kept in memory.
const LARGEST: u64 = 4 << 30;

/// The number that the file system knows a file by while it exists.
pub(crate) type Inode = u64;

/// A change and where its record ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Length of the record once this change was in it.
    pub(crate) end: u64,
    pub(crate) change: Change,
}

/// Something that happened to the disk. Names are relative to the folder that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A process began.
    Process,
    /// A file was made, or opened for writing.
    Opened {
        inode: Inode,
        name: String,
        is_new: bool,
    },
    Directory {
        inode: Inode,
        name: String,
    },
    Write {
        inode: Inode,
        offset: u64,
        data: Bytes,
    },
    Resize {
        inode: Inode,
        length: u64,
    },
    /// The file reaches at least up to `end`.
    Allocate {
        inode: Inode,
        end: u64,
    },
    Zero {
        inode: Inode,
        offset: u64,
        length: u64,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    Link {
        from: String,
        to: String,
    },
    SyncBegins {
        inode: Inode,
        ticket: u64,
    },
    SyncEnds {
        inode: Inode,
        ticket: u64,
        has_failed: bool,
    },
    /// From here on a file may change through memory.
    Mapped {
        inode: Inode,
    },
    /// A call that cannot be recorded.
    Unsupported {
        call: String,
    },
}

/// The files of a record, in the order of the processes that wrote them, with their lengths.
fn files(folder: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
    let context = || format!("reading {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(context)? {
        let entry = entry?;
        files.push((entry.path(), entry.metadata()?.len()));
    }
    files.sort_unstable();
    Ok(files)
}

/// The moment that a record has come to: its length.
pub(crate) fn moment(folder: &Path) -> anyhow::Result<u64> {
    Ok(files(folder)?.iter().map(|(_, length)| length).sum())
}

/// Reads a record.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Vec<Recorded>> {
    let files = files(folder)?;
    let length: u64 = files.iter().map(|(_, length)| length).sum();
    anyhow::ensure!(
        length <= LARGEST,
        "the record is too long: {length} bytes; let the load run for a shorter time"
    );
    let mut found = Vec::new();
    let mut start = 0;
    for (path, length) in files {
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        parse(bytes.into(), start, &mut found)?;
        start += length;
    }
    Ok(found)
}

/// Takes a file of a record apart that begins at this moment.
fn parse(mut rest: Bytes, start: u64, found: &mut Vec<Recorded>) -> anyhow::Result<()> {
    let mut end = start;
    while let Some(raw) = Raw::next(&mut rest)? {
        end += raw.size();
        match (raw.kind, found.last_mut()) {
            (14, Some(last)) => {
                last.end = end;
                if let Change::Write { data, .. } = &mut last.change
                    && raw.first > 0
                {
                    data.truncate(usize::try_from(raw.first)?);
                } else {
                    found.pop();
                }
            }
            _ => found.push(Recorded {
                end,
                change: raw.change()?,
            }),
        }
    }
    Ok(())
}

/// `struct record` and what follows it.
struct Raw {
    kind: u32,
    inode: Inode,
    first: u64,
    second: u64,
    name: Bytes,
    data: Bytes,
}

impl Raw {
    fn next(rest: &mut Bytes) -> anyhow::Result<Option<Self>> {
        if rest.len() < HEAD {
            return Ok(None);
        }
        let mut head = rest.clone();
        let magic = head.get_u32_le();
        anyhow::ensure!(magic == MAGIC, "the record is not one of the disk shim");
        let kind = head.get_u32_le();
        let [inode, first, second] = [head.get_u64_le(), head.get_u64_le(), head.get_u64_le()];
        let name_length = usize::try_from(head.get_u32_le())?;
        let data_length = usize::try_from(head.get_u32_le())?;
        if head.len() < name_length + data_length {
            return Ok(None);
        }
        let name = head.split_to(name_length);
        let data = head.split_to(data_length);
        *rest = head;
        Ok(Some(Self {
            kind,
            inode,
            first,
            second,
            name,
            data,
        }))
    }

    fn size(&self) -> u64 {
        (HEAD + self.name.len() + self.data.len()) as u64
    }

    fn change(self) -> anyhow::Result<Change> {
        let inode = self.inode;
        Ok(match self.kind {
            1 => Change::Process,
            2 => Change::Opened {
                inode,
                name: text(&self.name)?,
                is_new: self.second != 0,
            },
            3 => Change::Directory {
                inode,
                name: text(&self.name)?,
            },
            4 => Change::Write {
                inode,
                offset: self.first,
                data: self.data,
            },
            5 => Change::Resize {
                inode,
                length: self.first,
            },
            6 => Change::Allocate {
                inode,
                end: self.first + self.second,
            },
            7 => Change::Zero {
                inode,
                offset: self.first,
                length: self.second,
            },
            8 => {
                let (from, to) = self.two_names()?;
                Change::Rename { from, to }
            }
            9 => Change::Remove {
                name: text(&self.name)?,
            },
            10 => {
                let (from, to) = self.two_names()?;
                Change::Link { from, to }
            }
            11 => Change::SyncBegins {
                inode,
                ticket: self.first,
            },
            12 => Change::SyncEnds {
                inode,
                ticket: self.first,
                has_failed: self.second != 0,
            },
            13 => Change::Mapped { inode },
            15 => Change::Unsupported {
                call: text(&self.name)?,
            },
            kind => anyhow::bail!("the record has an entry of the unknown kind {kind}"),
        })
    }

    fn two_names(&self) -> anyhow::Result<(String, String)> {
        let names = text(&self.name)?;
        let (from, to) = names.split_once('\0').context("one name instead of two")?;
        Ok((from.to_owned(), to.to_owned()))
    }
}

fn text(name: &Bytes) -> anyhow::Result<String> {
    String::from_utf8(name.to_vec()).context("a name that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(kind: u32, first: u64, second: u64, name: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.extend(kind.to_le_bytes());
        for number in [7, first, second] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
        bytes.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn parsed(bytes: &[u8]) -> anyhow::Result<Vec<Recorded>> {
        let mut found = Vec::new();
        parse(Bytes::copy_from_slice(bytes), 0, &mut found)?;
        Ok(found)
    }

    fn write(data: &'static [u8]) -> Change {
        Change::Write {
            inode: 7,
            offset: 3,
            data: Bytes::from_static(data),
        }
    }

    #[test]
    fn a_short_write_counts_as_what_was_written_and_a_failed_one_as_nothing() {
        let mut bytes = raw(4, 3, 4, "", b"abcd");
        bytes.extend(raw(14, 2, 0, "", b""));
        let short = bytes.len() as u64;
        bytes.extend(raw(4, 3, 4, "", b"efgh"));
        bytes.extend(raw(14, 0, 0, "", b""));
        bytes.extend(raw(5, 0, 0, "", b""));
        bytes.extend(raw(14, 0, 0, "", b""));
        let found = parsed(&bytes).unwrap();
        let expected = Recorded {
            end: short,
            change: write(b"ab"),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn a_record_without_its_end_is_not_there() {
        let mut bytes = raw(4, 3, 2, "", b"ab");
        let whole = bytes.len();
        bytes.extend(raw(8, 0, 0, "a\0b", b""));
        for length in whole..bytes.len() {
            let found = parsed(&bytes[..length]).unwrap();
            assert_eq!(found.len(), 1, "{length}");
        }
        assert_eq!(parsed(&bytes).unwrap().len(), 2);
    }

    #[test]
    fn other_files_and_unknown_kinds_are_refused() {
        assert!(parsed(&[1; 100]).is_err());
        assert!(parsed(&raw(99, 0, 0, "", b"")).is_err());
    }

    #[test]
    fn moments_go_on_where_a_process_was_killed_in_the_middle_of_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let one = raw(4, 3, 2, "", b"ab");
        std::fs::write(folder.path().join("00000"), [&one[..], &one[..20]].concat()).unwrap();
        std::fs::write(folder.path().join("00001"), &one).unwrap();
        let ends: Vec<u64> = read(folder.path())
            .unwrap()
            .iter()
            .map(|one| one.end)
            .collect();
        let length = one.len() as u64;
        assert_eq!(ends, [length, 2 * length + 20]);
        assert_eq!(moment(folder.path()).unwrap(), 2 * length + 20);
    }
}
