//! The rules that every type must obey. The table of types is `kinds::ALL`; what a type is sent with
//! is its fixture `delivered`. Which types a rule is not for, and why, is in `special`.

mod answers;
mod credentials;
mod limits;
mod network;
mod secrecy;
mod special;
pub(crate) mod streams;

use std::sync::Arc;

use api::Provider;
use domain::{Outcome, ValidProvider};
use outbound::HttpRequest;
use providers::kind::Protocol;
use providers::{Directory, ProviderKind, kinds};
use serde_json::{Value, json};
use testkit::fixture::{Fixture, render_request};
use testkit::{MovableClock, ScriptedResponse, ScriptedTransport, yaml};

use crate::bench::{Bench, describe};
use crate::fixtures;

pub(crate) use secrecy::marked_objects;
use special::Rule;

/// The types that speak HTTP.
pub(crate) fn http_kinds() -> impl Iterator<Item = &'static ProviderKind> {
    let all = kinds::ALL.iter().copied();
    all.filter(|kind| kind.protocol == Protocol::Http)
}

/// Sends an event to a fixture's Provider with these answers.
pub(crate) async fn exchange(
    fixture: &Fixture,
    event: &Value,
    responses: Vec<ScriptedResponse>,
) -> (Vec<HttpRequest>, Outcome) {
    let clock = Arc::new(MovableClock::default());
    let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), responses));
    let bench = Bench::new(&fixture.objects, Arc::clone(&transport) as _, clock);
    let outcome = bench.send(event).await;
    let sent = transport.sent().into_iter();
    (sent.map(|sent| sent.request).collect(), outcome)
}

#[test]
fn the_list_is_sorted_and_every_type_is_found_by_its_name() {
    assert!(kinds::ALL.is_sorted_by(|left, right| left.name < right.name));
    for kind in kinds::ALL {
        assert_eq!(kinds::find(kind.name).unwrap().title, kind.title);
    }
    assert!(kinds::find("no-such-type").is_none());
}

#[tokio::test]
async fn rendering_is_deterministic() {
    for kind in http_kinds() {
        let fixture = fixtures::delivered(kind.name);
        let mut renderings = Vec::new();
        for _ in 0..2 {
            let (requests, _) = exchange(&fixture, &fixture.event, fixture.responses.clone()).await;
            assert!(!requests.is_empty(), "{} sent nothing", kind.name);
            let bytes: Vec<_> = requests
                .into_iter()
                .map(|request| (render_request(&request), request.body))
                .collect();
            renderings.push(bytes);
        }
        assert_eq!(renderings[0], renderings[1], "{}", kind.name);
    }
}

#[tokio::test]
async fn an_event_without_any_metadata_is_no_accident() {
    for kind in http_kinds() {
        let fixture = fixtures::delivered(kind.name);
        let mut event = fixture.event.clone();
        event.as_object_mut().unwrap().remove("metadata");
        let event = crate::bench::clean(&event);
        let clock = Arc::new(MovableClock::default());
        let responses = fixture.responses.clone();
        let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), responses));
        let bench = Bench::new(&fixture.objects, Arc::clone(&transport) as _, clock);
        let Some(delivery) = bench.try_plan(&event) else {
            // Types that need a commit or a change request say so; nothing may be sent then.
            let capabilities = kind.capabilities;
            assert!(
                capabilities.commit_status || capabilities.change_request,
                "{}",
                kind.name
            );
            continue;
        };
        let outcome = domain::ports::Courier::deliver(&bench.courier, &delivery, &event, 1).await;
        assert!(
            matches!(outcome, Outcome::Delivered(_)),
            "{}: {}",
            kind.name,
            describe(&outcome)
        );
    }
}

#[test]
fn every_page_has_an_example_that_validates() {
    for kind in kinds::ALL {
        let docs: Vec<&str> = kind
            .page
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        let page = docs.join("\n");
        let example = page
            .split_once("```yaml\n")
            .and_then(|(_, rest)| rest.split_once("```"))
            .unwrap_or_else(|| panic!("{} has no example", kind.name))
            .0;
        let mut is_shown = false;
        for object in yaml::documents(example) {
            let provider = Provider::from_object(Arc::new(object));
            let validated = ValidProvider::validate(&provider, &Directory);
            assert!(validated.problems.is_empty(), "{:?}", validated.problems);
            is_shown |= provider.kind == kind.name || kind.name.starts_with(&provider.kind);
        }
        assert!(is_shown, "{} is not in its own example", kind.name);
    }
}

#[test]
fn addresses_that_are_no_urls_are_refused_before_anything_is_sent() {
    for kind in special::kinds_for(Rule::Address) {
        let fixture = fixtures::delivered(kind.name);
        let mut object = fixture.objects[0].clone();
        object["spec"]["address"] = json!("not a url MARKEDSECRET");
        let provider = Provider::from_object(Arc::new(object));
        let validated = ValidProvider::validate(&provider, &Directory);
        for problem in &validated.problems {
            assert!(!problem.to_string().contains("MARKED"), "{problem}");
        }
        assert!(validated.value.is_none(), "{}", kind.name);
    }
}

#[test]
fn service_accounts_are_refused_with_the_words_of_the_reference() {
    for kind in kinds::ALL {
        let fixture = fixtures::delivered(kind.name);
        let mut object = fixture.objects[0].clone();
        object["spec"]["serviceAccountName"] = json!("sender");
        let provider = Provider::from_object(Arc::new(object));
        let problems = ValidProvider::validate(&provider, &Directory).problems;
        let said = problems
            .iter()
            .any(|problem| problem.message.contains("ObjectLevelWorkloadIdentity"));
        assert!(said, "{}: {problems:?}", kind.name);
    }
}
