//! What an event says about itself, findable in whatever a target makes of it.

const LANE: &[u8] = b"lane-";
const EVENT: &[u8] = b"-event-";
const LANE_DIGITS: usize = 3;
const NUMBER_DIGITS: usize = 9;
const LENGTH: usize = LANE.len() + LANE_DIGITS + EVENT.len() + NUMBER_DIGITS;

/// Which event of which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stamp {
    /// The object; events of one object are in order at each destination.
    pub(crate) lane: u32,
    /// The event, counted from 0 in each lane.
    pub(crate) number: u64,
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "lane-{:03}-event-{:09}", self.lane, self.number)
    }
}

impl Stamp {
    /// All different stamps in a body, in order of appearance.
    pub(crate) fn find_all(body: &[u8]) -> Vec<Self> {
        let mut found = Vec::new();
        for window in body.windows(LENGTH) {
            if let Some(stamp) = Self::read(window)
                && !found.contains(&stamp)
            {
                found.push(stamp);
            }
        }
        found
    }

    fn read(text: &[u8]) -> Option<Self> {
        let rest = text.strip_prefix(LANE)?;
        let (lane, rest) = rest.split_at_checked(LANE_DIGITS)?;
        let number = rest.strip_prefix(EVENT)?.get(..NUMBER_DIGITS)?;
        Some(Self {
            lane: digits(lane)?.try_into().ok()?,
            number: digits(number)?,
        })
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        Some(number * 10 + u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_found_again_each_once() {
        let one = Stamp {
            lane: 7,
            number: 42,
        };
        let other = Stamp {
            lane: 0,
            number: 999_999_999,
        };
        let body = format!("{{\"a\":\"{one}\",\"b\":\"{other} and {one}\"}}");
        assert_eq!(Stamp::find_all(body.as_bytes()), [one, other]);
        assert_eq!(Stamp::find_all(b"lane-0x1-event-000000001 lane-"), []);
    }
}
