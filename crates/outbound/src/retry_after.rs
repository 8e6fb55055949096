//! How long a service asks us to wait.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// What stands for waits too long to count. Callers cap what they honour anyway.
const VERY_LONG: Duration = Duration::from_hours(366 * 24);

/// The wait in a `Retry-After` header: whole or fractional seconds, or a date in any of HTTP's three
/// forms, of which one that has passed is no wait. `None` without the header and when it is neither.
/// The result is at most about a year; callers cap what they honour.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if value.starts_with(|first: char| first.is_ascii_digit()) {
        seconds(value)?
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        date.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(VERY_LONG))
}

fn seconds(value: &str) -> Option<Duration> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let Ok(whole) = whole.parse::<u64>() else {
        return Some(VERY_LONG);
    };
    // Rounded up to the millisecond, so that nobody comes back too early.
    let milliseconds = fraction
        .bytes()
        .take(3)
        .zip([100_u64, 10, 1])
        .map(|(digit, weight)| u64::from(digit - b'0') * weight)
        .sum::<u64>()
        + u64::from(fraction.bytes().skip(3).any(|digit| digit != b'0'));
    Some(Duration::from_secs(whole).saturating_add(Duration::from_millis(milliseconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06T08:49:00Z, shortly before the date that RFC 9110 uses as its example.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_mins(13_068_529)
    }

    fn wait(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        retry_after(&headers, now())
    }

    #[test]
    fn seconds_are_read() {
        assert_eq!(wait("0"), Some(Duration::ZERO));
        assert_eq!(wait("120"), Some(Duration::from_mins(2)));
        assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
    }

    #[test]
    fn fractions_are_rounded_up() {
        assert_eq!(wait("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(wait("0.2501"), Some(Duration::from_millis(251)));
    }

    #[test]
    fn all_three_date_forms_are_read() {
        let expected = Some(Duration::from_secs(37));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), expected);
        assert_eq!(wait("Sunday, 06-Nov-94 08:49:37 GMT"), expected);
        assert_eq!(wait("Sun Nov  6 08:49:37 1994"), expected);
    }

    #[test]
    fn a_date_in_the_past_is_no_wait() {
        assert_eq!(wait("Sat, 05 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
    }

    #[test]
    fn absurd_waits_are_finite() {
        assert_eq!(wait("99999999999999999999999999"), Some(VERY_LONG));
        assert_eq!(wait("18446744073709551615"), Some(VERY_LONG));
    }

    #[test]
    fn nonsense_is_no_answer() {
        for value in ["", "-1", "soon", "1,5", "1.", "12s"] {
            assert_eq!(wait(value), None, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now()), None);
    }
}
