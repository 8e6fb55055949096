//! One directory: which names are on the disk for certain, and which may be.
//!
//! Changes of one name happen in their order; a renaming happens as a whole or not at all. Apart from
//! that any of them may be on the disk until the directory is synced.

use std::collections::{BTreeMap, BTreeSet};

use super::fate::{Fate, Survival};

/// A file or a directory, whatever its names.
pub(crate) type Node = u64;

/// A directory's names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    durable: BTreeMap<String, Node>,
    current: BTreeMap<String, Node>,
    pending: Vec<Pending>,
}

#[derive(Clone, Debug)]
struct Pending {
    at: u64,
    change: NameChange,
}

/// What happens to names.
#[derive(Clone, Debug)]
pub(crate) enum NameChange {
    Put { name: String, node: Node },
    Drop { name: String },
    Move { from: String, to: String },
}

impl Names {
    /// A directory whose names are on the disk.
    pub(crate) fn synced(names: BTreeMap<String, Node>) -> Self {
        Self {
            current: names.clone(),
            durable: names,
            pending: Vec::new(),
        }
    }

    /// Something happens to it.
    pub(crate) fn change(&mut self, at: u64, change: NameChange) {
        change.apply(&mut self.current);
        self.pending.push(Pending { at, change });
    }

    /// What happened before `begun` is on the disk.
    pub(crate) fn sync(&mut self, begun: u64) {
        let durable = &mut self.durable;
        self.pending.retain(|pending| {
            if pending.at < begun {
                pending.change.apply(durable);
            }
            pending.at >= begun
        });
    }

    /// The names that programs see now.
    pub(crate) fn current(&self) -> &BTreeMap<String, Node> {
        &self.current
    }

    /// The number of the oldest change that is not on the disk for certain.
    pub(crate) fn oldest_pending(&self) -> Option<u64> {
        self.pending.first().map(|pending| pending.at)
    }

    /// The names that are there after a power cut.
    pub(crate) fn after_cut(&self, fate: &Fate, moment: u64) -> BTreeMap<String, Node> {
        let mut names = self.durable.clone();
        let mut stuck: BTreeSet<&str> = BTreeSet::new();
        for pending in &self.pending {
            let survives = match fate.names {
                Survival::None => false,
                Survival::All => true,
                Survival::Ordered => pending.at < moment,
                Survival::Scattered(percent) => fate.chance(percent, &[pending.at, 3]),
            };
            let touched = pending.change.names();
            if survives && touched.iter().all(|name| !stuck.contains(name)) {
                pending.change.apply(&mut names);
            } else {
                stuck.extend(touched);
            }
        }
        names
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        match self {
            Self::Put { name, node } => {
                names.insert(name.clone(), *node);
            }
            Self::Drop { name } => {
                names.remove(name);
            }
            Self::Move { from, to } => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::Put { name, .. } | Self::Drop { name } => vec![name],
            Self::Move { from, to } => vec![from, to],
        }
    }
}
