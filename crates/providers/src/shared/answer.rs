//! Answers whose body says more than their status: whether a success hides a refusal, why, how bad it
//! is, and how long to wait.

use std::time::Duration;

use domain::delivery::{Failure, FailureClass};
use domain::ports::Clock;
use jiff::Timestamp;
use outbound::HttpResponse;
use serde::de::DeserializeOwned;
use serde_json::Value;

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

impl Complaint {
    /// One that gives reasons and nothing else; `None` if there are no reasons.
    pub(crate) fn of(reasons: &[String]) -> Option<Self> {
        (!reasons.is_empty()).then(|| Self {
            reason: reasons.join(": "),
            ..Self::default()
        })
    }
}

/// Judges an answer by its status and by what `complaint` finds in its JSON body; one of another form
/// says nothing.
pub(crate) fn judge<T: DeserializeOwned>(
    response: &HttpResponse,
    clock: &dyn Clock,
    service: &str,
    complaint: impl FnOnce(T) -> Option<Complaint>,
) -> Result<(), Failure> {
    read(response, clock, service, complaint).map(drop)
}

/// The same, and gives the body of a success, `Null` where it is empty or too long to be read whole.
///
/// A body of a success that is no JSON is what a login page or another service at that address says.
pub(crate) fn read<T: DeserializeOwned>(
    response: &HttpResponse,
    clock: &dyn Clock,
    service: &str,
    complaint: impl FnOnce(T) -> Option<Complaint>,
) -> Result<Value, Failure> {
    let now = clock.now();
    let complaint = |body: &Value| T::deserialize(body).ok().and_then(complaint);
    if !response.status.is_success() {
        let body: Option<Value> = serde_json::from_slice(&response.body).ok();
        let complaint = body.as_ref().and_then(complaint).unwrap_or_default();
        return Err(refined(classify::failure(response, now), &complaint));
    }
    let body = success(response, service)?;
    match complaint(&body) {
        Some(complaint) => Err(hidden(response, now, service, &complaint)),
        None => Ok(body),
    }
}

fn success(response: &HttpResponse, service: &str) -> Result<Value, Failure> {
    if response.truncated || response.body.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&response.body).map_err(|_| Failure {
        status: Some(response.status.as_u16()),
        ..Failure::new(
            FailureClass::Misconfigured,
            format!(
                "the service answered {}, but not as {service} does; \
                 does the address lead to its API?",
                response.status
            ),
        )
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

/// A member of an answer, if it is a text.
pub(crate) fn text<'a>(answer: &'a Value, member: &str) -> Option<&'a str> {
    answer.get(member)?.as_str()
}

/// All texts in some members of an answer, in that order: `"x"`, `["x", "y"]` and
/// `{"message": "x"}` are in use.
pub(crate) fn texts(answer: &Value, members: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for member in members {
        collect(answer.get(member), &mut found);
    }
    found
}

fn collect(value: Option<&Value>, found: &mut Vec<String>) {
    match value {
        Some(Value::String(text)) if !text.is_empty() => found.push(text.clone()),
        Some(Value::Array(items)) => items.iter().for_each(|item| collect(Some(item), found)),
        Some(Value::Object(object)) => collect(object.get("message"), found),
        _ => {}
    }
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
