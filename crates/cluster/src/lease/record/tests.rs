//! Who holds a lease, by what we saw and when.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::Instant;

use super::{Candidate, Observed, Step, released};

const LEASE: Duration = Duration::from_secs(35);

fn me() -> Candidate<'static> {
    Candidate {
        identity: "me",
        duration: LEASE,
    }
}

fn wall(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn held_by(holder: &str, renewed: i64) -> Lease {
    Lease {
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(35),
            lease_transitions: Some(4),
            acquire_time: Some(MicroTime(wall(1))),
            renew_time: Some(MicroTime(wall(renewed))),
            ..LeaseSpec::default()
        }),
        ..Lease::default()
    }
}

fn written(step: Step) -> LeaseSpec {
    match step {
        Step::Write(record) => record,
        Step::Wait => panic!("waits"),
    }
}

#[test]
fn a_lease_that_does_not_exist_is_taken() {
    let record = written(Observed::default().step(me(), Instant::now(), wall(100)));
    assert_eq!(record.holder_identity.as_deref(), Some("me"));
    assert_eq!(record.lease_duration_seconds, Some(35));
    assert_eq!(record.lease_transitions, Some(0));
}

#[test]
fn a_holder_is_waited_for_as_long_as_it_was_seen_to_renew() {
    let (mut observed, start) = (Observed::default(), Instant::now());
    observed.see(Some(&held_by("other", 10)), start);
    let almost = start + Duration::from_secs(34);
    assert_eq!(observed.step(me(), almost, wall(0)), Step::Wait);
    // It renewed: what counts is when we saw that.
    observed.see(Some(&held_by("other", 11)), almost);
    let later = almost + Duration::from_secs(34);
    assert_eq!(observed.step(me(), later, wall(0)), Step::Wait);
    // It did not renew any more.
    observed.see(Some(&held_by("other", 11)), later);
    let record = written(observed.step(me(), almost + LEASE, wall(99)));
    assert_eq!(record.holder_identity.as_deref(), Some("me"));
    assert_eq!(record.lease_transitions, Some(5));
    assert_eq!(record.acquire_time, Some(MicroTime(wall(99))));
}

#[test]
fn clocks_of_others_are_not_believed() {
    for renewed in [-4_000_000_000, 0, 4_000_000_000] {
        let (mut observed, start) = (Observed::default(), Instant::now());
        observed.see(Some(&held_by("other", renewed)), start);
        assert_eq!(observed.step(me(), start, wall(2_000_000_000)), Step::Wait);
    }
}

#[test]
fn renewing_keeps_when_it_was_taken_and_what_others_wrote() {
    let (mut observed, start) = (Observed::default(), Instant::now());
    let mut lease = held_by("me", 10);
    let record = lease.spec.as_mut().unwrap();
    record.strategy = Some("somebody's".to_owned());
    observed.see(Some(&lease), start);
    let record = written(observed.step(me(), start, wall(20)));
    assert_eq!(record.acquire_time, Some(MicroTime(wall(1))));
    assert_eq!(record.renew_time, Some(MicroTime(wall(20))));
    assert_eq!(record.lease_transitions, Some(4));
    assert_eq!(record.strategy.as_deref(), Some("somebody's"));
}

#[test]
fn a_lease_that_was_let_go_or_deleted_is_free_at_once() {
    let (mut observed, start) = (Observed::default(), Instant::now());
    observed.see(Some(&held_by("other", 10)), start);
    let free = Lease {
        spec: Some(released(&held_by("other", 10).spec.unwrap(), wall(11))),
        ..Lease::default()
    };
    observed.see(Some(&free), start);
    written(observed.step(me(), start, wall(12)));
    observed.see(Some(&held_by("other", 10)), start);
    observed.see(None, start);
    written(observed.step(me(), start, wall(12)));
}

#[test]
fn durations_that_make_no_sense_fall_back_to_ours() {
    let (mut observed, start) = (Observed::default(), Instant::now());
    let mut lease = held_by("other", 10);
    lease.spec.as_mut().unwrap().lease_duration_seconds = Some(-5);
    observed.see(Some(&lease), start);
    assert_eq!(observed.step(me(), start, wall(0)), Step::Wait);
    written(observed.step(me(), start + LEASE, wall(0)));
}
