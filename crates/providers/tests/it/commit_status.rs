//! What the types that write commit statuses remember, ask and post.

use std::sync::Arc;
use std::time::Duration;

use domain::Outcome;
use domain::delivery::Remembered;
use domain::ports::Courier as _;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use outbound::{HttpError, HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};
use serde_json::{Value, json};
use testkit::{MovableClock, ScriptedResponse, ScriptedTransport};

use crate::bench::{Bench, clean, describe};
use crate::fixtures;

const ID: &str = "kustomization/webapp/0c9c2e41";

fn kinds() -> impl Iterator<Item = &'static str> {
    let all = providers::kinds::ALL.iter();
    all.filter(|kind| kind.capabilities.commit_status)
        .map(|kind| kind.name)
}

struct Scripted {
    bench: Bench,
    transport: Arc<ScriptedTransport>,
}

impl Scripted {
    /// The Provider of a type's fixture, with answers.
    fn new(kind: &str, responses: Vec<ScriptedResponse>) -> Self {
        let clock = Arc::new(MovableClock::default());
        let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), responses));
        let objects = fixtures::delivered(kind).objects;
        let bench = Bench::new(&objects, Arc::clone(&transport) as _, clock);
        Self { bench, transport }
    }

    async fn attempt(&self, event: &Value, attempt: u32) -> Outcome {
        let event = clean(event);
        let delivery = self.bench.try_plan(&event).expect("a delivery");
        let outcome = self.bench.courier.deliver(&delivery, &event, attempt).await;
        if let Outcome::Delivered(receipt) = &outcome {
            self.bench.facts.remember(receipt.remember.clone());
        }
        outcome
    }

    /// Methods of the requests sent so far, one letter each; questions about the service itself,
    /// `OPTIONS` and versions, left out.
    fn methods(&self) -> String {
        let sent = self.transport.sent();
        let requests = sent
            .iter()
            .map(|sent| &sent.request)
            .filter(|request| !request.url.path().ends_with("/version"));
        requests
            .map(|request| request.method.as_str())
            .filter(|method| *method != "OPTIONS")
            .filter_map(|method| method.chars().next())
            .collect()
    }

    fn last_url(&self) -> String {
        let sent = self.transport.sent();
        sent.last().expect("a request").request.url.to_string()
    }
}

fn answers(answers: &Value) -> Vec<ScriptedResponse> {
    serde_json::from_value(answers.clone()).unwrap()
}

fn failing(event: &Value) -> Value {
    let mut event = event.clone();
    event["severity"] = json!("error");
    event["reason"] = json!("HealthCheckFailed");
    event
}

/// T12, T39.
#[tokio::test]
async fn what_was_posted_costs_no_call_even_after_a_restart() {
    for kind in kinds() {
        let fixture = fixtures::delivered(kind);
        let before = Scripted::new(kind, fixture.responses.clone());
        let outcome = before.attempt(&fixture.event, 1).await;
        assert_eq!(describe(&outcome), "delivered", "{kind}");
        assert_eq!(before.methods(), "GP", "{kind}");

        let after = Scripted::new(kind, Vec::new());
        let facts = before.bench.facts.all().into_iter();
        let facts = facts.map(|(key, value)| Remembered { key, value });
        after.bench.facts.remember(facts);
        for _ in 0..3 {
            let outcome = after.attempt(&fixture.event, 1).await;
            assert_eq!(describe(&outcome), "delivered before, unchanged", "{kind}");
        }
        assert_eq!(after.methods(), "", "{kind}");

        // Fail, recover: each is posted at once, and what is remembered is the last one.
        for (event, sent) in [
            (failing(&fixture.event), "P"),
            (fixture.event.clone(), "PP"),
            (fixture.event.clone(), "PP"),
        ] {
            after.attempt(&event, 1).await;
            assert_eq!(after.methods(), sent, "{kind}");
        }
    }
}

/// T36.
#[tokio::test]
async fn nothing_secret_is_remembered() {
    for kind in kinds() {
        let fixture = fixtures::delivered(kind);
        let scripted = Scripted::new(kind, fixture.responses.clone());
        scripted.attempt(&fixture.event, 1).await;
        let facts = format!("{:?}", scripted.bench.facts.all());
        for secret in fixture.objects.iter().filter(|one| one["kind"] == "Secret") {
            for value in secret["stringData"].as_object().unwrap().values() {
                assert!(!facts.contains(value.as_str().unwrap()), "{kind}: {facts}");
            }
        }
        assert!(!scripted.bench.facts.all().is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn when_asking_keeps_failing_the_status_is_posted_all_the_same() {
    for kind in kinds() {
        for (status, attempts) in [(403, "GP"), (500, "GGGP"), (400, "GGGP")] {
            let responses = answers(&json!([
                {"method": "OPTIONS", "status": status},
                {"method": "GET", "status": status},
                {"method": "POST", "status": 201},
            ]));
            let scripted = Scripted::new(kind, responses);
            let event = fixtures::delivered(kind).event;
            let last = u32::try_from(attempts.len()).unwrap();
            for attempt in 1..=last {
                let outcome = scripted.attempt(&event, attempt).await;
                let said = describe(&outcome);
                if attempt < last {
                    assert!(said.contains("looking up the commit status"), "{said}");
                } else {
                    assert_eq!(said, "delivered", "{kind} {status}");
                }
            }
            assert!(scripted.methods().ends_with('P'), "{kind} {status}");
            assert_eq!(scripted.methods().matches('P').count(), 1, "{kind}");
        }
    }
}

/// T21.
#[tokio::test]
async fn a_host_that_throttles_look_ups_is_sent_nothing_else() {
    for kind in kinds() {
        let responses = answers(&json!([{"status": 429, "headers": {"retry-after": "60"}}]));
        let scripted = Scripted::new(kind, responses);
        let event = fixtures::delivered(kind).event;
        for attempt in [1, 4, 50] {
            let outcome = scripted.attempt(&event, attempt).await;
            let said = describe(&outcome);
            assert!(
                said.starts_with("throttled, again after 60s"),
                "{kind}: {said}"
            );
        }
        assert!(!scripted.methods().contains('P'), "{kind}");
    }
}

/// Never answers look-ups, and takes its time for the rest.
struct Hanging(Arc<ScriptedTransport>);

impl HttpTransport for Hanging {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        route: &'a Route,
        options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        if request.method == Method::POST {
            return async move {
                tokio::time::sleep(Duration::from_secs(5)).await;
                self.0.send(request, route, options).await
            }
            .boxed();
        }
        futures::future::pending().boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn look_ups_that_hang_leave_time_to_post() {
    for kind in kinds() {
        let fixture = fixtures::delivered(kind);
        let clock = Arc::new(MovableClock::default());
        let posts = Arc::new(ScriptedTransport::new(Arc::clone(&clock), Vec::new()));
        let hanging = Arc::new(Hanging(Arc::clone(&posts)));
        let bench = Bench::new(&fixture.objects, hanging, clock);
        let event = clean(&fixture.event);
        let delivery = bench.try_plan(&event).unwrap();
        for (attempt, said, count) in [(3, "unreachable: no complete", 0), (4, "delivered", 1)] {
            let began = tokio::time::Instant::now();
            let outcome = bench.courier.deliver(&delivery, &event, attempt).await;
            let outcome = describe(&outcome);
            assert!(outcome.starts_with(said), "{kind}: {outcome}");
            assert_eq!(posts.sent().len(), count, "{kind}");
            assert!(began.elapsed() <= Duration::from_secs(15), "{kind}");
        }
    }
}

fn github(context: &str, number: usize) -> Value {
    json!({
        "id": number, "context": context, "state": "success",
        "description": "reconciliation succeeded",
    })
}

/// T39.
#[tokio::test]
async fn github_lists_are_read_until_our_status_shows() {
    let host = "https://api.github.com";
    let path = "/repositories/1/statuses/731f7eaddfb6af01cb2173e18f0f75b0ba780ef1";
    let others: Vec<Value> = (0..50).map(|number| github("ci/other", number)).collect();
    let page = |query: &str, body: &Value, next: &str| {
        let link =
            format!("<{host}{path}?{next}>; rel=\"next\", <{host}{path}?page=9>; rel=\"last\"");
        json!({"method": "GET", "query": query, "body": body, "headers": {"link": link}})
    };
    for (last, methods) in [
        (json!([github("ci/other", 1), github(ID, 2)]), "GGG"),
        (json!([github(&ID.to_uppercase(), 2)]), "GGG"),
        (json!([github("ci/other", 1)]), "GGGP"),
    ] {
        let scripted = Scripted::new(
            "github",
            answers(&json!([
                page("per_page=50", &json!(others), "per_page=50&page=2"),
                page("per_page=50&page=2", &json!(others), "per_page=50&page=3"),
                {"method": "GET", "query": "per_page=50&page=3", "body": last},
                {"method": "POST", "status": 201},
            ])),
        );
        let event = fixtures::delivered("github").event;
        let outcome = scripted.attempt(&event, 1).await;
        assert!(matches!(outcome, Outcome::Delivered(_)));
        assert_eq!(scripted.methods(), methods);
    }
}

#[tokio::test]
async fn lists_that_never_end_or_lead_elsewhere_are_left() {
    for (next, pages) in [
        ("https://api.github.com/again", 20),
        ("https://attacker.example/", 1),
        ("http://api.github.com/again", 1),
    ] {
        let link = format!("<{next}>; rel=\"next\"");
        let responses = answers(&json!([
            {"method": "GET", "body": [github("ci/other", 1)], "headers": {"link": link}},
            {"method": "POST", "status": 201},
        ]));
        let scripted = Scripted::new("github", responses);
        let event = fixtures::delivered("github").event;
        assert_eq!(describe(&scripted.attempt(&event, 1).await), "delivered");
        assert_eq!(scripted.methods(), "G".repeat(pages) + "P");
        let sent = scripted.transport.sent();
        let is_ours = |url: &url::Url| url.as_str().starts_with("https://api.github.com/");
        assert!(sent.iter().all(|sent| is_ours(&sent.request.url)));
    }
}

fn gitlab(id: u64, status: &str) -> Value {
    json!({
        "id": id, "name": ID, "status": status, "description": "reconciliation succeeded",
    })
}

/// T39.
#[tokio::test]
async fn gitlab_lists_are_read_to_the_end_and_the_newest_counts() {
    let path = "/api/v4/projects/octo%2Ffleet-infra/repository/commits/\
                731f7eaddfb6af01cb2173e18f0f75b0ba780ef1/statuses";
    let name = "name=kustomization%2Fwebapp%2F0c9c2e41";
    let link = |page: u32| format!("<https://gitlab.com{path}?{name}&page={page}>; rel=\"next\"");
    // By number, as everywhere, and by link alone, as a proxy may leave it.
    let by_number =
        |page: &str| json!({"x-next-page": page, "link": "<https://x.test/>; rel=next"});
    for [first, second, third] in [
        [by_number("2"), by_number("3"), json!({"x-next-page": ""})],
        [
            json!({"link": link(2)}),
            json!({"link": link(3)}),
            json!({}),
        ],
    ] {
        for (last, methods) in [("success", "GGG"), ("failed", "GGGP")] {
            let page = |query: &str, headers: &Value, body: Value| {
                let query = format!("{name}{query}");
                json!({"method": "GET", "query": query, "headers": headers, "body": body})
            };
            let scripted = Scripted::new(
                "gitlab",
                answers(&json!([
                    page("", &first, json!([gitlab(7, "failed"), gitlab(3, "success")])),
                    page("&page=2", &second, json!([gitlab(9, last)])),
                    page("&page=3", &third, json!([gitlab(8, "failed")])),
                    {"method": "POST", "status": 201},
                ])),
            );
            let event = fixtures::delivered("gitlab").event;
            let outcome = scripted.attempt(&event, 1).await;
            assert!(matches!(outcome, Outcome::Delivered(_)));
            assert_eq!(scripted.methods(), methods, "{first}");
        }
    }
}

fn azure(id: usize, name: &str, state: &str) -> Value {
    json!({
        "id": id, "state": state, "description": "reconciliation succeeded",
        "context": {"name": name, "genre": "fluxcd:Webapp impacted"},
    })
}

fn gitea(context: &str, status: &str) -> Value {
    json!({
        "id": 1, "context": context, "status": status,
        "description": "reconciliation succeeded",
    })
}

/// T39.
#[tokio::test]
async fn gitea_lists_are_read_until_our_status_shows() {
    let others: Vec<Value> = (0..50).map(|_| gitea("ci/other", "success")).collect();
    let next = json!({"link": "<https://internal.test/api/v1/x?page=2>; rel=\"next\""});
    for headers in [next, json!({"x-total-count": "52"})] {
        for (last, methods) in [
            (
                json!([gitea("ci/other", "failure"), gitea(ID, "success")]),
                "GG",
            ),
            (json!([gitea(ID, "failure"), gitea(ID, "success")]), "GGP"),
            (json!([]), "GGP"),
        ] {
            let scripted = Scripted::new(
                "gitea",
                answers(&json!([
                    {"method": "GET", "path": "/api/v1/version", "body": {"version": "1.22.0"}},
                    {"method": "GET", "query": "limit=50&page=1", "headers": headers, "body": others},
                    {"method": "GET", "query": "limit=50&page=2", "body": last},
                    {"method": "POST", "status": 201},
                ])),
            );
            let event = fixtures::delivered("gitea").event;
            let outcome = scripted.attempt(&event, 1).await;
            assert!(matches!(outcome, Outcome::Delivered(_)));
            assert_eq!(scripted.methods(), methods, "{headers}");
        }
    }
}

/// T39.
#[tokio::test]
async fn azure_lists_are_read_on_while_they_are_full() {
    let full: Vec<Value> = (0..1000)
        .map(|id| azure(id, if id == 500 { ID } else { "other" }, "error"))
        .collect();
    for (state, methods) in [("succeeded", "GG"), ("error", "GGP")] {
        let scripted = Scripted::new(
            "azuredevops",
            answers(&json!([
                {"method": "OPTIONS", "body": {"value": [{"area": "git", "resourceName": "statuses"}]}},
                {"method": "GET", "query": "skip=1000", "body": {"value": [azure(1000, ID, state)]}},
                {"method": "GET", "query": "", "body": {"value": full}},
                {"method": "POST", "status": 201},
            ])),
        );
        let event = fixtures::delivered("azuredevops").event;
        let outcome = scripted.attempt(&event, 1).await;
        assert!(matches!(outcome, Outcome::Delivered(_)));
        assert_eq!(scripted.methods(), methods);
        assert!(
            scripted
                .last_url()
                .starts_with("https://dev.azure.com/octo/")
        );
    }
}

#[tokio::test]
async fn a_page_to_sign_in_means_that_the_token_is_wrong() {
    let page = "<html>Sign in</html>";
    let discovered = json!({"value": [{"area": "git", "resourceName": "statuses"}]});
    for answered in [
        json!([{"status": 203, "body": page}]),
        json!([{"method": "OPTIONS", "body": discovered}, {"status": 203, "body": page}]),
        json!([
            {"method": "OPTIONS", "body": discovered},
            {"method": "GET", "body": {"value": []}},
            {"method": "POST", "status": 203, "body": page},
        ]),
    ] {
        let scripted = Scripted::new("azuredevops", answers(&answered));
        let event = fixtures::delivered("azuredevops").event;
        let said = describe(&scripted.attempt(&event, 1).await);
        assert!(said.starts_with("misconfigured: "), "{said}");
        assert!(said.contains("asks to sign in"), "{said}");
    }
}

/// T20.
#[tokio::test]
async fn a_list_is_no_proof_that_a_status_was_written() {
    for kind in kinds() {
        for list in [json!([]), json!({"count": 0, "value": []})] {
            let mut responses = fixtures::delivered(kind).responses;
            let last = responses.last_mut().unwrap();
            (last.status, last.body) = (Some(200), Some(list));
            let scripted = Scripted::new(kind, responses);
            let event = fixtures::delivered(kind).event;
            let said = describe(&scripted.attempt(&event, 1).await);
            let expected = "misconfigured: writing the commit status: the service listed statuses";
            assert!(said.starts_with(expected), "{kind}: {said}");
            assert!(scripted.bench.facts.all().is_empty(), "{kind}");
        }
    }
}

/// T34.
#[tokio::test]
async fn texts_stay_within_the_limits_of_each_host() {
    for (kind, limit) in [
        ("azuredevops", 255),
        ("bitbucket", 255),
        ("bitbucketserver", 255),
        ("github", 140),
        ("gitlab", 255),
    ] {
        let fixture = fixtures::delivered(kind);
        let mut event = fixture.event.clone();
        event["reason"] = json!("é".repeat(1000));
        event["involvedObject"]["name"] = json!("n".repeat(253));
        let scripted = Scripted::new(kind, fixture.responses.clone());
        assert_eq!(describe(&scripted.attempt(&event, 1).await), "delivered");
        let sent = scripted.transport.sent();
        let body: Value = serde_json::from_slice(&sent.last().unwrap().request.body).unwrap();
        assert_eq!(body["description"], json!("é".repeat(limit)), "{kind}");
        // Elsewhere the name is the id, which must stay as it is.
        if let (true, Some(name)) = (kind.starts_with("bitbucket"), body["name"].as_str()) {
            assert_eq!(name.chars().count(), 255, "{kind}");
        }
    }
}
