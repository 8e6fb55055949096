//! Where canaries could turn up, and the destinations that repeat what they are sent.

use serde_json::json;
use testkit::secrets::leaks;
use testkit::{Answer, HttpSink, SeenRequest};

use super::listener::Listener;
use super::plant::Places;

/// What destinations were sent, as they would put it into an error.
fn echo(request: &SeenRequest) -> String {
    let body = String::from_utf8_lossy(&request.body);
    format!("{} {:?} {body}", request.target, request.headers)
}

/// An error in the words of many services at once, so that each type finds its own.
fn complaint(request: &SeenRequest) -> String {
    let echo = echo(request);
    json!({
        "ok": false,
        "code": 19001,
        "msg": echo,
        "error": echo,
        "message": echo,
        "description": echo,
        "detail": echo,
        "status": "invalid event",
        "result": "error",
        "errors": [echo, {"message": echo}],
        "error_description": echo,
    })
    .to_string()
}

impl Places {
    pub(crate) async fn start() -> Self {
        let refusing = async |status: u16| {
            let sink = HttpSink::start().await;
            sink.answer_by(move |request| Answer::with_body(status, complaint(request)));
            sink
        };
        let redirect = HttpSink::start().await;
        redirect.answer_by(|request| {
            let target = format!("http://elsewhere.invalid/{}", request.target);
            Answer::with_body(307, complaint(request)).header("location", &target)
        });
        Self {
            unauthorized: refusing(401).await,
            bad_request: refusing(400).await,
            server_error: refusing(500).await,
            false_success: refusing(200).await,
            redirect,
            listener: Listener::start().await,
        }
    }

    /// Everything that destinations were sent.
    pub(crate) fn sent(&self) -> String {
        let sinks = [
            &self.unauthorized,
            &self.bad_request,
            &self.server_error,
            &self.false_success,
            &self.redirect,
        ];
        sinks
            .iter()
            .flat_map(|sink| sink.requests())
            .map(|request| echo(&request))
            .collect()
    }
}

/// Collects what was seen where, and says at the end where a canary sang.
#[derive(Default)]
pub(crate) struct Search {
    found: Vec<String>,
}

impl Search {
    pub(crate) fn look(&mut self, place: &str, content: &str) {
        assert!(!content.is_empty(), "nothing to search in {place}");
        let found = leaks(content);
        self.found
            .extend(found.into_iter().map(|leak| format!("{place} {leak}")));
    }

    pub(crate) fn end(self) {
        let count = self.found.len();
        let first: Vec<String> = self.found.into_iter().take(30).collect();
        assert!(first.is_empty(), "{count} leaks, such as {first:#?}");
    }
}
