//! What happened to the target in a round, besides the account.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// What happened to the process.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Tally {
    /// `kill -9`.
    pub(crate) kills: u64,
    /// Orderly stops.
    pub(crate) stops: u64,
    /// Longest time from a start to readiness.
    #[serde(serialize_with = "as_millis")]
    pub(crate) longest_restart: Duration,
    /// Longest orderly stop.
    #[serde(serialize_with = "as_millis")]
    pub(crate) longest_stop: Duration,
    /// Most resident bytes that were seen.
    pub(crate) most_resident: u64,
    /// What was not as it must be.
    pub(crate) complaints: Vec<String>,
    /// What else is worth knowing.
    pub(crate) notes: Vec<String>,
    /// What was counted, by what it is.
    pub(crate) counts: BTreeMap<String, u64>,
}

fn as_millis<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// `503 × 4, 500 × 1`.
pub(crate) fn counts<K: std::fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|(what, count)| format!("{what} × {count}"))
        .collect();
    parts.join(", ")
}
