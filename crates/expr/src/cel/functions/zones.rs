//! Time zones, by name or as an offset. The database is compiled in, so that none has to be read.

use std::sync::OnceLock;

use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::Result;
use crate::cel::error::EvaluationError;

/// Returns the time zone behind `Europe/Berlin`, `UTC` or `+01:30`.
pub(super) fn find(name: &str) -> Result<TimeZone> {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    if name.is_empty() || name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let zone = match name.split_once(':') {
        Some((hours, minutes)) => offset(hours, minutes),
        None => DATABASE
            .get_or_init(TimeZoneDatabase::bundled)
            .get(name)
            .ok(),
    };
    zone.ok_or_else(|| EvaluationError::UnknownTimeZone(name.chars().take(100).collect()))
}

fn offset(hours: &str, minutes: &str) -> Option<TimeZone> {
    let minutes: i32 = minutes.parse().ok()?;
    let whole = hours.parse::<i32>().ok()?.checked_mul(60)?;
    let total = if hours.starts_with('-') {
        whole.checked_sub(minutes)?
    } else {
        whole.checked_add(minutes)?
    };
    let offset = Offset::from_seconds(total.checked_mul(60)?).ok()?;
    Some(TimeZone::fixed(offset))
}
