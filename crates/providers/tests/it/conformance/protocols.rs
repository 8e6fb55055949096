//! Recordings of other protocols than ours, and of bodies that are no text.
//!
//! The reference speaks gRPC to Pub/Sub and AMQP to Event Hubs; we speak HTTPS to both. What is
//! recorded is turned into the request that says the same over HTTPS.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use providers::Identities;
use serde_json::{Value, json};
use testkit::corpus::{Case, RecordedRequest};
use testkit::{MovableClock, ScriptedResponse, ScriptedTransport, SentRequest, otlp};

use super::differences::{EVENT_HUBS, PUBSUB};

/// Where tokens come from; recordings do not show how the reference logged in.
const LOGINS: [&str; 2] = ["oauth2.googleapis.com", "login.microsoftonline.com"];

fn is_pubsub(case: &Case) -> bool {
    let mut requests = case.requests.iter();
    requests.any(|request| request.method == "Publish")
}

/// The process' identity. What was published was recorded with a switch that does without any.
pub(super) fn identities(case: &Case, clock: &Arc<MovableClock>) -> Identities {
    if !is_pubsub(case) {
        return Identities::default();
    }
    let token = ScriptedResponse {
        body: Some(json!({"access_token": "made-up", "expires_in": 3600})),
        ..ScriptedResponse::default()
    };
    Identities {
        metadata: Some(Arc::new(ScriptedTransport::new(
            Arc::clone(clock),
            vec![token],
        ))),
        ..Identities::default()
    }
}

/// Answers of services whose recordings have none.
pub(super) fn answers(case: &Case) -> Vec<ScriptedResponse> {
    let answer = |host: &str, body: Value| ScriptedResponse {
        host: Some(host.to_owned()),
        body: Some(body),
        ..ScriptedResponse::default()
    };
    if !is_pubsub(case) {
        return Vec::new();
    }
    let token = json!({"access_token": "made-up", "expires_in": 3600, "token_type": "Bearer"});
    vec![
        answer("oauth2.googleapis.com", token),
        answer("pubsub.googleapis.com", json!({"messageIds": ["1"]})),
    ]
}

/// What was sent, without the requests that only log in.
pub(super) fn without_logins(case: &Case, mut sent: Vec<SentRequest>) -> Vec<SentRequest> {
    let shows_logins = case.requests.iter().any(|recorded| {
        LOGINS
            .iter()
            .any(|host| recorded.url.contains(&format!("//{host}/")))
    });
    sent.retain(|sent| {
        let host = sent.request.url.host_str().unwrap_or_default();
        shows_logins || !LOGINS.contains(&host)
    });
    sent
}

/// The request over HTTPS that says what was recorded in another protocol, and the rule that says so.
pub(super) fn over_https(recorded: &RecordedRequest) -> Option<(RecordedRequest, &'static str)> {
    match recorded.method.as_str() {
        "Publish" => Some((publish(recorded), PUBSUB)),
        "SEND" => Some((send(recorded), EVENT_HUBS)),
        _ => None,
    }
}

fn publish(recorded: &RecordedRequest) -> RecordedRequest {
    let mut message = json!({"data": recorded.body});
    if !recorded.attributes.is_empty() {
        message["attributes"] = json!(recorded.attributes);
    }
    RecordedRequest {
        method: "POST".to_owned(),
        url: format!(
            "https://pubsub.googleapis.com/v1/{}:publish",
            recorded.topic
        ),
        headers: BTreeMap::from([
            ("authorization".to_owned(), "Bearer <<token>>".to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
        ]),
        body: Some(json!({"messages": [message]})),
        ..RecordedRequest::default()
    }
}

fn send(recorded: &RecordedRequest) -> RecordedRequest {
    let host = recorded.url.strip_prefix("amqps://").unwrap();
    let host = host.strip_suffix(":5671").unwrap_or(host);
    let put = &recorded.put_tokens[0];
    let authorization = if put["type"] == "jwt" {
        format!("Bearer {}", put["token"].as_str().unwrap())
    } else {
        // The resource is named by another scheme, and expiry and signature follow from that.
        let token = put["token"].as_str().unwrap();
        let (_, name) = token.rsplit_once("&skn=").unwrap();
        format!("SharedAccessSignature sr=<<resource>>&sig=<<hmac>>&se=<<unix>>&skn={name}")
    };
    RecordedRequest {
        method: "POST".to_owned(),
        url: format!("https://{host}/{}/messages", recorded.entity),
        headers: BTreeMap::from([
            ("authorization".to_owned(), authorization),
            ("content-type".to_owned(), "<<content-type>>".to_owned()),
        ]),
        body: Some(recorded.messages[0]["body"].clone()),
        ..RecordedRequest::default()
    }
}

/// A body as the recordings show it; `None` if it is nothing special.
pub(super) fn shown(recorded: &RecordedRequest, ours: &[u8]) -> Option<Value> {
    let content_type = recorded.headers.get("content-type");
    if content_type.is_some_and(|value| value == "application/x-protobuf") {
        return otlp::traces_as_json(ours);
    }
    if recorded.url.ends_with(":publish") {
        let mut body: Value = serde_json::from_slice(ours).ok()?;
        for message in body["messages"].as_array_mut()? {
            let data = STANDARD.decode(message["data"].as_str()?).ok()?;
            message["data"] = serde_json::from_slice(&data).ok()?;
        }
        return Some(body);
    }
    None
}
