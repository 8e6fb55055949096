//! Asking an OAuth 2.0 token endpoint, and what its answer means.
//!
//! Sources: RFC 6749 section 5, RFC 8693. Failures are shared by all attempts that wait for the same
//! token, so what they quote is cleaned here of what was sent.

use api::Secret;
use bytes::Bytes;
use domain::delivery::{Failure, FailureClass};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use outbound::{HttpRequest, HttpResponse, Redactor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::classify;
use crate::notifier::AttemptContext;
use crate::shared::token_cache::Minted;
use crate::shared::truncate;

/// Fields whose values are secrets.
const SECRET_FIELDS: [&str; 5] = [
    "assertion",
    "client_assertion",
    "client_secret",
    "refresh_token",
    "subject_token",
];

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// How much of a reason is kept.
const LONGEST_REASON: usize = 512;

/// Less than any endpoint's tokens live, for one that does not say.
const SHORTEST_LIFE: SignedDuration = SignedDuration::from_mins(5);

/// A form: names and values.
pub(crate) type Form<'a> = [(&'a str, &'a str)];

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    /// A word, or an object with a message in other answers of Google.
    error: Value,
    error_description: String,
}

/// Posts a form and takes the token from the answer.
pub(crate) async fn token(
    context: &AttemptContext<'_>,
    endpoint: &Url,
    form: &Form<'_>,
) -> Result<Minted, Failure> {
    let mut request = HttpRequest::new(Method::POST, endpoint.clone());
    let headers = &mut request.headers;
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, FORM);
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    request.body = Bytes::from(body);
    let mut redactor = Redactor::new();
    hide_form(&mut redactor, &request);
    let response = context.ask_for_token(request).await?;
    minted(&response, endpoint, &redactor, context.clock.now())
}

/// Tells a redactor the secrets in a form, if the request is one.
pub(crate) fn hide_form(redactor: &mut Redactor, request: &HttpRequest) {
    if request.headers.get(CONTENT_TYPE) != Some(&FORM) {
        return;
    }
    for (name, value) in url::form_urlencoded::parse(&request.body) {
        if SECRET_FIELDS.contains(&name.as_ref()) {
            redactor.hide(value.as_bytes());
        }
    }
}

/// The token in an answer.
pub(crate) fn minted(
    response: &HttpResponse,
    endpoint: &Url,
    redactor: &Redactor,
    now: Timestamp,
) -> Result<Minted, Failure> {
    check(response, endpoint, redactor, now)?;
    let answer: Option<Answer> = serde_json::from_slice(&response.body).ok();
    let token = answer
        .as_ref()
        .and_then(|answer| answer.access_token.clone());
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Err(no_token(response, endpoint));
    };
    let life = answer
        .and_then(|answer| answer.expires_in)
        .map_or(SHORTEST_LIFE, SignedDuration::from_secs);
    Ok(Minted {
        token: Secret::new(token),
        expires: now.checked_add(life).unwrap_or(now),
    })
}

/// A success whose body holds no token.
pub(crate) fn no_token(response: &HttpResponse, endpoint: &Url) -> Failure {
    Failure {
        status: Some(response.status.as_u16()),
        ..Failure::new(
            FailureClass::ServerFault,
            format!("{}: the answer holds no token", place(endpoint)),
        )
    }
}

/// An unsuccessful answer as a failure. Nothing about a message is refused here, so what would be a
/// refusal is a matter of configuration.
pub(crate) fn check(
    response: &HttpResponse,
    endpoint: &Url,
    redactor: &Redactor,
    now: Timestamp,
) -> Result<(), Failure> {
    if response.status.is_success() {
        return Ok(());
    }
    let failure = classify::failure(response, now);
    let class = match failure.class {
        FailureClass::Rejected => FailureClass::Misconfigured,
        other => other,
    };
    let reason = reason(&response.body);
    let reason = truncate::head(&redactor.redact(&reason), LONGEST_REASON);
    let mut detail = format!(
        "{}: the service answered {}",
        place(endpoint),
        response.status
    );
    if !reason.is_empty() {
        detail = format!("{detail}: {reason}");
    }
    Err(Failure {
        class,
        detail,
        ..failure
    })
}

/// What the endpoint says went wrong; nothing if it says so in an unknown form.
fn reason(body: &[u8]) -> String {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let word = match &refusal.error {
        Value::String(word) => word.clone(),
        Value::Object(error) => error
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    };
    let parts = [word, refusal.error_description];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    parts.join(": ")
}

fn place(endpoint: &Url) -> String {
    let host = endpoint.host_str().unwrap_or_default();
    format!("getting a token from {host}")
}

/// A number, or a text with one, as Azure's metadata service writes it.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}
