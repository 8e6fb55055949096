//! Go-style durations as the Kubernetes objects and flags spell them: `1h5m0.5s`.

use std::time::Duration;

use thiserror::Error;

/// Why a text is no duration.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DurationError {
    /// Not of the form number-unit, repeated.
    #[error("expected a duration such as `30s` or `1m30s`, got `{0}`")]
    Malformed(String),
    /// More than Go's 64-bit nanoseconds hold (about 292 years).
    #[error("the duration `{0}` is too long")]
    TooLong(String),
}

/// Parses a non-negative Go duration: a sum of decimal numbers with unit (`ns`, `us`, `µs`, `ms`,
/// `s`, `m`, `h`), or a bare `0`.
///
/// Source: Go's `time.ParseDuration`; negative durations are no use to us and are refused.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let malformed = || DurationError::Malformed(text.chars().take(64).collect());
    let too_long = || DurationError::TooLong(text.chars().take(64).collect());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(malformed());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(malformed());
        }
        let (unit, after) = split_unit(after).ok_or_else(malformed)?;
        rest = after;
        // 39 digits overflow a u128; anything near that is too long anyway.
        let whole: u128 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| too_long())?
        };
        total = whole
            .checked_mul(unit)
            .and_then(|nanos| total.checked_add(nanos))
            .ok_or_else(too_long)?;
        let mut scale = unit;
        for digit in fraction.bytes() {
            scale /= 10;
            total = total
                .checked_add(u128::from(digit - b'0') * scale)
                .ok_or_else(too_long)?;
        }
    }
    // Go holds durations in an i64 of nanoseconds.
    match u64::try_from(total) {
        Ok(nanos) if i64::try_from(nanos).is_ok() => Ok(Duration::from_nanos(nanos)),
        _ => Err(too_long()),
    }
}

/// Prints a duration in Go's notation, whole milliseconds.
pub fn format(duration: Duration) -> String {
    let millis = duration.as_millis();
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let (seconds, millis) = (millis / 1_000 % 60, millis % 1_000);
    let fraction = if millis == 0 {
        String::new()
    } else {
        format!(".{millis:03}").trim_end_matches('0').to_owned()
    };
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, minutes) => format!("{minutes}m{seconds}{fraction}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn split_unit(text: &str) -> Option<(u128, &str)> {
    const UNITS: [(&str, u128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    UNITS
        .iter()
        .find_map(|(name, nanos)| text.strip_prefix(name).map(|rest| (*nanos, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_parse() {
        assert_eq!(parse("1h5m0.5s"), Ok(Duration::from_millis(3_900_500)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        assert_eq!(parse("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse(".5s"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn what_no_type_holds_is_an_error_not_a_panic() {
        assert!(matches!(
            parse("9999999999m"),
            Err(DurationError::TooLong(_))
        ));
        assert!(matches!(
            parse(&format!("{}h", "9".repeat(60))),
            Err(DurationError::TooLong(_))
        ));
        for text in ["", "1", "s", "1x", "-1s", "1s ", "1..5s"] {
            assert!(
                matches!(parse(text), Err(DurationError::Malformed(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        assert_eq!(format(Duration::from_mins(5)), "5m0s");
        assert_eq!(format(Duration::from_millis(1500)), "1.5s");
        assert_eq!(format(Duration::from_hours(24)), "24h0m0s");
    }
}
