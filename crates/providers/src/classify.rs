//! From answers and transport errors to failure classes; the only such table in the program.

use domain::delivery::{Failure, FailureClass};
use http::StatusCode;
use jiff::Timestamp;
use outbound::{HttpError, HttpErrorKind, HttpResponse, ProxyReason};

/// How much of an error body goes into a detail. The courier redacts it first and cuts it to size
/// then, so this is generous; nothing may follow it, or a secret that is cut here would not be found.
const EXCERPT_BYTES: usize = 4096;

/// Classifies an answer by its status: any 2xx is a success.
pub fn by_status(response: &HttpResponse, now: Timestamp) -> Result<(), Failure> {
    if response.status.is_success() {
        return Ok(());
    }
    Err(failure(response, now))
}

/// The failure that an unsuccessful answer means.
pub fn failure(response: &HttpResponse, now: Timestamp) -> Failure {
    let status = response.status;
    let class = class_of(response, now);
    let retry_after = match class {
        FailureClass::Throttled | FailureClass::ServerFault => {
            outbound::retry_after(&response.headers, now.into())
                .or_else(|| rate_limit_reset(response, now))
        }
        _ => None,
    };
    Failure {
        class,
        status: Some(status.as_u16()),
        retry_after,
        detail: format!("the service answered {status}{}", excerpt(&response.body)),
    }
}

/// `providers-common.md` C11 and `decisions.md` 5: the message itself refused fails, configuration
/// and permission park, everything else is tried again.
fn class_of(response: &HttpResponse, now: Timestamp) -> FailureClass {
    match response.status.as_u16() {
        // GitHub says 403 for both of its rate limits.
        403 if is_rate_limited(response, now) => FailureClass::Throttled,
        429 => FailureClass::Throttled,
        408 | 423 | 425 => FailureClass::Unreachable,
        // Up to 399: a redirect that is not followed, or something that does not speak HTTP as we
        // know it.
        100..=399 | 401..=405 | 407 | 410 | 421 | 426 | 451 => FailureClass::Misconfigured,
        // Not implemented: the reference does not retry it either.
        400..=499 | 501 => FailureClass::Rejected,
        _ => FailureClass::ServerFault,
    }
}

/// Source: <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
fn is_rate_limited(response: &HttpResponse, now: Timestamp) -> bool {
    outbound::retry_after(&response.headers, now.into()).is_some()
        || header(response, "x-ratelimit-remaining") == Some("0")
        || contains(&response.body, b"secondary rate limit")
}

/// Seconds until a limit resets, as GitHub (`x-ratelimit-reset`) and GitLab (`ratelimit-reset`) say
/// it: a Unix time.
fn rate_limit_reset(response: &HttpResponse, now: Timestamp) -> Option<std::time::Duration> {
    let reset: i64 = header(response, "x-ratelimit-reset")
        .or_else(|| header(response, "ratelimit-reset"))?
        .parse()
        .ok()?;
    let seconds = u64::try_from(reset - now.as_second()).ok()?;
    // A window of Slack or GitHub is an hour at most; other numbers mean something else.
    (seconds <= 3600).then(|| std::time::Duration::from_secs(seconds))
}

fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    response.headers.get(name)?.to_str().ok()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window.eq_ignore_ascii_case(needle))
}

/// Classifies a request that got no answer.
pub fn transport_error(error: &HttpError) -> Failure {
    let class = match error.kind() {
        // As with a proxy that answers 407 to a plain request.
        _ if is_unauthorized_at_proxy(error) => FailureClass::Misconfigured,
        HttpErrorKind::CertificateInvalid
        | HttpErrorKind::Denied
        | HttpErrorKind::InvalidRequest
        | HttpErrorKind::Redirect => FailureClass::Misconfigured,
        _ => FailureClass::Unreachable,
    };
    Failure::new(class, error.to_string())
}

fn is_unauthorized_at_proxy(error: &HttpError) -> bool {
    matches!(
        error,
        HttpError::Proxy {
            reason: ProxyReason::Unauthorized,
            ..
        }
    )
}

/// A refusal that hides in a success: the body says no.
pub fn refused(status: StatusCode, reason: &str) -> Failure {
    Failure {
        status: Some(status.as_u16()),
        ..Failure::new(FailureClass::Rejected, reason)
    }
}

/// `: <body>` on one line; empty for an empty body.
fn excerpt(body: &[u8]) -> String {
    let cut = body.get(..EXCERPT_BYTES).unwrap_or(body);
    let text = String::from_utf8_lossy(cut);
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() {
        return String::new();
    }
    format!(": {}", words.join(" "))
}
