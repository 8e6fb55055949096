//! Successes that may hide a refusal: the status says yes, the body decides.

use domain::delivery::{Failure, FailureClass};
use domain::ports::Clock;
use outbound::HttpResponse;
use serde_json::Value;

use crate::classify;

/// The body of a successful answer as JSON, `Null` where it is empty or too long to be read whole.
///
/// Anything else than JSON is what a login page or another service at that address says.
pub(crate) fn success(
    response: &HttpResponse,
    clock: &dyn Clock,
    service: &str,
) -> Result<Value, Failure> {
    classify::by_status(response, clock.now())?;
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
