//! RFC 3339 as Go's parser takes it, which is a little more and a little less than the standard.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Serialize, Serializer};

/// Parses what Go's `time.Parse(time.RFC3339, …)` accepts: one-digit hours, comma fractions and
/// offsets of 24 hours pass; lower-case `t` and `z`, leap seconds and missing seconds do not.
/// Fractions of a second are dropped, as they are when the event is sent on.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let mut input = Input(text.as_bytes());
    let year = input.digits(4, 4)?;
    input.literal(b'-')?;
    let month = input.digits(2, 2)?;
    input.literal(b'-')?;
    let day = input.digits(2, 2)?;
    input.literal(b'T')?;
    let hour = input.digits(1, 2)?;
    input.literal(b':')?;
    let minute = input.digits(2, 2)?;
    input.literal(b':')?;
    let second = input.digits(2, 2)?;
    if input
        .literal(b'.')
        .or_else(|| input.literal(b','))
        .is_some()
    {
        input.digits(1, 32)?;
    }
    let offset_minutes = if input.literal(b'Z').is_some() {
        0
    } else {
        let sign = match (input.literal(b'+'), input.literal(b'-')) {
            (Some(()), _) => 1,
            (None, Some(())) => -1,
            (None, None) => return None,
        };
        let hours = input.digits(2, 2)?;
        input.literal(b':')?;
        let minutes = input.digits(2, 2)?;
        if hours > 24 || minutes > 60 {
            return None;
        }
        sign * (hours * 60 + minutes)
    };
    if !input.0.is_empty() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let date = Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let seconds = hour * 3600 + minute * 60 + second - offset_minutes * 60;
    Timestamp::from_second(midnight.as_second() + seconds).ok()
}

/// Serialises as UTC with whole seconds, `null` for none.
#[expect(clippy::ref_option, reason = "the signature serde asks for")]
pub(super) fn serialize<S: Serializer>(
    timestamp: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match timestamp {
        Some(timestamp) => {
            let text = timestamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            text.serialize(serializer)
        }
        None => serializer.serialize_none(),
    }
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn literal(&mut self, expected: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        if *first != expected {
            return None;
        }
        self.0 = rest;
        Some(())
    }

    /// Reads as many digits as there are, between `least` and `most`; the value of long runs is
    /// meaningless and unused.
    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let mut count = 0;
        let mut value: i64 = 0;
        while let Some((digit, rest)) = self.0.split_first() {
            if count == most || !digit.is_ascii_digit() {
                break;
            }
            value = value
                .wrapping_mul(10)
                .wrapping_add(i64::from(*digit - b'0'));
            self.0 = rest;
            count += 1;
        }
        (count >= least).then_some(value)
    }
}
