//! What a collector's answer means.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>. Failures carry a
//! `google.rpc.Status`, successes may say that spans were rejected all the same.

use domain::delivery::Failure;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use outbound::HttpResponse;
use serde::Deserialize;

use crate::classify;
use crate::shared::protobuf::{self, Value};

/// How much of a reason is kept; the courier cuts it further.
const LONGEST_REASON: usize = 4096;

/// The part of an answer in JSON that we look at. Proxies and gateways answer so.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JsonAnswer {
    message: String,
    partial_success: JsonPartialSuccess,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JsonPartialSuccess {
    /// A number as a string, as protobuf's JSON has it, or a plain one.
    rejected_spans: serde_json::Value,
    error_message: String,
}

/// Why nothing of ours was kept, if that is so.
struct Said {
    rejected: bool,
    reason: String,
}

/// A success, unless the collector says that it kept nothing.
pub(super) fn judge(response: &HttpResponse, now: Timestamp) -> Result<(), Failure> {
    let said = said(response);
    if response.status.is_success() {
        return match said {
            Some(Said {
                rejected: true,
                reason,
            }) => {
                let reason = if reason.is_empty() {
                    "no reason given"
                } else {
                    &reason
                };
                let text = format!("the collector rejected the span: {reason}");
                Err(classify::refused(response.status, &text))
            }
            _ => Ok(()),
        };
    }
    let mut failure = classify::failure(response, now);
    if let Some(said) = said.filter(|said| !said.reason.is_empty()) {
        let status = response.status;
        failure.detail = format!("the service answered {status}: {}", said.reason);
    }
    Err(failure)
}

fn said(response: &HttpResponse) -> Option<Said> {
    let content_type = response.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    match content_type {
        "application/x-protobuf" => in_protobuf(response),
        "application/json" => in_json(response),
        _ => None,
    }
}

fn in_protobuf(response: &HttpResponse) -> Option<Said> {
    let body = &response.body;
    if !response.truncated && !protobuf::is_message(body) {
        return None;
    }
    if !response.status.is_success() {
        // Status: code = 1, message = 2.
        let message = protobuf::last(body, 2)?.bytes()?;
        return Some(Said {
            rejected: true,
            reason: text(message),
        });
    }
    // ExportTraceServiceResponse: partial_success = 1, in it rejected_spans = 1, error_message = 2.
    let partial = protobuf::last(body, 1)?.bytes()?;
    let rejected = match protobuf::last(partial, 1) {
        Some(Value::Number(spans)) => spans > 0,
        _ => false,
    };
    let reason = protobuf::last(partial, 2)
        .and_then(Value::bytes)
        .map(text)
        .unwrap_or_default();
    Some(Said { rejected, reason })
}

fn in_json(response: &HttpResponse) -> Option<Said> {
    let answer: JsonAnswer = serde_json::from_slice(&response.body).ok()?;
    let partial = answer.partial_success;
    let rejected = match &partial.rejected_spans {
        serde_json::Value::Number(spans) => spans.as_u64() > Some(0),
        serde_json::Value::String(spans) => spans.parse::<u64>().is_ok_and(|spans| spans > 0),
        _ => false,
    };
    let reason = if response.status.is_success() {
        partial.error_message
    } else {
        answer.message
    };
    Some(Said { rejected, reason })
}

/// On one line.
fn text(bytes: &[u8]) -> String {
    let cut = bytes.get(..LONGEST_REASON).unwrap_or(bytes);
    let words: Vec<String> = String::from_utf8_lossy(cut)
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    words.join(" ")
}
