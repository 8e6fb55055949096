//! The real client against real servers: a private CA, a client certificate, a proxy.

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::fixture::Fixture;
use testkit::{Answer, Authority, HttpProxy, HttpSink, ScriptedResponse};
use url::Url;

use super::special::{self, Rule};
use crate::bench::{Bench, client, describe};
use crate::fixtures;

const SECRET: &str = "network";

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

/// The fixture's objects, their address leading to `origin`.
fn objects_at(fixture: &Fixture, origin: &str) -> Vec<Value> {
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
    objects
}

/// The same objects, with a Secret of TLS material that the Provider names.
fn with_tls(objects: &[Value], material: &Value) -> Vec<Value> {
    let mut objects = objects.to_vec();
    objects[0]["spec"]["certSecretRef"]["name"] = json!(SECRET);
    objects.push(json!({
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": "apps"},
        "stringData": material,
    }));
    objects
}

/// The same objects, with a Secret of a proxy that the Provider names.
fn with_proxy(
    objects: &[Value],
    proxy: &HttpProxy,
    credentials: Option<(&str, &str)>,
) -> Vec<Value> {
    let mut objects = objects.to_vec();
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
    objects
}

/// The host that is called for a fixture's address.
fn host_of(kind: &str, fixture: &Fixture) -> String {
    let address = fixture
        .objects
        .iter()
        .flat_map(|object| [&object["spec"]["address"], &object["stringData"]["address"]])
        .find_map(|address| Url::parse(address.as_str()?).ok());
    let host = address.as_ref().and_then(Url::host_str);
    match special::fixed_host_of(kind).or(host).expect("a host") {
        "github.com" => "api.github.com".to_owned(),
        host => host.to_owned(),
    }
}

/// What a send with this TLS material comes to.
async fn said_with(fixture: &Fixture, objects: &[Value], material: Option<&Value>) -> String {
    let objects = match material {
        Some(material) => with_tls(objects, material),
        None => objects.to_vec(),
    };
    let bench = Bench::new(&objects, client(), Arc::default());
    describe(&bench.send(&fixture.event).await)
}

#[tokio::test]
async fn a_private_ca_and_a_client_certificate_are_used_by_every_type() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let ours = authority.issue(&["fanfare"]);
    let pair = |ca: &str| json!({"ca.crt": ca, "tls.crt": ours.certificate, "tls.key": ours.key});
    for kind in special::kinds_for(Rule::Http) {
        let name = kind.name;
        let fixture = fixtures::delivered(name);
        let fixed = special::fixed_host_of(name);
        let server = authority.issue(&[fixed.unwrap_or("127.0.0.1"), special::LOGIN_HOST]);
        let sink = HttpSink::start_tls(&server, Some(&authority.pem)).await;
        // What cannot be moved to a server of ours reaches it through a proxy.
        let proxy = HttpProxy::start(sink.address(), None).await;
        let objects = match fixed {
            Some(_) => with_proxy(&fixture.objects, &proxy, None),
            None => objects_at(&fixture, &sink.url("/")),
        };

        for (material, expected) in [
            (None, "misconfigured: TLS"),
            (Some(pair(&stranger.pem)), "misconfigured: TLS"),
            // The server wants a certificate and hangs up; when that shows depends on the version
            // of TLS, and it may be taken for a lost connection.
            (Some(json!({"ca.crt": authority.pem})), ""),
        ] {
            let said = said_with(&fixture, &objects, material.as_ref()).await;
            assert!(said.starts_with(expected), "{name}: {said}");
            assert!(!said.starts_with("delivered"), "{name}: {said}");
            assert!(sink.requests().is_empty(), "{name}");
        }

        play(&sink, &fixture);
        let said = said_with(&fixture, &objects, Some(&pair(&authority.pem))).await;
        assert!(said.starts_with("delivered"), "{name}: {said}");
        let seen = sink.requests();
        assert!(!seen.is_empty(), "{name}");
        assert!(
            seen.iter().all(|request| request.has_client_certificate),
            "{name}"
        );
    }
}

#[tokio::test]
async fn every_type_goes_through_its_proxy_with_and_without_credentials() {
    let authority = Authority::new();
    let material = json!({"ca.crt": authority.pem});
    for kind in special::kinds_for(Rule::Http) {
        let name = kind.name;
        let fixture = fixtures::delivered(name);
        let host = host_of(name, &fixture);
        let server = authority.issue(&[&host, special::LOGIN_HOST]);
        for credentials in [None, Some(("bob", "builder"))] {
            let sink = HttpSink::start_tls(&server, None).await;
            play(&sink, &fixture);
            let proxy = HttpProxy::start(sink.address(), credentials).await;
            let objects = with_proxy(&fixture.objects, &proxy, credentials);
            let said = said_with(&fixture, &objects, Some(&material)).await;
            assert!(said.starts_with("delivered"), "{name}: {said}");
            assert!(!sink.requests().is_empty(), "{name}");
            let asked = proxy.asked();
            assert!(asked.iter().all(|request| request.method == "CONNECT"));
            let is_led = asked
                .iter()
                .any(|request| request.target.starts_with(&host));
            assert!(is_led, "{name}: {asked:?}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_our_credentials_gets_nothing_and_is_named() {
    let authority = Authority::new();
    let material = json!({"ca.crt": authority.pem});
    for kind in special::kinds_for(Rule::Http) {
        let name = kind.name;
        let fixture = fixtures::delivered(name);
        let server = authority.issue(&[&host_of(name, &fixture), special::LOGIN_HOST]);
        let sink = HttpSink::start_tls(&server, None).await;
        let proxy = HttpProxy::start(sink.address(), Some(("bob", "builder"))).await;
        for credentials in [None, Some(("bob", "breaker"))] {
            let objects = with_proxy(&fixture.objects, &proxy, credentials);
            let said = said_with(&fixture, &objects, Some(&material)).await;
            assert!(
                said.contains("proxy authorization required"),
                "{name}: {said}"
            );
            assert!(!said.contains("breaker"), "{name}: {said}");
            assert!(sink.requests().is_empty(), "{name}");
        }
    }
}
