//! The file of arrivals as a start may find it after a crash or on a bad disk, opened by a real store.

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use api::{Event, ObjectReference};
use delivery::store::{JournalEntry, NewEvent};
use domain::{CleanEvent, Position};
use futures::executor::block_on;
use jiff::Timestamp;
use tempfile::TempDir;

use super::{Target, stores};
use crate::features::feature;

pub(super) const TARGET: Target = Target {
    name: "arrivals",
    seeds: || vec![WRITTEN.clone()],
    words: &[
        MAGIC,
        "\0\0\0\0",
        "\0\0\0\0\0\0\0\0",
        "\x01\0\0\0",
        "\x02\0\0\0\0\0\0\0",
        "\x7f\x7f\x7f\x7f",
        "{\"involvedObject\":",
        "}",
    ],
    run,
};

const FILE: &str = "arrivals.log";

/// What a frame begins with, and where its parts are: a check sum of all behind it, then the length of
/// what follows the header, the number of arrivals and the first position.
const MAGIC: &str = "FanfArr1";
const SUM: usize = 8;
const LENGTH: usize = 12;
const FIRST: usize = 20;
const HEADER: usize = 36;

/// Frames begin at multiples of this.
const SECTOR: usize = 512;

/// Entries that are looked at.
const MOST: usize = 1000;

/// An empty store that was closed.
static EMPTY: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = stores::directory();
    let store = stores::open(directory.path()).expect("a new store can be opened");
    block_on(store.close());
    directory
});

/// The file as a store leaves it that is killed.
static WRITTEN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let directory = stores::directory();
    let store = stores::open(directory.path()).expect("a new store can be opened");
    for message in ["first", "second"] {
        stores::append(&*store, event(message)).expect("an empty store has room");
    }
    let mut bytes = fs::read(directory.path().join(FILE)).expect("it was written");
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    bytes.truncate((end + 1).next_multiple_of(SECTOR));
    bytes
});

fn event(message: &str) -> NewEvent {
    let event = Event {
        involved_object: ObjectReference {
            kind: "Kustomization".to_owned(),
            namespace: "apps".to_owned(),
            name: "shop".to_owned(),
            ..ObjectReference::default()
        },
        message: message.to_owned(),
        ..Event::default()
    };
    let (event, key) = CleanEvent::from_wire(event).expect("an event");
    NewEvent {
        event: Arc::new(event),
        key,
        interval_start: Timestamp::UNIX_EPOCH,
        received_at: Timestamp::UNIX_EPOCH,
    }
}

/// Makes check sums right, so that what stands behind them is read, and keeps positions below what a
/// process could come to count.
fn mended(input: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for start in (0..bytes.len()).step_by(SECTOR) {
        let frame = bytes.get_mut(start..).unwrap_or_default();
        if !frame.starts_with(MAGIC.as_bytes()) {
            continue;
        }
        if let Some(place) = frame.get_mut(FIRST + 4..FIRST + 8) {
            place.fill(0);
        }
        let Some(Ok(length)) = frame.get(LENGTH..LENGTH + 4).map(<[u8; 4]>::try_from) else {
            continue;
        };
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let Some(summed) = frame.get(LENGTH..HEADER.saturating_add(length)) else {
            continue;
        };
        let sum = crc32fast::hash(summed).to_le_bytes();
        if let Some(place) = frame.get_mut(SUM..LENGTH) {
            place.copy_from_slice(&sum);
        }
    }
    bytes
}

/// A start takes what is whole, in order, whether or not the next start comes before it was
/// all moved to the database; and then takes new events.
fn run(input: &[u8]) -> Result<(), String> {
    let directory = stores::directory();
    for file in fs::read_dir(EMPTY.path()).into_iter().flatten().flatten() {
        let copied = fs::copy(file.path(), directory.path().join(file.file_name()));
        copied.map_err(|error| error.to_string())?;
    }
    fs::write(directory.path().join(FILE), mended(input)).map_err(|error| error.to_string())?;
    let mut first = entries(directory.path(), false)?;
    let mut last = Position(0);
    for (position, is_readable) in &first {
        if *position < last {
            return Err(format!("{position:?} comes behind {last:?}"));
        }
        last = *position;
        feature(if *is_readable {
            "an event"
        } else {
            "something unreadable"
        });
    }
    feature(match first.len() {
        0 => "nothing",
        1 => "one",
        _ => "several",
    });
    let again = entries(directory.path(), true)?;
    // No store gives a position twice; where it stands twice all the same, one of them is taken over.
    first.dedup_by_key(|(position, _)| *position);
    let positions = |entries: &[(Position, bool)]| -> Vec<Position> {
        entries.iter().map(|(position, _)| *position).collect()
    };
    let (before, after) = (positions(&first), positions(&again));
    if before != after {
        return Err(format!("{before:?} became {after:?}"));
    }
    Ok(())
}

/// What a store on this directory has accepted, and whether it can be read.
fn entries(directory: &Path, accept: bool) -> Result<Vec<(Position, bool)>, String> {
    let store = stores::open(directory).map_err(|error| format!("{error:?}"))?;
    let read = |after| block_on(store.read_after(after, MOST)).map_err(|error| error.to_string());
    let entries: Vec<JournalEntry> = read(Position(0))?;
    let entries = entries
        .iter()
        .map(|entry| (entry.position, entry.event.is_some()));
    let entries: Vec<(Position, bool)> = entries.collect();
    if accept && entries.len() < MOST {
        let last = entries
            .last()
            .map_or(Position(0), |(position, _)| *position);
        let position = stores::append(&*store, event("another"));
        let position = position.map_err(|error| format!("accepting: {error}"))?;
        let behind: Vec<Position> = read(last)?.iter().map(|entry| entry.position).collect();
        if position <= last || behind != [position] {
            return Err(format!(
                "a new event is {position:?}; behind {last:?} are {behind:?}"
            ));
        }
    }
    block_on(store.close());
    Ok(entries)
}
