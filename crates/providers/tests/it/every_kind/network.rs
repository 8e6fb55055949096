//! The real client against real servers: a private CA, a client certificate, a proxy.

use std::sync::Arc;

use domain::Outcome;
use outbound::{Client, ClientSettings};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use testkit::fixture::Fixture;
use testkit::{Answer, Authority, HttpProxy, HttpSink, Pair, ScriptedResponse};
use url::Url;

use super::http_kinds;
use crate::bench::{Bench, describe};
use crate::fixtures;

const SECRET: &str = "network";

fn client() -> Arc<Client> {
    let settings = ClientSettings::new("fanfare/test".parse().unwrap());
    Arc::new(Client::new(settings, &mut Registry::default()))
}

/// Answers a fixture's exchange for real, in order.
fn play(sink: &HttpSink, fixture: &Fixture) {
    sink.answer(Answer::with_body(200, r#"{"ok": true}"#));
    sink.answer_next(fixture.responses.iter().map(answer));
}

fn answer(response: &ScriptedResponse) -> Answer {
    let body = match &response.body {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(json) => json.to_string(),
    };
    let answer = Answer::with_body(response.status.unwrap_or(200), body);
    let headers = response.headers.iter();
    headers.fold(answer, |answer, (name, value)| answer.header(name, value))
}

/// The fixture's objects, their address leading to `origin`, with TLS material.
fn objects_at(fixture: &Fixture, origin: &str, authority: &str, client: &Pair) -> Vec<Value> {
    let origin = Url::parse(origin).unwrap();
    let moved = |address: &Value| {
        let mut url = Url::parse(address.as_str()?).ok()?;
        url.set_host(origin.host_str()).unwrap();
        url.set_port(origin.port()).unwrap();
        Some(json!(url.as_str()))
    };
    let mut objects = fixture.objects.clone();
    for object in &mut objects {
        for holder in ["spec", "stringData"] {
            if let Some(address) = moved(&object[holder]["address"]) {
                object[holder]["address"] = address;
            }
        }
    }
    objects[0]["spec"]["certSecretRef"]["name"] = json!(SECRET);
    objects.push(json!({
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": "apps"},
        "stringData": {"ca.crt": authority, "tls.crt": client.certificate, "tls.key": client.key},
    }));
    objects
}

/// The one host that a type always calls, whatever the address says.
fn fixed_host_of(kind: &str) -> Option<&'static str> {
    (kind == "bitbucket").then_some("api.bitbucket.org")
}

/// The host that is called for a fixture's address.
fn host_of(kind: &str, fixture: &Fixture) -> String {
    let address = fixture
        .objects
        .iter()
        .flat_map(|object| [&object["spec"]["address"], &object["stringData"]["address"]])
        .find_map(|address| Url::parse(address.as_str()?).ok())
        .expect("an address");
    match fixed_host_of(kind).or(address.host_str()).expect("a host") {
        "github.com" => "api.github.com".to_owned(),
        host => host.to_owned(),
    }
}

#[tokio::test]
async fn a_private_ca_and_a_client_certificate_are_used_by_every_type() {
    let authority = Authority::new();
    let server = authority.issue(&["127.0.0.1"]);
    let ours = authority.issue(&["fanfare"]);
    for kind in http_kinds() {
        let fixture = fixtures::delivered(kind.name);
        if fixed_host_of(kind.name).is_some() {
            // It cannot be moved to a server of ours; behind a proxy it can, see below.
            continue;
        }
        let sink = HttpSink::start_tls(&server, Some(&authority.pem)).await;
        play(&sink, &fixture);
        let objects = objects_at(&fixture, &sink.url("/"), &authority.pem, &ours);
        let bench = Bench::new(&objects, client(), Arc::default());
        let outcome = bench.send(&fixture.event).await;
        assert!(
            matches!(outcome, Outcome::Delivered(_)),
            "{}: {}",
            kind.name,
            describe(&outcome)
        );
        let seen = sink.requests();
        assert!(seen.iter().all(|request| request.has_client_certificate));
        assert!(!seen.is_empty(), "{}", kind.name);

        // Without the CA nothing may be sent, and a change of configuration heals it.
        let mut strangers = objects.clone();
        let spec = strangers[0]["spec"].as_object_mut().unwrap();
        spec.remove("certSecretRef");
        bench.apply(&strangers[0]);
        let said = describe(&bench.send(&fixture.event).await);
        assert!(
            said.starts_with("misconfigured: TLS"),
            "{}: {said}",
            kind.name
        );
        assert_eq!(sink.requests().len(), seen.len(), "{}", kind.name);
    }
}

#[tokio::test]
async fn every_type_goes_through_its_proxy_with_and_without_credentials() {
    let authority = Authority::new();
    let ours = authority.issue(&["fanfare"]);
    for kind in http_kinds() {
        let fixture = fixtures::delivered(kind.name);
        let host = host_of(kind.name, &fixture);
        let server = authority.issue(&[&host]);
        for credentials in [None, Some(("bob", "builder"))] {
            let sink = HttpSink::start_tls(&server, None).await;
            play(&sink, &fixture);
            let proxy = HttpProxy::start(sink.address(), credentials).await;
            let objects = objects_through(&fixture, &proxy, credentials, &authority.pem, &ours);
            let bench = Bench::new(&objects, client(), Arc::default());
            let outcome = bench.send(&fixture.event).await;
            assert!(
                matches!(outcome, Outcome::Delivered(_)),
                "{}: {}",
                kind.name,
                describe(&outcome)
            );
            assert!(!sink.requests().is_empty(), "{}", kind.name);
            let asked = proxy.asked();
            assert!(asked.iter().all(|request| request.method == "CONNECT"));
            assert!(
                asked
                    .iter()
                    .any(|request| request.target.starts_with(&host)),
                "{}: {asked:?}",
                kind.name
            );
        }
    }
}

/// The fixture's objects as they are, through a proxy named by a Secret.
fn objects_through(
    fixture: &Fixture,
    proxy: &HttpProxy,
    credentials: Option<(&str, &str)>,
    authority: &str,
    client: &Pair,
) -> Vec<Value> {
    let mut objects = fixture.objects.clone();
    objects[0]["spec"]["certSecretRef"]["name"] = json!(SECRET);
    objects[0]["spec"]["proxySecretRef"]["name"] = json!("proxy");
    let mut data = json!({"address": format!("http://{}\n", proxy.address())});
    if let Some((username, password)) = credentials {
        data["username"] = json!(username);
        data["password"] = json!(password);
    }
    objects.push(json!({
        "kind": "Secret",
        "metadata": {"name": "proxy", "namespace": "apps"},
        "stringData": data,
    }));
    objects.push(json!({
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": "apps"},
        "stringData": {"ca.crt": authority, "tls.crt": client.certificate, "tls.key": client.key},
    }));
    objects
}
