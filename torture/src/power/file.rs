//! One file: what is on the disk for certain, and what may be on it.
//!
//! Sectors are independent: after a power cut each shows some moment since the last sync. The length
//! is a thing of its own, too, but what a change of length does to the content behind it goes with
//! it: a file that was cut off and written anew never shows the new content in the old length.
//!
//! After a failed sync the kernel takes the pages for clean; a later sync does not write them, unless
//! they are written to again. Until then they may or may not be on the disk.

use bytes::Bytes;

use super::fate::{Fate, Survival};

/// What the kernel writes back as a whole.
const PAGE: u64 = 4096;

/// A file, whatever its names.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    durable: Vec<u8>,
    pending: Vec<Pending>,
    /// It may have been changed through memory, which nobody saw.
    pub(crate) is_mapped: bool,
}

#[derive(Clone, Debug)]
struct Pending {
    /// When: the number of the change.
    at: u64,
    /// A sync of it failed.
    is_adrift: bool,
    effect: Effect,
}

/// What a change does to the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Write { offset: u64, data: Bytes },
    Zero { offset: u64, length: u64 },
    Resize { length: u64 },
    Allocate { end: u64 },
}

impl File {
    /// A file whose content is on the disk.
    pub(crate) fn synced(content: Vec<u8>) -> Self {
        Self {
            durable: content,
            ..Self::default()
        }
    }

    /// Something happens to it.
    pub(crate) fn change(&mut self, at: u64, effect: Effect) {
        if let Some((from, to)) = effect.range() {
            // The page is dirty again, with all that is on it.
            let pages = from / PAGE..to.div_ceil(PAGE);
            for pending in self.pending.iter_mut().filter(|pending| pending.is_adrift) {
                if let Some((from, _)) = pending.effect.range() {
                    pending.is_adrift &= !pages.contains(&(from / PAGE));
                }
            }
        }
        self.pending.push(Pending {
            at,
            is_adrift: false,
            effect,
        });
    }

    /// What happened before `begun` is on the disk.
    pub(crate) fn sync(&mut self, begun: u64) {
        let pending = std::mem::take(&mut self.pending);
        for change in pending {
            if change.at >= begun {
                self.pending.push(change);
            } else if change.is_adrift {
                // The length is written, the page is not.
                if let Some((_, to)) = change.effect.range() {
                    extend(&mut self.durable, to);
                }
                self.pending.push(change);
            } else {
                if let Effect::Resize { length } = change.effect {
                    let is_inside = |other: &Pending| {
                        !other.is_adrift
                            || other.effect.range().is_none_or(|(from, _)| from < length)
                    };
                    self.pending.retain(is_inside);
                }
                change.effect.apply(&mut self.durable);
            }
        }
    }

    /// A sync of what happened before `begun` failed.
    pub(crate) fn fail_sync(&mut self, begun: u64) {
        let pending = std::mem::take(&mut self.pending);
        let later: Vec<(u64, u64)> = pending
            .iter()
            .filter(|change| change.at >= begun)
            .filter_map(|change| change.effect.range())
            .collect();
        for change in pending {
            if change.at >= begun || change.is_adrift || change.effect.range().is_none() {
                self.pending.push(change);
                continue;
            }
            for piece in change.effect.by_pages() {
                let page = piece.range().map_or(0, |(from, _)| from / PAGE);
                let is_dirty = later
                    .iter()
                    .any(|(from, to)| (from / PAGE..to.div_ceil(PAGE)).contains(&page));
                self.pending.push(Pending {
                    at: change.at,
                    is_adrift: !is_dirty,
                    effect: piece,
                });
            }
        }
    }

    /// What programs read from it now.
    pub(crate) fn current(&self) -> Vec<u8> {
        let mut content = self.durable.clone();
        for pending in &self.pending {
            pending.effect.apply(&mut content);
        }
        content
    }

    /// The number of the oldest change that is not on the disk for certain.
    pub(crate) fn oldest_pending(&self) -> Option<u64> {
        self.pending.first().map(|pending| pending.at)
    }

    /// What is on the disk after a power cut. `key` tells files apart, `moment` is the end of what
    /// survives on an ordered disk.
    pub(crate) fn after_cut(&self, fate: &Fate, key: u64, moment: u64) -> Vec<u8> {
        let all = self.pending.len();
        let survivors = |sector: u64| match fate.contents {
            Survival::None => 0,
            Survival::All => all,
            Survival::Ordered => self.pending.partition_point(|change| change.at < moment),
            Survival::Scattered(percent) => {
                let what = [key, sector];
                if fate.chance(percent, &what) {
                    all
                } else {
                    let any = fate.roll(&[key, sector, 1]);
                    usize::try_from(any % (all as u64 + 1)).unwrap_or(0)
                }
            }
        };
        let for_length = survivors(u64::MAX);
        let resizes: Vec<(usize, u64)> = self
            .pending
            .iter()
            .enumerate()
            .filter_map(|(index, change)| match change.effect {
                Effect::Resize { length } => Some((index, length)),
                _ => None,
            })
            .collect();
        let sector_survivors = |sector: u64| {
            let end = (sector + 1) * fate.sector;
            resizes.iter().filter(|(_, length)| *length < end).fold(
                survivors(sector),
                |count, (index, _)| {
                    if *index < for_length {
                        count.max(index + 1)
                    } else {
                        count.min(*index)
                    }
                },
            )
        };
        let mut content = self.durable.clone();
        for (index, change) in self.pending.iter().enumerate() {
            let is_lost = change.is_adrift && fate.chance(50, &[key, change.at, 2]);
            if let Effect::Resize { length } = change.effect {
                if index < for_length {
                    blank(&mut content, length, u64::MAX);
                }
            } else if !is_lost {
                for piece in change.effect.by_sectors(fate.sector) {
                    let sector = piece.range().map_or(0, |(from, _)| from / fate.sector);
                    if index < sector_survivors(sector) {
                        piece.apply(&mut content);
                    }
                }
            }
        }
        let length = self
            .pending
            .iter()
            .take(for_length)
            .fold(self.durable.len() as u64, |length, change| {
                change.effect.length_after(length)
            });
        content.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        content
    }
}

impl Effect {
    /// The bytes that it sets, if it sets some.
    fn range(&self) -> Option<(u64, u64)> {
        match self {
            Self::Write { offset, data } => Some((*offset, offset + data.len() as u64)),
            Self::Zero { offset, length } => Some((*offset, offset + length)),
            Self::Resize { .. } | Self::Allocate { .. } => None,
        }
    }

    fn length_after(&self, length: u64) -> u64 {
        match self {
            Self::Write { .. } | Self::Zero { .. } => {
                length.max(self.range().map_or(0, |(_, to)| to))
            }
            Self::Resize { length } => *length,
            Self::Allocate { end } => length.max(*end),
        }
    }

    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => {
                extend(content, offset + data.len() as u64);
                let at = usize::try_from(*offset).unwrap_or(usize::MAX);
                if let Some(target) = content.get_mut(at..at + data.len()) {
                    target.copy_from_slice(data);
                }
            }
            Self::Zero { offset, length } => {
                extend(content, offset + length);
                blank(content, *offset, offset + length);
            }
            Self::Resize { length } => {
                content.resize(usize::try_from(*length).unwrap_or(usize::MAX), 0);
            }
            Self::Allocate { end } => extend(content, *end),
        }
    }

    fn by_pages(&self) -> Vec<Self> {
        self.by_sectors(PAGE)
    }

    /// Cut at multiples of `size`.
    fn by_sectors(&self, size: u64) -> Vec<Self> {
        let Some((from, to)) = self.range() else {
            return vec![self.clone()];
        };
        let mut pieces = Vec::new();
        let mut at = from;
        while at < to {
            let end = to.min((at / size + 1) * size);
            pieces.push(match self {
                Self::Write { data, .. } => Self::Write {
                    offset: at,
                    data: data.slice(as_range(at - from, end - from)),
                },
                _ => Self::Zero {
                    offset: at,
                    length: end - at,
                },
            });
            at = end;
        }
        pieces
    }
}

fn as_range(from: u64, to: u64) -> std::ops::Range<usize> {
    let index = |number| usize::try_from(number).unwrap_or(usize::MAX);
    index(from)..index(to)
}

fn extend(content: &mut Vec<u8>, end: u64) {
    let end = usize::try_from(end).unwrap_or(usize::MAX);
    if content.len() < end {
        content.resize(end, 0);
    }
}

fn blank(content: &mut [u8], from: u64, to: u64) {
    let to = to.min(content.len() as u64);
    if let Some(range) = content.get_mut(as_range(from.min(to), to)) {
        range.fill(0);
    }
}
