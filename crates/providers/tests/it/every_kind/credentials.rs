//! Where credentials and addresses may stand, and what may surround them.

use serde_json::{Value, json};
use testkit::fixture::{Fixture, render_request};
use url::Url;

use super::exchange;
use super::special::{self, Rule};
use crate::bench::describe;
use crate::fixtures;

/// The requests that a fixture with these objects leads to, as text.
async fn requests_of(fixture: &Fixture, objects: Vec<Value>) -> Vec<String> {
    let mut fixture = fixture.clone();
    fixture.objects = objects;
    let (requests, outcome) = exchange(&fixture, &fixture.event, fixture.responses.clone()).await;
    let requests: Vec<String> = requests
        .iter()
        .map(|request| format!("{}{:?}", render_request(request), request.body))
        .collect();
    assert!(!requests.is_empty(), "{}", describe(&outcome));
    requests
}

/// The objects of a fixture, the Provider first and a Secret that it names second.
fn with_secret(fixture: &Fixture) -> Vec<Value> {
    let mut objects = fixture.objects.clone();
    if objects.len() < 2 {
        objects[0]["spec"]["secretRef"] = json!({"name": "made-for-this"});
        objects.push(json!({
            "kind": "Secret",
            "metadata": {"name": "made-for-this", "namespace": "apps"},
            "stringData": {"unused": "but there"},
        }));
    }
    objects
}

#[tokio::test]
async fn a_line_end_behind_a_credential_does_no_harm() {
    let mut seen = 0;
    for kind in special::kinds_for(Rule::TrimmedToken) {
        let fixture = fixtures::delivered(kind.name);
        let mut objects = fixture.objects.clone();
        for secret in objects
            .iter_mut()
            .filter(|object| object["kind"] == "Secret")
        {
            for value in secret["stringData"].as_object_mut().unwrap().values_mut() {
                *value = json!(format!("{}\r\n", value.as_str().unwrap()));
                seen += 1;
            }
        }
        let plain = requests_of(&fixture, fixture.objects.clone()).await;
        assert_eq!(requests_of(&fixture, objects).await, plain, "{}", kind.name);
    }
    assert!(seen > 10, "{seen} values");
}

/// Takes the address from wherever it stands.
fn taken_address(objects: &mut [Value]) -> String {
    let mut taken = None;
    for (object, holder) in objects.iter_mut().zip(["spec", "stringData"]) {
        let address = object[holder].as_object_mut().unwrap().remove("address");
        taken = taken.or(address);
    }
    let address = taken.expect("an address");
    address.as_str().unwrap().to_owned()
}

/// An address of the same form that leads elsewhere.
fn another(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else {
        // A name, or a connection string that ends with one.
        return format!("{address}-other");
    };
    url.set_host(Some("elsewhere.example.com")).unwrap();
    url.into()
}

#[tokio::test]
async fn an_address_may_stand_in_the_provider_or_in_the_secret_which_wins() {
    for kind in special::kinds_for(Rule::Address) {
        let fixture = fixtures::delivered(kind.name);
        let expected = requests_of(&fixture, fixture.objects.clone()).await;
        let mut bare = with_secret(&fixture);
        let address = taken_address(&mut bare);
        let other = another(&address);
        for (in_provider, in_secret) in [
            (Some(address.as_str()), None),
            (None, Some(address.as_str())),
            (Some(other.as_str()), Some(address.as_str())),
        ] {
            let mut objects = bare.clone();
            if let Some(address) = in_provider {
                objects[0]["spec"]["address"] = json!(address);
            }
            if let Some(address) = in_secret {
                objects[1]["stringData"]["address"] = json!(format!("{address}\n"));
            }
            assert_eq!(
                requests_of(&fixture, objects).await,
                expected,
                "{}",
                kind.name
            );
        }
    }
}
