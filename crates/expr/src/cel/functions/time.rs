//! Timestamps and durations.
//!
//! A timestamp is in the years 1 to 9999. A duration fits 64 bits of nanoseconds.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Result, zones};
use crate::cel::error::EvaluationError;
use crate::cel::signatures::Function;
use crate::cel::value::Value;

const SECOND: i128 = 1_000_000_000;
/// 0001-01-01T00:00:00Z.
const FIRST: i128 = -62_135_596_800 * SECOND;
/// The end of 9999-12-31T23:59:59Z, not included.
const END: i128 = 253_402_300_800 * SECOND;

/// Calls a function of this family, if it is one.
pub(super) fn call<'v>(function: Function, arguments: &[Value<'v>]) -> Option<Result<Value<'v>>> {
    match arguments {
        [Value::Timestamp(at)] => part_of_time(function, *at, "UTC"),
        [Value::Timestamp(at), Value::String(zone)] => part_of_time(function, *at, zone.as_str()),
        [Value::Duration(length)] => {
            let part = match function {
                Function::GetHours => length / 3_600_000_000_000,
                Function::GetMinutes => length / 60_000_000_000,
                Function::GetSeconds => length / 1_000_000_000,
                Function::GetMilliseconds => length / 1_000_000,
                _ => return None,
            };
            Some(Ok(Value::Int(part)))
        }
        _ => None,
    }
}

/// Makes a timestamp if it is within the range.
pub(super) fn timestamp<'v>(nanoseconds: i128) -> Result<Value<'v>> {
    if (FIRST..END).contains(&nanoseconds) {
        Ok(Value::Timestamp(nanoseconds))
    } else {
        Err(EvaluationError::Overflow("timestamp"))
    }
}

/// Makes a duration if it is within the range.
pub(super) fn duration<'v>(nanoseconds: i128) -> Result<Value<'v>> {
    match i64::try_from(nanoseconds) {
        Ok(nanoseconds) => Ok(Value::Duration(nanoseconds)),
        Err(_) => Err(EvaluationError::Overflow("duration")),
    }
}

/// Adds, if these are times.
pub(super) fn add<'v>(left: &Value<'v>, right: &Value<'v>) -> Option<Result<Value<'v>>> {
    match (left, right) {
        (Value::Duration(left), Value::Duration(right)) => {
            Some(duration(i128::from(*left) + i128::from(*right)))
        }
        (Value::Timestamp(at), Value::Duration(length))
        | (Value::Duration(length), Value::Timestamp(at)) => {
            Some(timestamp(at + i128::from(*length)))
        }
        _ => None,
    }
}

/// Subtracts, if these are times.
pub(super) fn subtract<'v>(left: &Value<'v>, right: &Value<'v>) -> Option<Result<Value<'v>>> {
    match (left, right) {
        (Value::Duration(left), Value::Duration(right)) => {
            Some(duration(i128::from(*left) - i128::from(*right)))
        }
        (Value::Timestamp(at), Value::Duration(length)) => {
            Some(timestamp(at - i128::from(*length)))
        }
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(duration(left - right)),
        _ => None,
    }
}

/// Writes a timestamp as RFC 3339, with as many digits as it needs.
pub(in crate::cel) fn timestamp_text(nanoseconds: i128) -> String {
    civil(nanoseconds).map_or_else(String::new, |at| format!("{at}Z"))
}

/// Returns date and time in UTC.
///
/// Unlike [`Timestamp`] this reaches to the end of the year 9999.
fn civil(nanoseconds: i128) -> Option<DateTime> {
    let since_epoch = SignedDuration::try_from_nanos_i128(nanoseconds)?;
    DateTime::constant(1970, 1, 1, 0, 0, 0, 0)
        .checked_add(since_epoch)
        .ok()
}

/// Writes a duration as seconds, with as many digits as a double has.
pub(in crate::cel) fn duration_text(nanoseconds: i64) -> String {
    let whole = nanoseconds / 1_000_000_000;
    let fraction = nanoseconds % 1_000_000_000;
    #[expect(clippy::cast_precision_loss, reason = "as the reference does")]
    let seconds = whole as f64 + fraction as f64 / 1e9;
    format!("{seconds}s")
}

/// Reads RFC 3339.
pub(super) fn parse_timestamp(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators
        .iter()
        .any(|(place, separator)| bytes.get(*place) != Some(separator))
    {
        return None;
    }
    let zone = text
        .get(19..)?
        .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let fraction = text.get(19..)?.strip_suffix(zone)?;
    let fraction_is_well_formed = fraction.is_empty()
        || fraction.strip_prefix('.').is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
    // A leap second does not exist for Go.
    if !fraction_is_well_formed || text.get(17..19)? == "60" {
        return None;
    }
    // More digits than there are nanoseconds are cut off.
    let fraction = fraction.get(..10).unwrap_or(fraction);
    let at: DateTime = format!("{}{fraction}", text.get(..19)?).parse().ok()?;
    let since_epoch = at
        .duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0))
        .as_nanos();
    let at = since_epoch - i128::from(offset(zone)?) * SECOND;
    (FIRST..END).contains(&at).then_some(at)
}

/// Returns the seconds that `Z`, `+01:00` or the like is ahead of UTC.
fn offset(zone: &str) -> Option<i32> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Reads a duration such as `1h30m` or `-1.5s`.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let after_whole = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let whole = rest.strip_suffix(after_whole)?;
        let (fraction, after) = match after_whole.strip_prefix('.') {
            Some(after_point) => {
                let after = after_point.trim_start_matches(|c: char| c.is_ascii_digit());
                (after_point.strip_suffix(after)?, after)
            }
            None => ("", after_whole),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let after_unit = after.trim_start_matches(|c: char| c != '.' && !c.is_ascii_digit());
        let unit: u64 = match after.strip_suffix(after_unit)? {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        let part = whole
            .checked_mul(unit)?
            .checked_add(fraction_of(fraction, unit))?;
        total = total.checked_add(part).filter(|total| *total <= 1 << 63)?;
        rest = after_unit;
    }
    let total = i128::from(total);
    i64::try_from(if negative { -total } else { total }).ok()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as the reference does; the result is below the unit"
)]
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0_f64);
    for digit in digits.bytes() {
        match value.checked_mul(10).filter(|value| *value < 1 << 63) {
            Some(shifted) => value = shifted.saturating_add(u64::from(digit.wrapping_sub(b'0'))),
            None => break,
        }
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

fn part_of_time<'v>(function: Function, at: i128, zone: &str) -> Option<Result<Value<'v>>> {
    use Function as F;
    let is_part = matches!(
        function,
        F::GetFullYear
            | F::GetMonth
            | F::GetDate
            | F::GetDayOfMonth
            | F::GetDayOfWeek
            | F::GetDayOfYear
            | F::GetHours
            | F::GetMinutes
            | F::GetSeconds
            | F::GetMilliseconds
    );
    if !is_part {
        return None;
    }
    let zone = match zones::find(zone) {
        Ok(zone) => zone,
        Err(error) => return Some(Err(error)),
    };
    let local = if zone == TimeZone::UTC {
        civil(at)
    } else {
        Timestamp::from_nanosecond(at)
            .ok()
            .map(|at| at.to_zoned(zone).datetime())
    };
    let Some(at) = local else {
        return Some(Err(EvaluationError::Overflow("timestamp")));
    };
    let part = match function {
        F::GetFullYear => i64::from(at.year()),
        F::GetMonth => i64::from(at.month()) - 1,
        F::GetDate => i64::from(at.day()),
        F::GetDayOfMonth => i64::from(at.day()) - 1,
        F::GetDayOfWeek => i64::from(Weekday::to_sunday_zero_offset(at.weekday())),
        F::GetDayOfYear => i64::from(at.day_of_year()) - 1,
        F::GetHours => i64::from(at.hour()),
        F::GetMinutes => i64::from(at.minute()),
        F::GetSeconds => i64::from(at.second()),
        F::GetMilliseconds => i64::from(at.millisecond()),
        _ => return None,
    };
    Some(Ok(Value::Int(part)))
}
