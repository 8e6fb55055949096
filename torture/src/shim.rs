//! The disk shim: built with the system's C compiler, preloaded into the target, told what to fail.
//!
//! What it does is said in `shim/disk.c`, whose structures are written and read here.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::compiler;
use crate::power::record;

const SOURCE: &str = include_str!("../shim/disk.c");
const MAGIC: u64 = u32::from_le_bytes(*b"CTRL") as u64;

/// Where the parts of `struct control` are.
const LIMITED: u64 = 8;
const ROOM: u64 = 16;
const HIT: u64 = 72;
const RULES_AT: u64 = 120;
const RULE: u64 = 80;
const SUFFIX: usize = 32;
const SIZE: u64 = RULES_AT + RULES as u64 * RULE;

/// How many rules there may be at once.
pub(crate) const RULES: usize = 8;

/// The library, built.
#[derive(Clone, Debug)]
pub(crate) struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Builds it in a folder.
    pub(crate) fn build(folder: &Path) -> anyhow::Result<Self> {
        let library = compiler::library("disk", SOURCE, folder)?;
        Ok(Self { library })
    }

    /// What a process must find in its environment to be watched: `folder` is whose disk calls are
    /// seen, `record` where they are written down, `control` what is to fail.
    pub(crate) fn environment(
        &self,
        folder: &Path,
        record: Option<&Path>,
        control: Option<&Control>,
    ) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
        let folder = std::fs::canonicalize(folder)
            .with_context(|| format!("watching {}", folder.display()))?;
        let mut variables = vec![
            ("LD_PRELOAD", std::path::absolute(&self.library)?),
            ("DISK_SHIM_FOLDER", folder),
        ];
        if let Some(record) = record {
            variables.push((record::VARIABLE, std::path::absolute(record)?));
        }
        if let Some(control) = control {
            variables.push(("DISK_SHIM_CONTROL", std::path::absolute(&control.path)?));
        }
        Ok(variables)
    }
}

/// A kind of call; the values are bits of the shim's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Write = 1,
    Sync = 2,
    Read = 4,
    Resize = 16,
}

/// What happens to a call; numbers are error numbers of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It fails.
    Fail(Errno),
    /// Half of a write is done, and said so.
    Short,
    /// Half of a write is done, and it fails.
    Torn(Errno),
    /// It takes so many milliseconds longer.
    Delay(u64),
}

/// An error of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errno {
    /// `EIO`
    Io = 5,
    /// `ENOSPC`
    NoRoom = 28,
    /// `EDQUOT`
    Quota = 122,
}

/// Which calls something happens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) operations: Vec<Operation>,
    pub(crate) action: Action,
    /// So many pass first.
    pub(crate) skip: u64,
    /// Then so many are hit.
    pub(crate) times: u64,
    /// Only files whose names end like this, of at most 31 bytes.
    pub(crate) suffix: &'static str,
}

/// Numbers of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) writes: u64,
    pub(crate) syncs: u64,
    pub(crate) reads: u64,
}

/// What the shim of a running process is told. Changes count at once.
#[derive(Debug)]
pub(crate) struct Control {
    file: File,
    path: PathBuf,
}

impl Control {
    /// Makes it, without rules and limits.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .with_context(|| format!("making {}", path.display()))?;
        file.set_len(SIZE)?;
        let control = Self {
            file,
            path: path.to_owned(),
        };
        control.put(0, MAGIC)?;
        Ok(control)
    }

    /// Opens one that was made.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::options().read(true).write(true).open(path);
        Ok(Self {
            file: file.with_context(|| format!("opening {}", path.display()))?,
            path: path.to_owned(),
        })
    }

    /// Sets a rule, of which there are [`RULES`].
    pub(crate) fn set(&self, index: usize, rule: &Rule) -> anyhow::Result<()> {
        anyhow::ensure!(index < RULES, "there are only {RULES} rules");
        anyhow::ensure!(rule.suffix.len() < SUFFIX, "`{}` is too long", rule.suffix);
        self.clear(index)?;
        let at = RULES_AT + index as u64 * RULE;
        let (action, number) = rule.action.numbers();
        let operations = rule
            .operations
            .iter()
            .fold(0, |bits, one| bits | *one as u64);
        let mut suffix = [0_u8; SUFFIX];
        for (to, from) in suffix.iter_mut().zip(rule.suffix.bytes()) {
            *to = from;
        }
        let fields = [operations, action, number, rule.skip, rule.times];
        for (place, field) in (at + 8..).step_by(8).zip(fields) {
            self.put(place, field)?;
        }
        self.file.write_all_at(&suffix, at + 48)?;
        self.put(at, 1)
    }

    /// Takes a rule back.
    pub(crate) fn clear(&self, index: usize) -> anyhow::Result<()> {
        self.put(RULES_AT + index as u64 * RULE, 0)
    }

    /// Files may grow by so many bytes from now on, all together; or by any.
    pub(crate) fn limit_room(&self, bytes: Option<u64>) -> anyhow::Result<()> {
        self.put(ROOM, bytes.unwrap_or(0))?;
        self.put(LIMITED, bytes.is_some().into())
    }

    /// Calls that something happened to.
    pub(crate) fn hit(&self) -> anyhow::Result<Counts> {
        Ok(Counts {
            writes: self.get(HIT)?,
            syncs: self.get(HIT + 8)?,
            reads: self.get(HIT + 16)?,
        })
    }

    fn put(&self, at: u64, number: u64) -> anyhow::Result<()> {
        let written = self.file.write_all_at(&number.to_ne_bytes(), at);
        written.with_context(|| format!("writing {}", self.path.display()))
    }

    fn get(&self, at: u64) -> anyhow::Result<u64> {
        let mut bytes = [0; 8];
        let read = self.file.read_exact_at(&mut bytes, at);
        read.with_context(|| format!("reading {}", self.path.display()))?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

impl Action {
    fn numbers(self) -> (u64, u64) {
        match self {
            Self::Fail(errno) => (1, errno as u64),
            Self::Short => (2, 0),
            Self::Torn(errno) => (3, errno as u64),
            Self::Delay(milliseconds) => (4, milliseconds),
        }
    }
}

#[cfg(test)]
mod tests;
