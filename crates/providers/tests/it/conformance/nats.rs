//! NATS servers for the recordings, and what they were told against what was recorded.

use futures::FutureExt;
use futures::future::BoxFuture;
use outbound::{BoxedStream, ConnectReason, HttpError, Route, StreamTarget, StreamTransport};
use serde_json::{Value, json};
use testkit::ScriptedStreams;
use testkit::corpus::{Case, RecordedRequest};
use url::Url;

/// What the recording's server said; its nonce is fixed.
const INFO: &str = "INFO {\"server_id\":\"S\",\"headers\":true,\"nonce\":\"fixed-nonce-000\",\"max_payload\":1048576}\r\n";

/// More attempts than a case makes.
const MOST_CONNECTIONS: usize = 10;

/// Servers at the ports of a case's requests; everything else refuses.
pub(crate) struct Servers {
    ports: Vec<u16>,
    streams: ScriptedStreams,
}

/// A message as it arrived.
pub(crate) struct Published {
    target: StreamTarget,
    connect: Value,
    subject: String,
    payload: Value,
}

pub(crate) fn is_published(request: &RecordedRequest) -> bool {
    request.method == "PUB"
}

fn port_of(request: &RecordedRequest) -> u16 {
    let url = Url::parse(&request.url).unwrap();
    url.port().unwrap_or(4222)
}

impl Servers {
    pub(crate) fn of(case: &Case) -> Self {
        let published = case.requests.iter().filter(|request| is_published(request));
        let turns = [INFO, "PONG\r\n", "PONG\r\n"].map(str::to_owned).to_vec();
        Self {
            ports: published.map(port_of).collect(),
            streams: ScriptedStreams::new(vec![turns; MOST_CONNECTIONS]),
        }
    }

    /// What was published, one message per connection.
    pub(crate) fn published(&self) -> Vec<Published> {
        let sent = String::from_utf8(self.streams.sent()).unwrap();
        let targets = self.streams.targets();
        let connections = sent.split("CONNECT ").skip(1);
        targets
            .into_iter()
            .zip(connections)
            .map(|(target, said)| {
                let lines: Vec<&str> = said.split("\r\n").collect();
                let [connect, "PING", publish, payload, "PING", ""] = lines[..] else {
                    panic!("unexpected: {said}");
                };
                let [verb, subject, length] = publish.split(' ').collect::<Vec<_>>()[..] else {
                    panic!("unexpected: {publish}");
                };
                assert_eq!(verb, "PUB");
                assert_eq!(length, payload.len().to_string());
                Published {
                    target,
                    connect: serde_json::from_str(connect).unwrap(),
                    subject: subject.to_owned(),
                    payload: serde_json::from_str(payload).unwrap(),
                }
            })
            .collect()
    }
}

/// All differences, in words.
pub(crate) fn compare(case: &Case, published: &[Published]) -> Vec<String> {
    let recorded = case.requests.iter().filter(|request| is_published(request));
    let recorded: Vec<&RecordedRequest> = recorded.collect();
    let mut found = Vec::new();
    if recorded.len() != published.len() {
        let (ours, recorded) = (published.len(), recorded.len());
        found.push(format!("{ours} messages, recorded {recorded}"));
    }
    for (recorded, ours) in recorded.into_iter().zip(published) {
        let mut same = |what: &str, recorded: &Value, ours: &Value| {
            if recorded != ours {
                found.push(format!("{what}: {ours}, recorded {recorded}"));
            }
        };
        same("port", &json!(port_of(recorded)), &json!(ours.target.port));
        same("subject", &json!(recorded.subject), &json!(ours.subject));
        same("body", recorded.body.as_ref().unwrap(), &ours.payload);
        let named = |connect: &Value| {
            let mut connect = connect.clone();
            // Which client it is, and of which version.
            connect["lang"] = Value::Null;
            connect["version"] = Value::Null;
            connect
        };
        let connect = recorded.connect.as_ref().unwrap();
        same("connect", &named(connect), &named(&ours.connect));
    }
    found
}

impl StreamTransport for Servers {
    fn connect<'a>(
        &'a self,
        target: &'a StreamTarget,
        route: &'a Route,
    ) -> BoxFuture<'a, Result<BoxedStream, HttpError>> {
        if self.ports.contains(&target.port) {
            return self.streams.connect(target, route);
        }
        let refused = HttpError::Connect {
            endpoint: target.endpoint(),
            reason: ConnectReason::Refused,
        };
        async move { Err(refused) }.boxed()
    }

    fn start_tls<'a>(
        &'a self,
        stream: BoxedStream,
        target: &'a StreamTarget,
        route: &'a Route,
    ) -> BoxFuture<'a, Result<BoxedStream, HttpError>> {
        self.streams.start_tls(stream, target, route)
    }
}
