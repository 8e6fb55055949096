//! Calls to GitHub against GitHub's own description of its API, and its examples as answers.

use std::sync::Arc;

use outbound::HttpRequest;
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::{MovableClock, ScriptedTransport};

use crate::bench::{Bench, describe};
use crate::fixtures;
use crate::github_app::key;

#[derive(Deserialize)]
struct Description {
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
struct Operation {
    method: String,
    path: String,
    query: Vec<String>,
    body: Option<Value>,
    body_is_required: bool,
    answer: Answer,
}

#[derive(Deserialize)]
struct Answer {
    status: u16,
    example: Value,
}

fn operations() -> Vec<Operation> {
    let text = include_str!("github_api/operations.json");
    let description: Description = serde_json::from_str(text).unwrap();
    description.operations
}

impl Operation {
    fn is_called_by(&self, request: &HttpRequest) -> bool {
        let parts = |path: &str| -> Vec<String> { path.split('/').map(str::to_owned).collect() };
        let (described, called) = (parts(&self.path), parts(request.url.path()));
        self.method == request.method.as_str()
            && described.len() == called.len()
            && described
                .iter()
                .zip(&called)
                .all(|(described, called)| described.starts_with('{') || described == called)
    }

    /// What the description says against the request.
    fn problems(&self, request: &HttpRequest) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, _) in request.url.query_pairs() {
            if !self.query.iter().any(|known| *known == name) {
                problems.push(format!("query parameter {name}"));
            }
        }
        if request.body.is_empty() {
            if self.body_is_required {
                problems.push("no body".to_owned());
            }
            return problems;
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let schema = self.body.as_ref().expect("a described body");
        for required in schema["required"].as_array().unwrap() {
            if body[required.as_str().unwrap()].is_null() {
                problems.push(format!("{required} is missing"));
            }
        }
        for (name, value) in body.as_object().unwrap() {
            let property = &schema["properties"][name];
            let is_allowed = property["enum"]
                .as_array()
                .is_none_or(|allowed| allowed.contains(value));
            if property["type"] != "string" || !value.is_string() || !is_allowed {
                problems.push(format!("{name}: {value}"));
            }
        }
        problems
    }

    fn answer(&self, example: &Value) -> Value {
        let mut path = self.path.clone();
        for (name, value) in [
            ("{owner}", "octo"),
            ("{repo}", "fleet-infra"),
            ("{ref}", "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1"),
            ("{sha}", "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1"),
            ("{org}", "octo"),
            ("{username}", "octo"),
            ("{installation_id}", "1"),
        ] {
            path = path.replace(name, value);
        }
        json!({
            "method": self.method, "path": path,
            "status": self.answer.status, "body": example,
        })
    }
}

/// Sends an event as an App of an owner, which calls everything we know; an organisation that does
/// not have the App makes it ask for a user.
async fn call(event: &Value, listed: impl Fn(&mut Value)) -> (Vec<HttpRequest>, String) {
    let mut objects = fixtures::delivered("github").objects;
    objects[1]["stringData"] = json!({
        "githubAppID": "1",
        "githubAppInstallationOwner": "octo",
        "githubAppPrivateKey": key().pem,
    });
    let mut responses = Vec::new();
    for operation in operations() {
        let mut example = operation.answer.example.clone();
        if operation.path.starts_with("/orgs/") {
            responses.push(json!({"path": "/orgs/octo/installation", "status": 404}));
        } else if operation.path.ends_with("/commits/{ref}/statuses") {
            listed(&mut example[0]);
        }
        responses.push(operation.answer(&example));
    }
    let clock = Arc::new(MovableClock::default());
    let responses = serde_json::from_value(json!(responses)).unwrap();
    let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), responses));
    let bench = Bench::new(&objects, Arc::clone(&transport) as _, clock);
    let said = describe(&bench.send(event).await);
    let sent = transport.sent().into_iter();
    (sent.map(|sent| sent.request).collect(), said)
}

#[tokio::test]
async fn every_call_is_one_that_github_describes() {
    let mut event = fixtures::delivered("github").event;
    let mut called = Vec::new();
    for (severity, reason) in [
        ("info", "ReconciliationSucceeded"),
        ("error", "BuildFailed"),
    ] {
        event["severity"] = json!(severity);
        event["reason"] = json!(reason);
        let (requests, said) = call(&event, |_| {}).await;
        assert_eq!(said, "delivered");
        for request in requests {
            let operations = operations();
            let operation = operations.iter().find(|one| one.is_called_by(&request));
            let operation = operation.unwrap_or_else(|| panic!("{}", request.url));
            assert_eq!(operation.problems(&request), Vec::<String>::new());
            called.push(operation.path.clone());
        }
    }
    // All of them, so that none is described in vain.
    for operation in operations() {
        assert!(called.contains(&operation.path), "{}", operation.path);
    }
}

#[tokio::test]
async fn an_answer_as_github_gives_it_is_understood() {
    let event = fixtures::delivered("github").event;
    let (requests, said) = call(&event, |status| {
        status["context"] = json!("kustomization/webapp/0c9c2e41");
        status["description"] = json!("reconciliation succeeded");
    })
    .await;
    assert_eq!(said, "delivered before, unchanged");
    assert!(
        requests
            .iter()
            .all(|request| !request.url.path().contains("/fleet-infra/statuses"))
    );
}
