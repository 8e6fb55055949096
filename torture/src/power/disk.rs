//! A folder and everything below it, as recorded changes make it: what programs see, and what a power
//! cut would leave.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;

use super::fate::Fate;
use super::file::{Effect, File};
use super::names::{NameChange, Names, Node};
use super::record::{Change, Inode};

/// The folder itself.
const ROOT: Node = 0;

/// A folder on a disk. Cloning it keeps a moment.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    nodes: BTreeMap<Node, Entry>,
    /// Who a number of the file system stands for now.
    inodes: HashMap<Inode, Node>,
    /// Syncs under way: which node, and the number of the change that began it.
    syncs: HashMap<u64, (Node, u64)>,
    /// Changes so far.
    count: u64,
}

#[derive(Clone, Debug)]
enum Entry {
    File(File),
    Directory(Names),
}

/// What is in a folder: contents of files by name; directories have none.
pub(crate) type Image = BTreeMap<String, Option<Content>>;

/// Content of a file after a power cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// It may have been changed through memory, and nobody may rely on it.
    Volatile(Vec<u8>),
}

impl Disk {
    /// Takes a folder as it is, all of it on the disk. Sockets are left out, and so is what else is
    /// directly in it if `only` names a part.
    pub(crate) fn of_folder(folder: &Path, only: Option<&str>) -> anyhow::Result<Self> {
        let mut disk = Self {
            nodes: BTreeMap::new(),
            inodes: HashMap::new(),
            syncs: HashMap::new(),
            count: 0,
        };
        disk.add(ROOT, folder, only)?;
        Ok(disk)
    }

    fn add(&mut self, node: Node, path: &Path, only: Option<&str>) -> anyhow::Result<()> {
        let context = || format!("reading {}", path.display());
        let metadata = std::fs::symlink_metadata(path).with_context(context)?;
        self.inodes.insert(metadata.ino(), node);
        // Taken before those of what is below.
        self.nodes.insert(node, Entry::File(File::default()));
        let entry = if metadata.is_dir() {
            let mut names = BTreeMap::new();
            for found in std::fs::read_dir(path).with_context(context)? {
                let found = found?;
                let kind = found.file_type()?;
                let name = found.file_name().into_string();
                let name = name.ok().context("a name that is not UTF-8")?;
                let is_part = only.is_none_or(|only| only == name);
                if is_part && (kind.is_dir() || kind.is_file()) {
                    let child = self.nodes.len() as Node;
                    self.add(child, &found.path(), None)?;
                    names.insert(name, child);
                }
            }
            Entry::Directory(Names::synced(names))
        } else {
            Entry::File(File::synced(std::fs::read(path).with_context(context)?))
        };
        self.nodes.insert(node, entry);
        Ok(())
    }

    /// Something happens.
    pub(crate) fn apply(&mut self, change: &Change) -> anyhow::Result<()> {
        self.count += 1;
        let at = self.count;
        match change {
            // Syncs of a process that was killed never end.
            Change::Process => self.syncs.clear(),
            Change::Opened { inode, name, .. } => {
                let known = self.find(name).ok().map(|node| self.nodes.get(&node));
                if matches!(known, Some(Some(Entry::Directory(_)))) {
                    return Ok(());
                }
                if known.is_none() {
                    self.put(at, *inode, name, Entry::File(File::default()))?;
                }
            }
            Change::Directory { inode, name } => {
                self.put(at, *inode, name, Entry::Directory(Names::default()))?;
            }
            Change::Write {
                inode,
                offset,
                data,
            } => {
                let (offset, data) = (*offset, data.clone());
                self.change_file(*inode, Effect::Write { offset, data })?;
            }
            Change::Resize { inode, length } => {
                self.change_file(*inode, Effect::Resize { length: *length })?;
            }
            Change::Allocate { inode, end } => {
                self.change_file(*inode, Effect::Allocate { end: *end })?;
            }
            Change::Zero {
                inode,
                offset,
                length,
            } => {
                let (offset, length) = (*offset, *length);
                self.change_file(*inode, Effect::Zero { offset, length })?;
            }
            Change::Rename { from, to } => {
                let (old, from) = split(from);
                let (new, to) = split(to);
                anyhow::ensure!(old == new, "renaming across directories is not recorded");
                let (from, to) = (from.to_owned(), to.to_owned());
                self.change_names(at, old, NameChange::Move { from, to })?;
            }
            Change::Remove { name } => {
                let (directory, name) = split(name);
                let name = name.to_owned();
                self.change_names(at, directory, NameChange::Drop { name })?;
            }
            Change::Link { from, to } => {
                let node = self.find(from)?;
                let (directory, name) = split(to);
                let name = name.to_owned();
                self.change_names(at, directory, NameChange::Put { name, node })?;
            }
            Change::SyncBegins { inode, ticket } => {
                let node = self.node(*inode)?;
                self.syncs.insert(*ticket, (node, at));
            }
            Change::SyncEnds {
                ticket, has_failed, ..
            } => self.end_sync(*ticket, *has_failed),
            Change::Mapped { inode } => {
                let node = self.node(*inode)?;
                if let Some(Entry::File(file)) = self.nodes.get_mut(&node) {
                    file.is_mapped = true;
                }
            }
            Change::Unsupported { call } => {
                anyhow::bail!("the program uses {call}, which is not recorded")
            }
        }
        Ok(())
    }

    fn end_sync(&mut self, ticket: u64, has_failed: bool) {
        let Some((node, begun)) = self.syncs.remove(&ticket) else {
            return;
        };
        match self.nodes.get_mut(&node) {
            Some(Entry::File(file)) if has_failed => file.fail_sync(begun),
            Some(Entry::File(file)) => file.sync(begun),
            Some(Entry::Directory(names)) if !has_failed => names.sync(begun),
            Some(Entry::Directory(_)) | None => {}
        }
    }

    fn put(&mut self, at: u64, inode: Inode, name: &str, entry: Entry) -> anyhow::Result<()> {
        let node = self.nodes.len() as Node;
        self.nodes.insert(node, entry);
        self.inodes.insert(inode, node);
        let (directory, name) = split(name);
        let name = name.to_owned();
        self.change_names(at, directory, NameChange::Put { name, node })
    }

    fn node(&self, inode: Inode) -> anyhow::Result<Node> {
        let node = self.inodes.get(&inode).copied();
        node.with_context(|| format!("a file (inode {inode}) that was never opened is used"))
    }

    fn change_file(&mut self, inode: Inode, effect: Effect) -> anyhow::Result<()> {
        let node = self.node(inode)?;
        match self.nodes.get_mut(&node) {
            Some(Entry::File(file)) => file.change(self.count, effect),
            Some(Entry::Directory(_)) | None => anyhow::bail!("a directory is written to"),
        }
        Ok(())
    }

    fn change_names(&mut self, at: u64, directory: &str, change: NameChange) -> anyhow::Result<()> {
        let node = self.find(directory)?;
        match self.nodes.get_mut(&node) {
            Some(Entry::Directory(names)) => names.change(at, change),
            Some(Entry::File(_)) | None => anyhow::bail!("`{directory}` is no directory"),
        }
        Ok(())
    }

    fn find(&self, name: &str) -> anyhow::Result<Node> {
        let mut node = ROOT;
        for part in name.split('/').filter(|part| !part.is_empty()) {
            let Some(Entry::Directory(names)) = self.nodes.get(&node) else {
                anyhow::bail!("there is no `{name}`");
            };
            let next = names.current().get(part).copied();
            node = next.with_context(|| format!("there is no `{name}`"))?;
        }
        Ok(node)
    }

    /// What programs see now.
    pub(crate) fn current(&self) -> Image {
        let mut image = Image::new();
        self.collect(ROOT, "", &mut image, &|_, entry| match entry {
            Entry::File(file) => Found::File(if file.is_mapped {
                Content::Volatile(file.current())
            } else {
                Content::Bytes(file.current())
            }),
            Entry::Directory(names) => Found::Directory(names.current().clone()),
        });
        image
    }

    /// What is there when the power comes back.
    pub(crate) fn after_cut(&self, fate: &Fate) -> Image {
        let moment = self.moment(fate);
        let mut image = Image::new();
        self.collect(ROOT, "", &mut image, &|node, entry| match entry {
            Entry::File(file) if file.is_mapped => {
                Found::File(Content::Volatile(anything(fate, node, &file.current())))
            }
            Entry::File(file) => Found::File(Content::Bytes(file.after_cut(fate, node, moment))),
            Entry::Directory(names) => Found::Directory(names.after_cut(fate, moment)),
        });
        image
    }

    /// Until when changes survive on a disk that keeps their order: somewhere between the oldest that
    /// is not synced and now.
    fn moment(&self, fate: &Fate) -> u64 {
        let oldest = self.nodes.values().filter_map(|entry| match entry {
            Entry::File(file) => file.oldest_pending(),
            Entry::Directory(names) => names.oldest_pending(),
        });
        let oldest = oldest.min().unwrap_or(self.count);
        oldest + fate.roll(&[4]) % (self.count - oldest + 2)
    }

    fn collect(
        &self,
        node: Node,
        name: &str,
        image: &mut Image,
        look: &impl Fn(Node, &Entry) -> Found,
    ) {
        let Some(entry) = self.nodes.get(&node) else {
            return;
        };
        match look(node, entry) {
            Found::File(content) => {
                image.insert(name.to_owned(), Some(content));
            }
            Found::Directory(names) => {
                if node != ROOT {
                    image.insert(name.to_owned(), None);
                }
                for (part, child) in names {
                    let name = if name.is_empty() {
                        part
                    } else {
                        format!("{name}/{part}")
                    };
                    self.collect(child, &name, image, look);
                }
            }
        }
    }
}

enum Found {
    File(Content),
    Directory(BTreeMap<String, Node>),
}

/// What may be in a file that was changed through memory.
fn anything(fate: &Fate, node: Node, seen: &[u8]) -> Vec<u8> {
    match fate.roll(&[node, 5]) % 4 {
        0 => Vec::new(),
        1 => vec![0; seen.len()],
        2 => seen.to_vec(),
        _ => (0_u64..)
            .take(seen.len())
            .map(|at| fate.roll(&[node, at]).to_le_bytes()[0])
            .collect(),
    }
}

/// A name as directory and rest.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

#[cfg(test)]
mod tests;
