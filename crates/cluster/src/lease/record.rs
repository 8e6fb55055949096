//! What one replica knows of a lease, and what it does next.
//!
//! Other replicas' clocks are never believed: a holder counts as alive for as long as its lease lasts
//! after *we* last saw the record change.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::Instant;

/// The record of a lease as this replica last saw it.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    last: Option<Sighting>,
}

#[derive(Debug)]
struct Sighting {
    record: LeaseSpec,
    /// When the record was first seen as it is.
    since: Instant,
}

/// What to do about a lease.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Write this record: it makes us the holder, or keeps us it.
    Write(LeaseSpec),
    /// Somebody else holds it.
    Wait,
}

/// Who asks, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) identity: &'a str,
    pub(crate) duration: Duration,
}

impl Observed {
    /// Takes note of the record that was read; `None` if there is no lease.
    pub(crate) fn see(&mut self, lease: Option<&Lease>, now: Instant) {
        let record = lease.map(|lease| lease.spec.clone().unwrap_or_default());
        let is_known = match (&self.last, &record) {
            (Some(last), Some(record)) => last.record == *record,
            (None, None) => true,
            _ => false,
        };
        if !is_known {
            self.last = record.map(|record| Sighting { record, since: now });
        }
    }

    /// The holder whose lease has not run out, by our own clock.
    pub(crate) fn holder(&self, fallback: Duration, now: Instant) -> Option<&str> {
        let last = self.last.as_ref()?;
        let holder = last.record.holder_identity.as_deref()?;
        let duration = last
            .record
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(fallback, Duration::from_secs);
        let is_alive = now.saturating_duration_since(last.since) < duration;
        (is_alive && !holder.is_empty()).then_some(holder)
    }

    /// When the record was first seen as it is.
    pub(crate) fn unchanged_since(&self) -> Option<Instant> {
        self.last.as_ref().map(|last| last.since)
    }

    /// Decides what a candidate does, at the local time `now` and the wall-clock time `wall`, which is
    /// only written down for people.
    pub(crate) fn step(&self, candidate: Candidate<'_>, now: Instant, wall: Timestamp) -> Step {
        let holder = self.holder(candidate.duration, now);
        if holder.is_some_and(|holder| holder != candidate.identity) {
            return Step::Wait;
        }
        let record = self.last.as_ref().map(|last| last.record.clone());
        Step::Write(written(record, candidate, wall))
    }
}

/// The record with which a candidate holds the lease; fields that are not ours stay.
fn written(record: Option<LeaseSpec>, candidate: Candidate<'_>, wall: Timestamp) -> LeaseSpec {
    let is_new = record.is_none();
    let mut record = record.unwrap_or_default();
    let is_ours = record.holder_identity.as_deref() == Some(candidate.identity);
    if !is_ours {
        let before = record.lease_transitions.unwrap_or(0);
        record.lease_transitions = Some(if is_new { 0 } else { before.saturating_add(1) });
        record.acquire_time = Some(MicroTime(wall));
        record.holder_identity = Some(candidate.identity.to_owned());
    }
    record.lease_duration_seconds = Some(whole_seconds(candidate.duration));
    record.renew_time = Some(MicroTime(wall));
    record
}

/// The record of a holder that lets go: others need not wait for it to run out.
pub(crate) fn released(record: &LeaseSpec, wall: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        // The server insists on more than nothing.
        lease_duration_seconds: Some(1),
        acquire_time: Some(MicroTime(wall)),
        renew_time: Some(MicroTime(wall)),
        ..record.clone()
    }
}

fn whole_seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX).max(1)
}

#[cfg(test)]
mod tests;
