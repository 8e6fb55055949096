//! Refusals whose body says more than their status: why, how bad, and how long to wait.

use std::time::Duration;

use domain::delivery::{Failure, FailureClass};
use domain::ports::Clock;
use jiff::Timestamp;
use outbound::HttpResponse;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer;
use crate::classify;

/// What a service said about a message that it did not take.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    /// What sort of failure, if the body tells.
    pub(crate) class: Option<FailureClass>,
    /// How long to wait, if the body tells.
    pub(crate) retry_after: Option<Duration>,
    /// The service's reason, for people.
    pub(crate) reason: String,
}

/// Judges an answer by its status and by what `complaint` finds in its JSON body; one of another form
/// says nothing. What [`answer::success`] says about bodies that are no JSON holds here too.
pub(crate) fn judge<T: DeserializeOwned>(
    response: &HttpResponse,
    clock: &dyn Clock,
    service: &str,
    complaint: impl FnOnce(T) -> Option<Complaint>,
) -> Result<(), Failure> {
    let now = clock.now();
    let complaint = |body: Value| T::deserialize(body).ok().and_then(complaint);
    if !response.status.is_success() {
        let body: Option<Value> = serde_json::from_slice(&response.body).ok();
        let complaint = body.and_then(complaint).unwrap_or_default();
        return Err(refined(classify::failure(response, now), &complaint));
    }
    let body = answer::success(response, clock, service)?;
    complaint(body).map_or(Ok(()), |complaint| {
        Err(hidden(response, now, service, &complaint))
    })
}

/// A refusal by status; its detail has the body already.
fn refined(failure: Failure, complaint: &Complaint) -> Failure {
    let class = complaint.class.unwrap_or(failure.class);
    let retry_after = failure.retry_after.or(complaint.retry_after);
    Failure {
        class,
        retry_after: retry_after.filter(|_| may_wait(class)),
        ..failure
    }
}

/// A refusal inside a success.
fn hidden(
    response: &HttpResponse,
    now: Timestamp,
    service: &str,
    complaint: &Complaint,
) -> Failure {
    let class = complaint.class.unwrap_or(FailureClass::Rejected);
    let asked = outbound::retry_after(&response.headers, now.into()).or(complaint.retry_after);
    Failure {
        class,
        retry_after: asked.filter(|_| may_wait(class)),
        ..classify::refused(
            response.status,
            &format!("{service} answered with the error `{}`", complaint.reason),
        )
    }
}

fn may_wait(class: FailureClass) -> bool {
    matches!(class, FailureClass::Throttled | FailureClass::ServerFault)
}

/// A wait that a body gives in seconds; `None` if it is no sensible number.
pub(crate) fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn response(status: u16, body: &str) -> HttpResponse {
        HttpResponse {
            status: status.try_into().unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_owned()),
            truncated: false,
        }
    }

    fn judged(response: &HttpResponse) -> Result<(), Failure> {
        let clock = testkit::MovableClock::default();
        judge(response, &clock, "Acme", |answer: Value| {
            let reason = answer["error"].as_str()?.to_owned();
            Some(Complaint {
                class: (reason == "slow").then_some(FailureClass::Throttled),
                retry_after: seconds(2.5),
                reason,
            })
        })
    }

    #[test]
    fn a_body_that_says_no_is_a_failure_whatever_the_status() {
        let failure = judged(&response(200, r#"{"error": "bad"}"#)).unwrap_err();
        assert_eq!(failure.class, FailureClass::Rejected);
        assert_eq!(failure.retry_after, None);
        assert_eq!(failure.detail, "Acme answered with the error `bad`");
        let wait = Some(Duration::from_millis(2500));
        for status in [200, 400, 429] {
            let failure = judged(&response(status, r#"{"error": "slow"}"#)).unwrap_err();
            assert_eq!(failure.class, FailureClass::Throttled, "{status}");
            assert_eq!(failure.retry_after, wait, "{status}");
            assert_eq!(failure.status, Some(status));
        }
        let failure = judged(&response(401, r#"{"error": "bad"}"#)).unwrap_err();
        assert_eq!(failure.class, FailureClass::Misconfigured);
        assert!(failure.detail.ends_with(r#": {"error": "bad"}"#));
    }

    #[test]
    fn a_web_page_is_no_success_but_silence_is() {
        assert_eq!(judged(&response(200, "{}")), Ok(()));
        assert_eq!(judged(&response(204, "")), Ok(()));
        let cut = HttpResponse {
            truncated: true,
            ..response(200, "{\"id\": \"1")
        };
        assert_eq!(judged(&cut), Ok(()));
        let failure = judged(&response(200, "<html>sign in</html>")).unwrap_err();
        assert_eq!(failure.class, FailureClass::Misconfigured);
    }
}
