//! The recordings of the reference under `conformance/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::exchange::ScriptedResponse;

/// One file of `conformance/outgoing`.
#[derive(Clone, Debug, Deserialize)]
pub struct Recording {
    /// The cases.
    pub cases: Vec<Case>,
}

/// Objects, events, and what went out. `conformance/outgoing/README.md` explains the members.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique in its file.
    pub name: String,
    /// Extra flags of the reference.
    #[serde(default)]
    pub flags: Vec<String>,
    /// Manifests.
    pub objects: Vec<Value>,
    /// The event, if it is one.
    #[serde(default)]
    pub event: Option<Value>,
    /// The events, if they are several.
    #[serde(default)]
    pub events: Vec<Value>,
    /// Statuses of the event server's answers; empty when all are 202.
    #[serde(default)]
    pub event_status: Vec<u16>,
    /// What the receiving side answers.
    #[serde(default)]
    pub responses: Vec<ScriptedResponse>,
    /// The requests, in order.
    pub requests: Vec<RecordedRequest>,
    /// Seconds between consecutive requests.
    #[serde(default)]
    pub gaps_s: Vec<f64>,
    /// Paths of arrays without order.
    #[serde(default)]
    pub unordered: Vec<String>,
    /// Paths of texts whose lines have no order.
    #[serde(default)]
    pub unordered_lines: Vec<String>,
    /// Kubernetes Events of the reference; informational.
    #[serde(default)]
    pub alert_events: Vec<Value>,
    /// What to look at.
    #[serde(default)]
    pub notes: Option<String>,
    /// Why the recorded behaviour may be improved on.
    #[serde(default)]
    pub wart: Option<String>,
}

impl Case {
    /// All events, in order.
    pub fn all_events(&self) -> impl Iterator<Item = &Value> {
        self.event.iter().chain(&self.events)
    }

    /// The objects of a kind.
    pub fn objects_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects
            .iter()
            .filter(move |object| object.get("kind").and_then(Value::as_str) == Some(kind))
    }
}

/// A request that the reference made.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct RecordedRequest {
    /// The method.
    pub method: String,
    /// As on the wire; for other protocols than HTTP it may be missing.
    #[serde(default)]
    pub url: String,
    /// The HTTP proxy it arrived at.
    #[serde(default)]
    pub via_proxy: Option<String>,
    /// The subject of the client certificate that was shown.
    #[serde(default)]
    pub client_cert_subject: Option<String>,
    /// Names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Parsed if it is JSON, else a string.
    #[serde(default)]
    pub body: Option<Value>,
    /// NATS: where it was published.
    #[serde(default)]
    pub subject: Option<String>,
    /// NATS: the options of CONNECT.
    #[serde(default)]
    pub connect: Option<Value>,
    /// The exact bytes.
    #[serde(default)]
    pub body_raw: Option<String>,
    /// Header and claims of a bearer token that is a JWT.
    #[serde(default)]
    pub jwt: Option<Value>,
    /// Pub/Sub: the topic's full name.
    #[serde(default)]
    pub topic: String,
    /// Pub/Sub: the message's attributes.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Event Hubs: the hub.
    #[serde(default)]
    pub entity: String,
    /// Event Hubs: how the connection was authorised.
    #[serde(default)]
    pub put_tokens: Vec<Value>,
    /// Event Hubs: the messages of the batch.
    #[serde(default)]
    pub messages: Vec<Value>,
}

/// A file below `conformance/`.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../conformance")
        .join(name)
}

/// The recording of a type; `None` if there is none.
pub fn outgoing(kind: &str) -> Option<Recording> {
    let path = path(&format!("outgoing/{kind}.json"));
    let text = fs::read_to_string(&path).ok()?;
    let recording = serde_json::from_str(&text);
    Some(recording.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The recorded bodies of real controllers' events, by name.
pub fn real_events() -> BTreeMap<String, String> {
    let mut events = BTreeMap::new();
    for entry in fs::read_dir(path("events")).expect("conformance/events") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a file");
        let event: Value = serde_json::from_str(&text).expect("JSON");
        let text_of = |field: &str| event[field].as_str().expect("a text").to_owned();
        events.insert(text_of("name"), text_of("body_raw"));
    }
    events
}
