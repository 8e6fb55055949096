//! The schedule of retries: what it is, and what it may never be.

use proptest::prelude::*;

use super::*;

const T0: Timestamp = Timestamp::UNIX_EPOCH;

fn after(class: FailureClass, attempts: u32, at: u64, retry_after: Option<u64>) -> NextStep {
    let failure = Failure {
        retry_after: retry_after.map(Duration::from_secs),
        ..Failure::new(class, "x")
    };
    let now = later(T0, Duration::from_secs(at));
    next(Policy::default(), &failure, attempts, T0, now, 0.0)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn the_first_waits_are_those_of_the_reference() {
    let class = FailureClass::ServerFault;
    assert_eq!(after(class, 1, 0, None), NextStep::Again(at(2)));
    assert_eq!(after(class, 2, 2, None), NextStep::Again(at(6)));
    assert_eq!(after(class, 3, 6, None), NextStep::Again(at(14)));
    assert_eq!(after(class, 400, 1000, None), NextStep::Again(at(1600)));
}

#[test]
fn retry_after_replaces_the_wait_and_is_bounded() {
    let class = FailureClass::Throttled;
    assert_eq!(after(class, 1, 0, Some(3)), NextStep::Again(at(3)));
    assert_eq!(after(class, 1, 0, Some(999_999)), NextStep::Again(at(3600)));
}

#[test]
fn a_refused_message_fails_at_once() {
    assert_eq!(
        after(FailureClass::Rejected, 1, 0, None),
        NextStep::Fail(FailReason::Rejected)
    );
}

#[test]
fn configuration_failures_park_until_the_promise_ends() {
    let class = FailureClass::Misconfigured;
    assert_eq!(after(class, 1, 0, None), NextStep::Park(at(30)));
    assert_eq!(after(class, 9, 86_390, None), NextStep::Park(at(86_400)));
    assert_eq!(
        after(class, 9, 86_400, None),
        NextStep::Fail(FailReason::TooOld)
    );
}

proptest! {
    #[test]
    fn the_next_attempt_is_never_in_the_past_nor_beyond_the_promise(
        attempts in 0_u32..10_000, at in 0_u64..200_000, jitter in 0.0_f64..1.0,
        retry_after in proptest::option::of(0_u64..u64::MAX),
    ) {
        let failure = Failure {
            retry_after: retry_after.map(Duration::from_secs),
            ..Failure::new(FailureClass::Unreachable, "x")
        };
        let now = later(T0, Duration::from_secs(at));
        match next(Policy::default(), &failure, attempts, T0, now, jitter) {
            NextStep::Again(next) | NextStep::Park(next) => {
                prop_assert!(next >= now);
                prop_assert!(next <= later(T0, Policy::default().max_age));
            }
            NextStep::Fail(_) => prop_assert!(at >= 86_400),
        }
    }

    /// Without a wish of the service, waits never get shorter, up to the longest.
    #[test]
    fn waits_grow_up_to_the_longest(
        class in retried(), attempts in 1_u32..1000, at in 0_u64..40_000,
    ) {
        let wait = |attempts| waited(class, attempts, at, None, 0.0);
        prop_assert!(wait(attempts) <= wait(attempts + 1));
        prop_assert!(wait(attempts) <= Duration::from_secs(LONGEST_WAIT));
        prop_assert_eq!(wait(1000), Duration::from_secs(LONGEST_WAIT));
    }

    /// Jitter only ever adds: half a second at the start, a tenth later.
    #[test]
    fn jitter_stays_within_its_bounds(
        class in retried(), attempts in 1_u32..1000, at in 0_u64..40_000, jitter in -1.0_f64..2.0,
    ) {
        let bare = waited(class, attempts, at, None, 0.0);
        let wait = waited(class, attempts, at, None, jitter);
        let most = if bare <= Duration::from_secs(8) {
            Duration::from_millis(500)
        } else {
            bare / 10
        };
        prop_assert!(wait >= bare);
        prop_assert!(wait <= bare + most);
        prop_assert!(waited(class, attempts, at, None, 0.3) <= waited(class, attempts, at, None, 0.7));
    }

    /// Nobody comes back before the time that a service named, unless it named more than an hour.
    #[test]
    fn retry_after_is_respected(
        class in retried(), attempts in 1_u32..1000, at in 0_u64..40_000, jitter in 0.0_f64..1.0,
        asked in 0_u64..20_000,
    ) {
        let wait = waited(class, attempts, at, Some(asked), jitter);
        let least = Duration::from_secs(asked).min(LONGEST_RETRY_AFTER);
        prop_assert!(wait >= least);
        prop_assert!(wait <= least + Duration::from_mins(1));
    }

    /// However long a promise is kept: attempts follow each other, the last one is at its very end,
    /// and there are not more than the schedule has room for.
    #[test]
    fn a_whole_history_ends_with_the_promise(
        class in retried(), hours in 0_u64..100, jitters in proptest::collection::vec(0.0_f64..1.0, 8),
    ) {
        let policy = Policy { max_age: Duration::from_hours(hours), ..Policy::default() };
        let failure = Failure::new(class, "x");
        let deadline = later(T0, policy.max_age);
        let mut now = T0;
        let mut attempts = 1;
        loop {
            let jitter = jitters[attempts as usize % jitters.len()];
            match next(policy, &failure, attempts, T0, now, jitter) {
                NextStep::Again(at) | NextStep::Park(at) => {
                    prop_assert!(at > now, "it would be tried twice at once");
                    now = at;
                    attempts += 1;
                }
                NextStep::Fail(reason) => {
                    prop_assert_eq!(reason, FailReason::TooOld);
                    break;
                }
            }
            prop_assert!(u64::from(attempts) <= hours * 6 + 12, "{attempts} attempts");
        }
        prop_assert_eq!(now, deadline);
    }
}

/// Classes that are tried again.
fn retried() -> impl Strategy<Value = FailureClass> {
    prop_oneof![
        Just(FailureClass::Unreachable),
        Just(FailureClass::ServerFault),
        Just(FailureClass::Throttled),
        Just(FailureClass::Misconfigured),
    ]
}

/// The wait that a failed attempt leads to.
fn waited(
    class: FailureClass,
    attempts: u32,
    at: u64,
    retry_after: Option<u64>,
    jitter: f64,
) -> Duration {
    let failure = Failure {
        retry_after: retry_after.map(Duration::from_secs),
        ..Failure::new(class, "x")
    };
    let now = later(T0, Duration::from_secs(at));
    match next(Policy::default(), &failure, attempts, T0, now, jitter) {
        NextStep::Again(next) | NextStep::Park(next) => {
            next.duration_since(now).try_into().unwrap()
        }
        NextStep::Fail(reason) => panic!("given up as {}", reason.label()),
    }
}
