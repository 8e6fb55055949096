//! What each service says, and what heals it.

use std::time::Duration;

use domain::Outcome;
use domain::delivery::Failure;
use domain::delivery::FailureClass::{self, Misconfigured, Rejected, ServerFault, Throttled};
use serde_json::{Value, json};
use testkit::ScriptedResponse;
use testkit::secrets::{leaks, marked};

use crate::every_kind::{exchange, marked_objects};
use crate::fixtures;

/// What a service's answer to its `delivered` event comes to.
async fn answered(kind: &str, objects: Option<Vec<Value>>, status: u16, body: Value) -> Outcome {
    let mut fixture = fixtures::delivered(kind);
    if let Some(objects) = objects {
        fixture.objects = objects;
    }
    let response = ScriptedResponse {
        status: Some(status),
        body: Some(body),
        ..ScriptedResponse::default()
    };
    exchange(&fixture, &fixture.event, vec![response]).await.1
}

async fn failure(kind: &str, status: u16, body: Value) -> Failure {
    match answered(kind, None, status, body.clone()).await {
        Outcome::Failed(failure) => failure,
        other => panic!("{kind} {status} {body}: {other:?}"),
    }
}

/// A refusal in the form of a service.
fn refusal(kind: &str, code: &Value, reason: &str) -> Value {
    match kind {
        "googlechat" => json!({"error": {"status": code, "message": reason}}),
        "lark" => json!({"code": code, "msg": reason}),
        "mattermost" => json!({"id": code, "message": reason}),
        "ntfy" => json!({"code": code, "error": reason}),
        "telegram" => json!({"ok": false, "error_code": code, "description": reason}),
        "webex" => json!({"message": "no", "errors": [{"description": reason}]}),
        "zulip" => json!({"result": "error", "code": code, "msg": reason}),
        other => panic!("no form for {other}"),
    }
}

/// Type, code (of Mattermost the part that differs), reason, class.
const REFUSALS: [(&str, &str, &str, FailureClass); 32] = [
    ("googlechat", "PERMISSION_DENIED", "no", Misconfigured),
    ("googlechat", "NOT_FOUND", "no space", Misconfigured),
    ("googlechat", "RESOURCE_EXHAUSTED", "quota", Throttled),
    ("googlechat", "UNAVAILABLE", "later", ServerFault),
    ("googlechat", "INVALID_ARGUMENT", "bad", Rejected),
    ("lark", "19001", "token invalid", Misconfigured),
    ("lark", "19021", "sign match fail", Misconfigured),
    ("lark", "19022", "Ip Not Allowed", Misconfigured),
    ("lark", "19024", "Key Words Not Found", Misconfigured),
    ("lark", "11232", "frequency limited", Throttled),
    ("lark", "9499", "too many request", Throttled),
    ("lark", "9499", "Bad Request", Rejected),
    ("lark", "19002", "params error", Rejected),
    ("mattermost", "invalid", "Invalid webhook.", Misconfigured),
    (
        "mattermost",
        "channel",
        "Couldn't find the channel.",
        Misconfigured,
    ),
    ("mattermost", "parse", "Unable to parse", Rejected),
    ("ntfy", "40024", "invalid request", Rejected),
    (
        "telegram",
        "400",
        "Bad Request: chat not found",
        Misconfigured,
    ),
    (
        "telegram",
        "400",
        "Bad Request: message thread not found",
        Misconfigured,
    ),
    (
        "telegram",
        "400",
        "Bad Request: TOPIC_CLOSED",
        Misconfigured,
    ),
    (
        "telegram",
        "400",
        "Bad Request: not enough rights to send text messages to the chat",
        Misconfigured,
    ),
    ("telegram", "401", "Unauthorized", Misconfigured),
    (
        "telegram",
        "403",
        "Forbidden: bot was kicked from the supergroup chat",
        Misconfigured,
    ),
    ("telegram", "404", "Not Found", Misconfigured),
    (
        "telegram",
        "400",
        "Bad Request: can't parse entities",
        Rejected,
    ),
    (
        "telegram",
        "429",
        "Too Many Requests: retry after 3",
        Throttled,
    ),
    ("telegram", "500", "Internal Server Error", ServerFault),
    ("webex", "", "no room", Rejected),
    (
        "zulip",
        "STREAM_DOES_NOT_EXIST",
        "Channel 'x' does not exist",
        Misconfigured,
    ),
    ("zulip", "INVALID_API_KEY", "Invalid API key", Misconfigured),
    (
        "zulip",
        "RATE_LIMIT_HIT",
        "API usage exceeded rate limit",
        Throttled,
    ),
    (
        "zulip",
        "BAD_REQUEST",
        "Message must not be empty",
        Rejected,
    ),
];

#[tokio::test]
async fn refusals_are_sorted_by_what_heals_them_even_inside_a_success() {
    for (kind, code, reason, class) in REFUSALS {
        let code = match (kind, code.parse::<i64>()) {
            ("mattermost", _) => json!(format!("web.incoming_webhook.{code}.app_error")),
            (_, Ok(number)) => json!(number),
            _ => json!(code),
        };
        for status in [200, 400] {
            let failure = failure(kind, status, refusal(kind, &code, reason)).await;
            assert_eq!(failure.class, class, "{kind} {status} {reason}");
            assert_eq!(failure.status, Some(status), "{kind} {reason}");
            assert!(
                failure.detail.contains(reason),
                "{kind}: {}",
                failure.detail
            );
        }
    }
}

#[tokio::test]
async fn waits_that_a_body_asks_for_are_honoured() {
    let telegram = |class: u16| {
        json!({
            "ok": false,
            "error_code": class,
            "description": "Too Many Requests: retry after 35",
            "parameters": {"retry_after": 35},
        })
    };
    let zulip = json!({"result": "error", "code": "RATE_LIMIT_HIT", "retry-after": 1.5});
    for status in [200, 429] {
        let wait = failure("telegram", status, telegram(429)).await.retry_after;
        assert_eq!(wait, Some(Duration::from_secs(35)), "{status}");
        let wait = failure("zulip", status, zulip.clone()).await.retry_after;
        assert_eq!(wait, Some(Duration::from_millis(1500)), "{status}");
    }
    // What does not heal by waiting is not waited for, and nonsense is no wait.
    assert_eq!(
        failure("telegram", 400, telegram(400)).await.retry_after,
        None
    );
    for wait in [json!(-1), json!(1e300)] {
        let body = json!({"result": "error", "code": "RATE_LIMIT_HIT", "retry-after": wait});
        assert_eq!(failure("zulip", 429, body).await.retry_after, None);
    }
}

#[tokio::test]
async fn what_says_nothing_about_a_refusal_is_a_success_and_a_web_page_is_none() {
    for kind in [
        "googlechat",
        "lark",
        "mattermost",
        "ntfy",
        "telegram",
        "webex",
        "zulip",
    ] {
        for body in [
            json!({}),
            json!(""),
            json!({"ok": [], "code": {}, "errors": 1, "msg": 2}),
        ] {
            let outcome = answered(kind, None, 200, body).await;
            assert!(
                matches!(outcome, Outcome::Delivered(_)),
                "{kind}: {outcome:?}"
            );
        }
        let page = json!("<!DOCTYPE html><title>Sign in</title>");
        let failure = failure(kind, 200, page).await;
        assert_eq!(failure.class, FailureClass::Misconfigured, "{kind}");
        assert!(
            failure.detail.contains("does the address lead to its API?"),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_secret_in_the_reason_of_a_refusal_is_not_shown() {
    for kind in ["googlechat", "lark", "ntfy", "telegram", "webex", "zulip"] {
        let code = match kind {
            "googlechat" | "zulip" => json!("OTHER"),
            _ => json!(400),
        };
        for key in ["token", "password", "query", "proxypassword"] {
            let reason = format!("no such thing: {}", marked(key));
            let objects = Some(marked_objects(kind));
            for status in [200, 400] {
                let body = refusal(kind, &code, &reason);
                let Outcome::Failed(failure) = answered(kind, objects.clone(), status, body).await
                else {
                    panic!("{kind} passed");
                };
                // Only what this Provider really has is known to be secret.
                let has_it = format!("{objects:?}").contains(&marked(key));
                assert!(failure.detail.contains("no such thing"), "{kind}");
                assert_eq!(
                    leaks(&failure.detail).is_empty(),
                    has_it,
                    "{kind} {key}: {}",
                    failure.detail
                );
            }
        }
    }
}

#[tokio::test]
async fn priorities_of_ntfy_follow_the_severity() {
    let fixture = fixtures::delivered("ntfy");
    for (severity, priority) in [("error", 4), ("info", 3), ("trace", 2)] {
        let mut event = fixture.event.clone();
        event["severity"] = json!(severity);
        let (requests, _) = exchange(&fixture, &event, fixture.responses.clone()).await;
        let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
        assert_eq!(body["priority"], json!(priority), "{severity}");
        assert_eq!(body.get("tags").is_some(), severity == "error");
    }
}
