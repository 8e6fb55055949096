//! How arrivals look in their file: frames of one or more, each with a check sum, at multiples of
//! [`SECTOR`].
//!
//! A frame counts as a whole or not at all: it was synced before any of its arrivals was acknowledged.
//! Space is used again, so between frames there may be the remains of older ones; a reader looks for a
//! frame at each multiple of [`SECTOR`].

/// Frames begin at multiples of this, so that writing one never touches a sector of another.
pub(super) const SECTOR: usize = 512;

/// Marks the beginning of a frame; the last character is the format.
const MAGIC: &[u8; 8] = b"FanfArr1";

/// Magic, check sum, length of what follows the header, number of arrivals, first position, position
/// acknowledged before.
const HEADER: usize = 8 + 4 + 4 + 4 + 8 + 8;

/// Bytes of an arrival besides its body.
const FIXED: usize = 8 + 8 + 32 + 4;

/// An accepted event on its way into the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) struct Arrival {
    pub(in crate::store::sqlite) position: i64,
    /// Microseconds since 1970.
    pub(in crate::store::sqlite) received_at: i64,
    /// Microseconds since 1970.
    pub(in crate::store::sqlite) interval_start: i64,
    pub(in crate::store::sqlite) key: [u8; 32],
    /// The event as JSON.
    pub(in crate::store::sqlite) body: Vec<u8>,
}

impl Arrival {
    /// What it takes in a frame.
    pub(super) fn encoded_len(&self) -> usize {
        FIXED + self.body.len()
    }
}

/// A frame that was found in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Where it begins.
    pub(super) offset: u64,
    /// What it takes, up to the next multiple of [`SECTOR`].
    pub(super) length: u64,
    /// The last position that was acknowledged before it was written.
    pub(super) previous: i64,
    /// In order of position, at least one.
    pub(super) arrivals: Vec<Arrival>,
}

impl Frame {
    pub(super) fn first(&self) -> i64 {
        self.arrivals.first().map_or(0, |arrival| arrival.position)
    }

    pub(super) fn last(&self) -> i64 {
        self.arrivals.last().map_or(0, |arrival| arrival.position)
    }
}

/// Writes arrivals with consecutive positions as one frame, filled up to a multiple of [`SECTOR`].
pub(super) fn encode<'a>(
    buffer: &mut Vec<u8>,
    arrivals: impl Iterator<Item = &'a Arrival>,
    previous: i64,
) {
    buffer.clear();
    buffer.resize(HEADER, 0);
    let (mut count, mut first) = (0_u32, None);
    for arrival in arrivals {
        count += 1;
        first.get_or_insert(arrival.position);
        buffer.extend_from_slice(&arrival.received_at.to_le_bytes());
        buffer.extend_from_slice(&arrival.interval_start.to_le_bytes());
        buffer.extend_from_slice(&arrival.key);
        // A body is far below 4 GiB: requests are limited.
        let length = u32::try_from(arrival.body.len()).unwrap_or(u32::MAX);
        buffer.extend_from_slice(&length.to_le_bytes());
        buffer.extend_from_slice(&arrival.body);
    }
    let payload = u32::try_from(buffer.len() - HEADER).unwrap_or(u32::MAX);
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&[0; 4]);
    header.extend_from_slice(&payload.to_le_bytes());
    header.extend_from_slice(&count.to_le_bytes());
    header.extend_from_slice(&first.unwrap_or_default().to_le_bytes());
    header.extend_from_slice(&previous.to_le_bytes());
    if let Some(place) = buffer.get_mut(..HEADER) {
        place.copy_from_slice(&header);
    }
    let sum = check_sum(buffer);
    if let Some(place) = buffer.get_mut(8..12) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
    buffer.resize(buffer.len().next_multiple_of(SECTOR), 0);
}

/// Of everything behind the check sum itself.
fn check_sum(frame: &[u8]) -> u32 {
    crc32fast::hash(frame.get(12..).unwrap_or_default())
}

/// Finds the frames of a file, in order of position, that hold anything behind `filed`.
pub(super) fn scan(file: &[u8], filed: i64) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut offset = 0;
    while let Some(rest) = file.get(offset..).filter(|rest| rest.len() >= HEADER) {
        let Some((frame, length)) = decode(rest, offset) else {
            offset += SECTOR;
            continue;
        };
        offset += length;
        if frame.last() > filed {
            frames.push(frame);
        }
    }
    frames.sort_by_key(Frame::first);
    frames
}

/// The frame at the beginning of some bytes, and its length.
fn decode(bytes: &[u8], offset: usize) -> Option<(Frame, usize)> {
    let mut reader = Reader(bytes);
    (reader.take(8)? == MAGIC).then_some(())?;
    let sum = u32::from_le_bytes(reader.array()?);
    let payload = usize::try_from(u32::from_le_bytes(reader.array()?)).ok()?;
    let count = u32::from_le_bytes(reader.array()?);
    let first = i64::from_le_bytes(reader.array()?);
    let previous = i64::from_le_bytes(reader.array()?);
    let whole = bytes.get(..HEADER.checked_add(payload)?)?;
    (check_sum(whole) == sum && count > 0).then_some(())?;
    let mut reader = Reader(whole.get(HEADER..)?);
    let arrivals = (0..i64::from(count))
        .map(|index| {
            Some(Arrival {
                position: first.checked_add(index)?,
                received_at: i64::from_le_bytes(reader.array()?),
                interval_start: i64::from_le_bytes(reader.array()?),
                key: reader.array()?,
                body: {
                    let length = u32::from_le_bytes(reader.array()?);
                    reader.take(usize::try_from(length).ok()?)?.to_vec()
                },
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let length = whole.len().next_multiple_of(SECTOR);
    let frame = Frame {
        offset: u64::try_from(offset).ok()?,
        length: u64::try_from(length).ok()?,
        previous,
        arrivals,
    };
    Some((frame, length))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(position: i64, length: usize) -> Arrival {
        Arrival {
            position,
            received_at: position * 10,
            interval_start: position * 10 - 1,
            key: [u8::try_from(position % 251).unwrap(); 32],
            body: vec![b'x'; length],
        }
    }

    fn frame(arrivals: &[Arrival], previous: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, arrivals.iter(), previous);
        assert!(bytes.len().is_multiple_of(SECTOR));
        bytes
    }

    #[test]
    fn what_was_written_is_found_again() {
        let (one, two) = (arrival(7, 3), arrival(8, 2000));
        let mut file = frame(&[one.clone(), two.clone()], 6);
        let second = file.len();
        file.extend(frame(&[arrival(9, 0)], 8));
        let found = scan(&file, 0);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].arrivals, [one, two]);
        assert_eq!((found[0].first(), found[0].last()), (7, 8));
        assert_eq!((found[1].offset, found[1].previous), (second as u64, 8));
        assert_eq!(scan(&file, 8).len(), 1);
        assert!(scan(&file, 9).is_empty());
    }

    #[test]
    fn frames_behind_the_remains_of_older_ones_are_found_and_put_in_order() {
        let old = frame(&[arrival(1, 3000)], 0);
        let older_lap = frame(&[arrival(2, 10)], 1);
        let newer = frame(&[arrival(3, 10)], 2);
        let mut file = old;
        file.extend(older_lap);
        // The newer lap overwrites the head of the first frame only.
        file[..newer.len()].copy_from_slice(&newer);
        let positions: Vec<i64> = scan(&file, 1).iter().map(Frame::first).collect();
        assert_eq!(positions, [2, 3]);
    }

    #[test]
    fn a_frame_that_is_torn_anywhere_does_not_count() {
        let whole = frame(&[arrival(1, 1500), arrival(2, 1)], 0);
        for sector in 0..whole.len() / SECTOR {
            let mut torn = whole.clone();
            torn[sector * SECTOR..(sector + 1) * SECTOR].fill(0x5a);
            // The filling behind the last arrival is nobody's.
            assert!(scan(&torn, 0).is_empty(), "sector {sector}");
        }
        for length in 0..whole.len() - SECTOR {
            assert!(scan(&whole[..length], 0).is_empty(), "{length} bytes");
        }
    }

    #[test]
    fn lengths_and_counts_that_lie_are_refused() {
        let whole = frame(&[arrival(1, 100)], 0);
        for at in 12..HEADER {
            let mut lying = whole.clone();
            lying[at] ^= 0xff;
            assert!(scan(&lying, i64::MIN).is_empty(), "byte {at}");
        }
    }
}
