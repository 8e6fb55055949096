//! What PagerDuty and Opsgenie are told when an object fails, recovers, and does so again, with
//! restarts in between.

use std::sync::Arc;
use std::time::Duration;

use domain::Outcome;
use domain::delivery::Remembered;
use domain::ports::Courier as _;
use futures::FutureExt;
use futures::future::BoxFuture;
use outbound::{HttpError, HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};
use serde_json::{Value, json};
use testkit::{MovableClock, ScriptedResponse, ScriptedTransport};

use crate::bench::{Bench, clean, describe};
use crate::fixtures;

struct Scene {
    bench: Bench,
    transport: Arc<ScriptedTransport>,
    seen: usize,
}

impl Scene {
    /// The Provider of a type's fixture, with answers to its requests.
    fn new(kind: &str, answers: &Value) -> Self {
        let clock = Arc::new(MovableClock::default());
        let answers: Vec<ScriptedResponse> = serde_json::from_value(answers.clone()).unwrap();
        let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), answers));
        let objects = fixtures::delivered(kind).objects;
        let bench = Bench::new(&objects, Arc::clone(&transport) as _, clock);
        Self {
            bench,
            transport,
            seen: 0,
        }
    }

    /// Delivers an event; gives the requests that it led to, in a line each.
    async fn tell(&mut self, event: &Value) -> Vec<String> {
        let outcome = self.bench.settle(event).await;
        let said = describe(&outcome);
        assert!(matches!(outcome, Outcome::Delivered(_)), "{said}");
        self.new_requests()
    }

    fn new_requests(&mut self) -> Vec<String> {
        let sent = self.transport.sent().split_off(self.seen);
        self.seen += sent.len();
        let lines = sent.iter().map(|sent| {
            let request = &sent.request;
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
            let words = [
                request.method.to_string(),
                request.url.path().to_owned(),
                request.url.query().unwrap_or_default().to_owned(),
                text("event_action"),
                text("dedup_key"),
                text("message"),
                text("note"),
            ];
            let words = words.iter().filter(|word| !word.is_empty());
            words.cloned().collect::<Vec<_>>().join(" ")
        });
        lines.collect()
    }

    /// The same Provider in another process that kept the store.
    fn restart(self, kind: &str, answers: &Value) -> Self {
        let restarted = Self::new(kind, answers);
        let facts = self.bench.facts.all().into_iter();
        let facts = facts.map(|(key, value)| Remembered { key, value });
        restarted.bench.facts.remember(facts);
        restarted
    }
}

fn event(severity: &str, reason: &str) -> Value {
    let mut event = fixtures::delivered("pagerduty").event;
    event["severity"] = json!(severity);
    event["reason"] = json!(reason);
    event["message"] = json!(reason);
    event
}

fn with_uid(mut event: Value, uid: Option<&str>) -> Value {
    let object = event["involvedObject"].as_object_mut().unwrap();
    object.remove("uid");
    if let Some(uid) = uid {
        object.insert("uid".to_owned(), json!(uid));
    }
    event
}

const UID: &str = "7d0cdc51-ddcf-4743-b223-83ca5c699632";
const CHANGE: &str = "POST /v2/change/enqueue";

fn trigger(key: &str) -> String {
    format!("POST /v2/enqueue trigger {key}")
        .trim_end()
        .to_owned()
}

fn resolve(key: &str) -> String {
    format!("POST /v2/enqueue resolve {key}")
}

#[tokio::test]
async fn pagerduty_is_told_once_that_an_object_is_well_again() {
    let mut scene = Scene::new("pagerduty", &json!([]));
    let well = event("info", "ReconciliationSucceeded");
    // Nobody knows what was opened before us.
    assert_eq!(scene.tell(&well).await, [&resolve(UID), CHANGE]);
    assert_eq!(scene.tell(&well).await, [CHANGE]);
    for reason in ["HealthCheckFailed", "ReconciliationFailed"] {
        assert_eq!(scene.tell(&event("error", reason)).await, [trigger(UID)]);
    }
    let mut scene = scene.restart("pagerduty", &json!([]));
    assert_eq!(scene.tell(&well).await, [&resolve(UID), CHANGE]);
    assert_eq!(scene.tell(&well).await, [CHANGE]);
    // A refresh that says nothing new has nothing to say at all.
    assert_eq!(
        scene.tell(&event("trace", "ArtifactUpToDate")).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn what_is_under_way_leaves_an_incident_open() {
    let mut scene = Scene::new("pagerduty", &json!([]));
    scene.tell(&event("error", "HealthCheckFailed")).await;
    let waiting = event("info", "DependencyNotReady");
    assert_eq!(scene.tell(&waiting).await, [CHANGE]);
    let progressing = clean(&event("info", "Progressing"));
    assert!(scene.bench.try_plan(&progressing).is_none());
    let well = event("info", "ReconciliationSucceeded");
    assert_eq!(scene.tell(&well).await, [&resolve(UID), CHANGE]);
}

#[tokio::test]
async fn an_object_that_was_made_anew_resolves_the_alert_of_the_old_one() {
    let mut scene = Scene::new("pagerduty", &json!([]));
    let failed = event("error", "HealthCheckFailed");
    scene.tell(&with_uid(failed, Some("old"))).await;
    let well = with_uid(event("info", "ReconciliationSucceeded"), Some("new"));
    assert_eq!(scene.tell(&well).await, [&resolve("old"), CHANGE]);
}

#[tokio::test]
async fn objects_without_uid_go_by_the_key_that_pagerduty_made() {
    let answers = json!([
        {"path": "/v2/enqueue", "status": 202, "body": {"status": "success", "dedup_key": "made"}},
    ]);
    let mut scene = Scene::new("pagerduty", &answers);
    let well = with_uid(event("info", "ReconciliationSucceeded"), None);
    // There is nothing to resolve by.
    assert_eq!(scene.tell(&well).await, [CHANGE]);
    let failed = with_uid(event("error", "HealthCheckFailed"), None);
    assert_eq!(scene.tell(&failed).await, [trigger("")]);
    assert_eq!(scene.tell(&failed).await, [trigger("made")]);
    let mut scene = scene.restart("pagerduty", &answers);
    assert_eq!(scene.tell(&well).await, [&resolve("made"), CHANGE]);
}

#[tokio::test]
async fn another_routing_key_is_another_service() {
    let mut scene = Scene::new("pagerduty", &json!([]));
    let well = event("info", "ReconciliationSucceeded");
    scene.tell(&well).await;
    let mut provider = fixtures::delivered("pagerduty").objects[0].clone();
    provider["spec"]["channel"] = json!("ANOTHERROUTINGKEY000000000000000");
    scene.bench.apply(&provider);
    assert_eq!(scene.tell(&well).await, [&resolve(UID), CHANGE]);
    // The channel wins over the Secret.
    let sent = scene.transport.sent();
    let keys = sent.iter().map(|sent| {
        let body: Value = serde_json::from_slice(&sent.request.body).unwrap();
        body["routing_key"].as_str().unwrap().to_owned()
    });
    let keys: Vec<String> = keys.collect();
    assert!(keys[..2].iter().all(|key| key.starts_with("R0FIXTURE")));
    assert!(keys[2..].iter().all(|key| key.starts_with("ANOTHER")));
}

#[tokio::test]
async fn a_change_that_fails_repeats_a_resolve_that_does_no_harm() {
    let answers = json!([
        {"path": "/v2/change/enqueue", "status": 500},
        {"path": "/v2/change/enqueue", "status": 202, "body": {"status": "success"}},
    ]);
    let mut scene = Scene::new("pagerduty", &answers);
    let well = event("info", "ReconciliationSucceeded");
    let said = describe(&scene.bench.settle(&well).await);
    assert!(said.starts_with("server_fault"), "{said}");
    assert_eq!(scene.new_requests(), [&resolve(UID), CHANGE]);
    assert_eq!(scene.tell(&well).await, [&resolve(UID), CHANGE]);
    assert_eq!(scene.tell(&well).await, [CHANGE]);
}

#[tokio::test]
async fn a_wrong_routing_key_is_a_fault_of_the_configuration() {
    for status in [202, 400] {
        let answers = json!([{
            "status": status,
            "body": {
                "status": "invalid event",
                "message": "Event object is invalid",
                "errors": ["'routing_key' is invalid (must be between 1 and 32 characters)"],
            },
        }]);
        let scene = Scene::new("pagerduty", &answers);
        let said = describe(&scene.bench.send(&event("error", "HealthCheckFailed")).await);
        assert!(said.starts_with("misconfigured: "), "{said}");
        assert!(said.contains("invalid event"), "{said}");
    }
}

fn opened(id: &str) -> Value {
    json!({
        "method": "POST", "path": "/v2/alerts", "status": 202,
        "body": {"result": "Request will be processed", "requestId": id},
    })
}

fn became(request: &str, data: &Value) -> Value {
    let path = format!("/v2/alerts/requests/{request}");
    json!({"method": "GET", "path": path, "body": {"data": data}})
}

const OPEN: &str = "POST /v2/alerts Kustomization/webapp";

fn look_up(request: &str) -> String {
    format!("GET /v2/alerts/requests/{request}")
}

fn close(alert: &str) -> String {
    format!("POST /v2/alerts/{alert}/close identifierType=id ReconciliationSucceeded")
}

#[tokio::test]
async fn opsgenie_alerts_are_closed_when_their_object_is_well_again() {
    let answers = json!([
        opened("request-1"),
        opened("request-2"),
        opened("request-3"),
        became(
            "request-1",
            &json!({"isSuccess": true, "alertId": "alert-1"})
        ),
        became(
            "request-2",
            &json!({"isSuccess": true, "alertId": "alert-2"})
        ),
    ]);
    let mut scene = Scene::new("opsgenie", &answers);
    for reason in ["HealthCheckFailed", "ReconciliationFailed"] {
        assert_eq!(scene.tell(&event("error", reason)).await, [OPEN]);
    }
    assert_eq!(scene.tell(&event("info", "Progressing")).await, [OPEN]);
    let mut scene = scene.restart("opsgenie", &answers);
    let well = event("info", "ReconciliationSucceeded");
    assert_eq!(
        scene.tell(&well).await,
        [
            &look_up("request-1"),
            &close("alert-1"),
            &look_up("request-2"),
            &close("alert-2"),
            OPEN
        ]
    );
    assert_eq!(scene.tell(&well).await, [OPEN]);
}

#[tokio::test]
async fn an_alert_that_cannot_be_closed_keeps_no_event_from_being_sent() {
    let answers = |look_up: Value, close: u16| {
        json!([
            opened("request-1"),
            look_up,
            {"method": "POST", "path": "/v2/alerts/alert-1/close", "status": close},
        ])
    };
    let path = "/v2/alerts/requests/request-1";
    let well = event("info", "ReconciliationSucceeded");
    let ready = became(
        "request-1",
        &json!({"isSuccess": true, "alertId": "alert-1"}),
    );
    for (answers, is_closing) in [
        // No permission to read, nothing known, never an alert, no permission to close.
        (
            answers(json!({"method": "GET", "path": path, "status": 403}), 202),
            false,
        ),
        (
            answers(json!({"method": "GET", "path": path, "status": 404}), 202),
            false,
        ),
        (
            answers(became("request-1", &json!({"isSuccess": false})), 202),
            false,
        ),
        (answers(ready, 403), true),
    ] {
        let mut scene = Scene::new("opsgenie", &answers);
        scene.tell(&event("error", "HealthCheckFailed")).await;
        let mut expected = vec![look_up("request-1")];
        expected.extend(is_closing.then(|| close("alert-1")));
        expected.push(OPEN.to_owned());
        assert_eq!(scene.tell(&well).await, expected);
        // And it is not tried again.
        assert_eq!(scene.tell(&well).await, [OPEN]);
    }
}

#[tokio::test]
async fn an_alert_that_opsgenie_is_still_opening_is_closed_next_time() {
    let answers = json!([
        opened("request-1"),
        became("request-1", &json!({})),
        became(
            "request-1",
            &json!({"isSuccess": true, "alertId": "alert-1"})
        ),
    ]);
    let mut scene = Scene::new("opsgenie", &answers);
    scene.tell(&event("error", "HealthCheckFailed")).await;
    let well = event("info", "ReconciliationSucceeded");
    let first = look_up("request-1");
    assert_eq!(scene.tell(&well).await, [&first, OPEN]);
    assert_eq!(scene.tell(&well).await, [&first, &close("alert-1"), OPEN]);
}

#[tokio::test]
async fn a_service_that_is_down_while_closing_opens_nothing_twice() {
    let answers = json!([
        opened("request-1"),
        {"method": "GET", "path": "/v2/alerts/requests/request-1", "status": 503},
        became("request-1", &json!({"isSuccess": true, "alertId": "alert-1"})),
    ]);
    let mut scene = Scene::new("opsgenie", &answers);
    scene.tell(&event("error", "HealthCheckFailed")).await;
    let well = event("info", "ReconciliationSucceeded");
    let said = describe(&scene.bench.settle(&well).await);
    assert!(
        said.starts_with("server_fault: closing the alert: "),
        "{said}"
    );
    let first = look_up("request-1");
    assert_eq!(scene.new_requests(), [&*first]);
    assert_eq!(scene.tell(&well).await, [&first, &close("alert-1"), OPEN]);
}

/// A service that takes its time, one second for every answer.
struct Slow(Arc<ScriptedTransport>);

impl HttpTransport for Slow {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        route: &'a Route,
        options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.0.send(request, route, options).await
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn many_alerts_are_closed_over_several_recoveries_and_none_of_these_is_late() {
    const ALERTS: usize = 10;
    let mut answers: Vec<Value> = (0..ALERTS)
        .map(|number| opened(&number.to_string()))
        .collect();
    answers.extend((0..ALERTS).map(|number| {
        let request = number.to_string();
        became(
            &request,
            &json!({"isSuccess": true, "alertId": format!("alert-{number}")}),
        )
    }));
    let clock = Arc::new(MovableClock::default());
    let answers = serde_json::from_value(json!(answers)).unwrap();
    let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), answers));
    let objects = fixtures::delivered("opsgenie").objects;
    let slow = Arc::new(Slow(Arc::clone(&transport)));
    let bench = Bench::new(&objects, slow, clock);
    let mut scene = Scene {
        bench,
        transport,
        seen: 0,
    };
    for _ in 0..ALERTS {
        scene.tell(&event("error", "HealthCheckFailed")).await;
    }
    let well = event("info", "ReconciliationSucceeded");
    let mut closed = Vec::new();
    for _ in 0..ALERTS {
        let requests = scene.tell(&well).await;
        assert_eq!(requests.last().unwrap(), OPEN);
        let closing = requests.iter().filter(|line| line.contains("/close "));
        let before = closed.len();
        closed.extend(closing.cloned());
        // An attempt has 15 seconds, and closing takes two requests.
        assert!(closed.len() - before <= 5);
    }
    let all: Vec<String> = (0..ALERTS)
        .map(|number| close(&format!("alert-{number}")))
        .collect();
    assert_eq!(closed, all);
}

#[tokio::test]
async fn what_is_remembered_of_an_object_that_never_recovers_is_bounded() {
    for kind in ["alertmanager", "opsgenie", "pagerduty"] {
        let answers: Vec<Value> = (0..100)
            .map(|number| json!({"body": {"requestId": format!("r{number}")}}))
            .collect();
        let scene = Scene::new(kind, &json!(answers));
        for number in 0..100 {
            let failed = event("error", &format!("Reason{number}"));
            let failed = with_uid(failed, Some(&number.to_string()));
            let event = clean(&failed);
            let delivery = scene.bench.try_plan(&event).unwrap();
            let outcome = scene.bench.courier.deliver(&delivery, &event, 1).await;
            let Outcome::Delivered(receipt) = outcome else {
                panic!("{kind}: {}", describe(&outcome));
            };
            scene.bench.facts.remember(receipt.remember);
        }
        let facts = scene.bench.facts.all();
        assert_eq!(facts.len(), 1, "{kind}");
        let value = facts.values().next().unwrap();
        let list: Vec<Value> = serde_json::from_str(value).unwrap();
        assert!(list.len() <= 64, "{kind}: {}", list.len());
        assert!(value.contains("99"), "{kind}: the newest are kept");
    }
}
