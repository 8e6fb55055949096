//! Tokens for identities: what is asked of whom, and what becomes of the answers.

mod azure;
mod google;
mod isolation;

use std::sync::Arc;

use domain::Outcome;
use providers::Identities;
use serde_json::{Value, json};
use testkit::{MovableClock, ScriptedTransport, SentRequest, ServiceAccounts};

use crate::bench::{Bench, describe};
use crate::fixtures;

/// A Provider in a cloud: everything it may ask answers by script.
pub(crate) struct Cloud {
    pub(crate) bench: Bench,
    /// The way out that everybody uses.
    pub(crate) transport: Arc<ScriptedTransport>,
    /// The way to the metadata service.
    pub(crate) metadata: Arc<ScriptedTransport>,
    pub(crate) accounts: Arc<ServiceAccounts>,
    event: Value,
}

impl Cloud {
    /// The `delivered` fixture of a type with a changed Provider and Secret, an environment, and the
    /// answers of services and of the metadata service.
    pub(crate) fn new(
        objects: &[Value],
        identities: Identities,
        responses: &Value,
        metadata: &Value,
    ) -> Self {
        let clock = Arc::new(MovableClock::default());
        let scripted = |responses: &Value| {
            let responses = serde_json::from_value(responses.clone()).unwrap();
            Arc::new(ScriptedTransport::new(Arc::clone(&clock), responses))
        };
        let transport = scripted(responses);
        let metadata = scripted(metadata);
        let accounts = Arc::new(ServiceAccounts::default());
        let identities = Identities {
            issuer: Arc::clone(&accounts) as _,
            metadata: Some(Arc::clone(&metadata) as _),
            ..identities
        };
        let bench = Bench::with_identities(objects, Arc::clone(&transport) as _, clock, identities);
        Self {
            bench,
            transport,
            metadata,
            accounts,
            event: fixtures::delivered("otel").event,
        }
    }

    pub(crate) async fn send(&self) -> String {
        describe(&self.outcome().await)
    }

    pub(crate) async fn outcome(&self) -> Outcome {
        let mut event = self.event.clone();
        event["metadata"]["event.toolkit.fluxcd.io/commit"] =
            json!("731f7eaddfb6af01cb2173e18f0f75b0ba780ef1");
        self.bench.send(&event).await
    }

    /// Method, URL and credential of each request on the way out.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.transport.sent().iter().map(call).collect()
    }

    /// The same of requests to the metadata service.
    pub(crate) fn metadata_calls(&self) -> Vec<String> {
        self.metadata.sent().iter().map(call).collect()
    }

    /// The fields of a form that was sent, sorted.
    pub(crate) fn form(&self, index: usize) -> Vec<(String, String)> {
        let sent = &self.transport.sent()[index].request;
        assert_eq!(
            sent.headers["content-type"],
            "application/x-www-form-urlencoded"
        );
        url::form_urlencoded::parse(&sent.body)
            .into_owned()
            .collect()
    }
}

fn call(sent: &SentRequest) -> String {
    let request = &sent.request;
    let credential = request.headers.get("authorization");
    let credential = credential.map(|value| format!(" {}", value.to_str().unwrap()));
    format!(
        "{} {}{}",
        request.method,
        request.url,
        credential.unwrap_or_default()
    )
}

/// Pairs as owned texts, for comparing forms.
pub(crate) fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The `delivered` objects of a type with other members of `spec`; `null` removes one.
pub(crate) fn objects_with(kind: &str, spec: &Value) -> Vec<Value> {
    let mut objects = fixtures::delivered(kind).objects;
    let members = objects[0]["spec"].as_object_mut().unwrap();
    for (name, value) in spec.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    objects
}

/// With the gate on.
pub(crate) fn object_level() -> Identities {
    Identities {
        object_level: true,
        ..Identities::default()
    }
}
