//! What a type makes of statuses, of waits that are asked for, and of no answer at all.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::Outcome;
use domain::delivery::{Failure, FailureClass};
use futures::FutureExt;
use futures::future::BoxFuture;
use outbound::{HttpError, HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};
use providers::ProviderKind;
use serde_json::json;
use testkit::{MovableClock, ScriptedResponse};

use super::exchange;
use super::special::{self, Rule};
use crate::bench::{Bench, describe};
use crate::fixtures;

/// Sends the fixture's own event, answering every request alike, but for logins, which succeed.
async fn answered_by(kind: &ProviderKind, response: ScriptedResponse) -> Outcome {
    let fixture = fixtures::delivered(kind.name);
    let login = ScriptedResponse {
        host: Some(special::LOGIN_HOST.to_owned()),
        body: Some(json!({"access_token": "made-up", "expires_in": 3600})),
        ..ScriptedResponse::default()
    };
    exchange(&fixture, &fixture.event, vec![login, response])
        .await
        .1
}

fn failure_of(outcome: Outcome) -> Option<Failure> {
    match outcome {
        Outcome::Failed(failure) => Some(failure),
        _ => None,
    }
}

#[tokio::test]
async fn status_codes_mean_the_same_for_every_type() {
    use FailureClass::{Misconfigured, Rejected, ServerFault, Throttled, Unreachable};
    const CLASSES: [(u16, FailureClass); 27] = [
        (300, Misconfigured),
        (304, Misconfigured),
        (400, Rejected),
        (401, Misconfigured),
        (402, Misconfigured),
        (403, Misconfigured),
        (404, Misconfigured),
        (405, Misconfigured),
        (406, Rejected),
        (407, Misconfigured),
        (408, Unreachable),
        (409, Rejected),
        (410, Misconfigured),
        (411, Rejected),
        (413, Rejected),
        (415, Rejected),
        (422, Rejected),
        (425, Unreachable),
        (429, Throttled),
        (431, Rejected),
        (451, Misconfigured),
        (500, ServerFault),
        (501, Rejected),
        (502, ServerFault),
        (503, ServerFault),
        (504, ServerFault),
        (599, ServerFault),
    ];
    for kind in special::kinds_for(Rule::Http) {
        for (status, class) in CLASSES {
            let response = ScriptedResponse {
                status: Some(status),
                body: Some(json!("no")),
                ..ScriptedResponse::default()
            };
            let failure = failure_of(answered_by(kind, response).await);
            let failure = failure.unwrap_or_else(|| panic!("{}: {status} passed", kind.name));
            assert_eq!(
                (failure.class, failure.status),
                (class, Some(status)),
                "{}: {}",
                kind.name,
                failure.detail
            );
        }
    }
}

#[tokio::test]
async fn retry_after_is_honoured_in_both_forms() {
    // The clock of the tests stands at 2024-03-05T09:10:11Z.
    for (value, seconds) in [("7", 7), ("Tue, 05 Mar 2024 09:10:41 GMT", 30)] {
        for kind in special::kinds_for(Rule::Http) {
            for status in [429, 503] {
                let response = ScriptedResponse {
                    status: Some(status),
                    headers: [("retry-after".to_owned(), value.to_owned())].into(),
                    ..ScriptedResponse::default()
                };
                let failure = failure_of(answered_by(kind, response).await).unwrap();
                assert_eq!(
                    failure.retry_after,
                    Some(Duration::from_secs(seconds)),
                    "{} {status}",
                    kind.name
                );
            }
        }
    }
}

#[tokio::test]
async fn a_lost_connection_is_tried_again() {
    for kind in special::kinds_for(Rule::Http) {
        let response = ScriptedResponse {
            close: true,
            ..ScriptedResponse::default()
        };
        let failure = failure_of(answered_by(kind, response).await).unwrap();
        assert_eq!(failure.class, FailureClass::Unreachable, "{}", kind.name);
    }
}

/// A service that takes requests and never answers; it notes how long it was given.
#[derive(Default)]
struct Silence(Mutex<Vec<Duration>>);

impl HttpTransport for Silence {
    fn send<'a>(
        &'a self,
        _request: HttpRequest,
        _route: &'a Route,
        options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        self.0.lock().unwrap().push(options.deadline);
        futures::future::pending().boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_with_the_timeout_of_its_provider() {
    for kind in special::kinds_for(Rule::Http) {
        let mut fixture = fixtures::delivered(kind.name);
        fixture.objects[0]["spec"]["timeout"] = json!("7s");
        let timeout = Duration::from_secs(7);
        let silence = Arc::new(Silence::default());
        let clock = Arc::new(MovableClock::default());
        let bench = Bench::new(&fixture.objects, Arc::clone(&silence) as _, clock);
        let started = tokio::time::Instant::now();
        let outcome = bench.send(&fixture.event).await;
        assert_eq!(started.elapsed(), timeout, "{}", kind.name);
        let said = describe(&outcome);
        assert_eq!(
            said, "unreachable: no complete answer within 7s",
            "{}",
            kind.name
        );
        let given = silence.0.lock().unwrap().clone();
        assert!(!given.is_empty(), "{} sent nothing", kind.name);
        assert!(
            given.iter().all(|given| *given <= timeout),
            "{}: {given:?}",
            kind.name
        );
    }
}
