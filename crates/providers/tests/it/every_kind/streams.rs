//! The rules for types that do not speak HTTP, against the other side of their fixtures.

use std::sync::Arc;

use domain::Outcome;
use domain::delivery::FailureClass;
use providers::kind::Protocol;
use providers::{ProviderKind, kinds};
use serde_json::{Value, json};
use testkit::fixture::Fixture;
use testkit::secrets::{leaks, marked};
use testkit::streams::{ECHO, Turns};
use testkit::{MovableClock, ScriptedStreams, ScriptedTransport};

use super::marked_objects;
use crate::bench::{Bench, describe};
use crate::fixtures;

fn stream_kinds() -> impl Iterator<Item = &'static ProviderKind> {
    let all = kinds::ALL.iter().copied();
    all.filter(|kind| kind.protocol != Protocol::Http)
}

fn bench(objects: &[Value], streams: &Arc<ScriptedStreams>) -> Bench {
    let clock = Arc::new(MovableClock::default());
    let transport = ScriptedTransport::new(Arc::clone(&clock), Vec::new());
    Bench::with_streams(
        objects,
        Arc::new(transport),
        Arc::clone(streams) as _,
        clock,
    )
}

/// Sends an event to a fixture's Provider; gives what was said and what came of it.
pub(crate) async fn exchange(fixture: &Fixture, event: &Value) -> (String, Outcome) {
    let streams = Arc::new(ScriptedStreams::new(fixture.turns.clone()));
    let bench = bench(&fixture.objects, &streams);
    let outcome = bench.send(event).await;
    (streams.dialogue(), outcome)
}

/// The first turns of the fixture, then another one.
fn cut(fixture: &Fixture, turns: usize, then: Option<&str>) -> Vec<Turns> {
    let mut connection: Turns = fixture.turns[0][..turns].to_vec();
    connection.extend(then.map(str::to_owned));
    vec![connection]
}

#[tokio::test]
async fn what_is_said_is_deterministic() {
    for kind in stream_kinds() {
        let fixture = fixtures::delivered(kind.name);
        let first = exchange(&fixture, &fixture.event).await;
        assert_eq!(
            first,
            exchange(&fixture, &fixture.event).await,
            "{}",
            kind.name
        );
    }
}

#[tokio::test]
async fn a_connection_that_is_refused_or_lost_at_any_point_is_tried_again() {
    for kind in stream_kinds() {
        let fixture = fixtures::delivered(kind.name);
        // Hanging up after everything was confirmed loses nothing.
        for turns in 0..fixture.turns[0].len() - 1 {
            let streams = Arc::new(ScriptedStreams::new(cut(&fixture, turns, None)));
            let outcome = bench(&fixture.objects, &streams).send(&fixture.event).await;
            let Outcome::Failed(failure) = outcome else {
                panic!("{} delivered after {turns} turns", kind.name);
            };
            let class = failure.class;
            assert_eq!(
                class,
                FailureClass::Unreachable,
                "{}: {failure:?}",
                kind.name
            );
        }
        let streams = Arc::new(ScriptedStreams::default());
        let outcome = bench(&fixture.objects, &streams).send(&fixture.event).await;
        let said = describe(&outcome);
        assert!(said.starts_with("unreachable: connecting to"), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_other_side_ends_with_the_time_of_the_attempt() {
    for kind in stream_kinds() {
        let fixture = fixtures::delivered(kind.name);
        for turns in 0..fixture.turns[0].len() {
            let start = tokio::time::Instant::now();
            let streams = Arc::new(ScriptedStreams::that_hang(cut(&fixture, turns, None)));
            let outcome = bench(&fixture.objects, &streams).send(&fixture.event).await;
            let said = describe(&outcome);
            assert!(
                said.starts_with("unreachable: "),
                "{} {turns}: {said}",
                kind.name
            );
            let taken = start.elapsed();
            assert!(
                taken.as_secs_f64() < 15.1,
                "{} {turns}: {taken:?}",
                kind.name
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_nats_server_leaves_time_for_the_next_one() {
    let fixture = fixtures::of("nats")
        .into_iter()
        .find(|one| one.name == "second-server");
    let fixture = fixture.unwrap();
    let connections = vec![Turns::new(), fixture.turns[1].clone()];
    let streams = Arc::new(ScriptedStreams::that_hang(connections));
    let outcome = bench(&fixture.objects, &streams).send(&fixture.event).await;
    assert_eq!(describe(&outcome), "delivered");
    assert_eq!(streams.targets().len(), 2);
}

#[tokio::test]
async fn check_and_a_failed_delivery_use_the_same_words() {
    for kind in stream_kinds() {
        let fixture = fixtures::delivered(kind.name);
        for (field, value) in [("address", "gopher://x"), ("channel", " "), ("address", "")] {
            let mut object = fixture.objects[0].clone();
            object["spec"][field] = json!(value);
            object["spec"].as_object_mut().unwrap().remove("secretRef");
            let provider = api::Provider::from_object(Arc::new(object.clone()));
            let problems = (kind.check)(&provider);
            let wanted = format!("spec.{field}");
            let problem = problems.iter().find(|problem| problem.path == wanted);
            let problem = problem.unwrap_or_else(|| panic!("{} {field}: {problems:?}", kind.name));
            assert!(problem.is_error());

            let bench = bench(&fixture.objects, &Arc::default());
            let event = crate::bench::clean(&fixture.event);
            let delivery = bench.try_plan(&event).unwrap();
            bench.apply(&object);
            let delivering = domain::ports::Courier::deliver(&bench.courier, &delivery, &event, 1);
            let said = describe(&delivering.await);
            assert!(said.contains(&problem.message), "{said}");
            assert!(said.starts_with("misconfigured: "), "{said}");
        }
    }
}

#[tokio::test]
async fn nonsense_from_the_other_side_is_a_failure_at_every_turn() {
    for kind in stream_kinds() {
        let fixture = fixtures::delivered(kind.name);
        for nonsense in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            "\u{0}\u{1}é\r\n",
            "2\r\n",
            "99é x\r\n",
        ] {
            for turns in 0..fixture.turns[0].len() - 1 {
                let script = cut(&fixture, turns, Some(nonsense));
                let streams = Arc::new(ScriptedStreams::new(script));
                let outcome = bench(&fixture.objects, &streams).send(&fixture.event).await;
                let said = format!("{} {turns} {nonsense:?}", kind.name);
                assert!(matches!(outcome, Outcome::Failed(_)), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn events_of_any_shape_are_delivered() {
    for kind in stream_kinds() {
        let fixture = fixtures::delivered(kind.name);
        let mut bare = fixture.event.clone();
        bare.as_object_mut().unwrap().remove("metadata");
        let mut long = fixture.event.clone();
        long["message"] = json!("🚨é\n.\r\n".repeat(20_000));
        let mut hostile = fixture.event.clone();
        hostile["reason"] = json!("A\r\nBcc: x@example.com\r\n\r\nB");
        hostile["involvedObject"]["name"] = json!("a\r\nPUB b 0\r\n");
        hostile["metadata"]["event.toolkit.fluxcd.io/\r\nX-Key"] = json!("\r\n.\r\nQUIT\r\n");
        for event in [bare, long, hostile] {
            let (_, outcome) = exchange(&fixture, &event).await;
            let said = describe(&outcome);
            assert!(
                matches!(outcome, Outcome::Delivered(_)),
                "{}: {said}",
                kind.name
            );
        }
    }
}

#[tokio::test]
async fn secrets_that_are_sent_back_leak_nowhere() {
    for kind in stream_kinds() {
        let objects = marked_objects(kind.name);
        let fixture = fixtures::delivered(kind.name);
        for turns in 0..fixture.turns[0].len() {
            for error in ["-ERR '", "535 5.7.8 ", "451 ", "INFO {\"x\":\""] {
                let echo = format!("{error}{ECHO}\r\n");
                let script = cut(&fixture, turns, Some(&echo));
                let streams = Arc::new(ScriptedStreams::new(script));
                let outcome = bench(&objects, &streams).send(&fixture.event).await;
                let shown = format!("{} {outcome:?}", describe(&outcome));
                assert_eq!(leaks(&shown), Vec::<String>::new(), "{} {turns}", kind.name);
            }
        }
    }
}

#[tokio::test]
async fn nats_credentials_that_are_sent_back_leak_nowhere() {
    const SEED: &str = "SUAC7QAMOM5FKGJ5TT4YL7WWCNWFINGJLZMHADIZIEG6HPSFRQPEMA32EY";
    const JWT: &str =
        "eyJtYXJrZWQtand0LWhlYWRlciI.eyJtYXJrZWQtand0LWNsYWltcyI.bWFya2VkLWp3dC1zaWduYXR1cmU";
    let creds = format!(
        "-----BEGIN NATS USER JWT-----\n{JWT}\n------END NATS USER JWT------\n\
         -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
    );
    let fixture = fixtures::delivered("nats");
    for (secret, address, hidden) in [
        (json!({"creds": creds}), "nats://a.example.com", JWT),
        (json!({"nkey": SEED}), "nats://a.example.com", SEED),
        (
            json!({"token": "marked-token-1"}),
            "nats://a.example.com",
            "marked-token-1",
        ),
        (
            json!({}),
            "nats://b,nats://someone:marked-password-1@a.example.com",
            "marked-password-1",
        ),
        (
            json!({"address": "b,marked-token-2@a.example.com"}),
            "",
            "marked-token-2",
        ),
    ] {
        let mut objects = fixture.objects.clone();
        objects[0]["spec"]["address"] = json!(address);
        objects[1]["stringData"] = secret;
        let info = "INFO {\"nonce\":\"abc\",\"headers\":true}\r\n".to_owned();
        let turns = vec![info, format!("-ERR 'Authorization Violation {ECHO}'\r\n")];
        let streams = Arc::new(ScriptedStreams::new(vec![turns.clone(), turns]));
        let outcome = bench(&objects, &streams).send(&fixture.event).await;
        let said = describe(&outcome);
        assert!(said.starts_with("misconfigured: "), "{said}");
        assert!(said.contains("Authorization Violation CONNECT"), "{said}");
        assert!(!said.contains(hidden), "{said}");
    }
}

#[tokio::test]
async fn broken_credentials_are_named_and_never_shown() {
    for kind in stream_kinds() {
        for (key, value) in [
            (
                "address",
                format!("nats://x/{}", marked("path").repeat(200)),
            ),
            ("proxy", format!("ftp://{}", marked("host"))),
        ] {
            let mut objects = marked_objects(kind.name);
            objects[0]["spec"]["secretRef"]["name"] = json!("broken");
            objects.push(json!({
                "kind": "Secret",
                "metadata": {"name": "broken", "namespace": "apps"},
                "stringData": {key: value, "token": marked("token")},
            }));
            let streams = Arc::new(ScriptedStreams::default());
            let event = fixtures::delivered(kind.name).event;
            let said = describe(&bench(&objects, &streams).send(&event).await);
            let names_it = said.contains("secret `apps/broken`") && said.contains(key);
            assert!(names_it, "{} {key}: {said}", kind.name);
            assert_eq!(leaks(&said), Vec::<String>::new(), "{}", kind.name);
        }
    }
}
