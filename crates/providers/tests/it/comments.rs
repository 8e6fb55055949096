//! Comments on change requests against a host that is not kind: many pages, quotations, deletions,
//! lost answers, forgotten memory.

mod host;

use std::sync::Arc;

use domain::Outcome;
use domain::ports::Courier as _;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::bench::{Bench, clean, describe};
use crate::fixtures;
use host::{Fault, Host, Paging, US};

const UID: &str = "0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a";
const NUMBER: u64 = 42;

fn kinds() -> impl Iterator<Item = &'static str> {
    let all = providers::kinds::ALL.iter();
    all.filter(|kind| kind.capabilities.change_request)
        .map(|kind| kind.name)
}

/// How each host cuts its lists.
fn paging(kind: &str) -> Paging {
    if kind.starts_with("gitea") {
        Paging::None
    } else {
        Paging::AtMost(100)
    }
}

fn marker(kind: &str, uid: &str, name: &str) -> String {
    let prefix = if kind.starts_with("gitlab") {
        "flux-mr-comment-key"
    } else {
        "flux-pr-comment-key"
    };
    format!("<!-- {prefix}:{uid}/Kustomization/apps/{name} -->")
}

/// A Provider in a process that has just started and remembers nothing.
fn started(kind: &str, uid: &str, host: &Arc<Host>) -> Bench {
    let mut objects = fixtures::delivered(kind).objects;
    objects[0]["metadata"]["uid"] = json!(uid);
    Bench::new(&objects, Arc::clone(host) as _, Arc::default())
}

fn event(kind: &str, name: &str, message: &str) -> Value {
    let mut event = fixtures::delivered(kind).event;
    event["involvedObject"]["name"] = json!(name);
    event["message"] = json!(message);
    event
}

async fn attempt(bench: &Bench, event: &Value, attempt: u32) -> Outcome {
    let event = clean(event);
    let delivery = bench.try_plan(&event).expect("a delivery");
    let outcome = bench.courier.deliver(&delivery, &event, attempt).await;
    if let Outcome::Delivered(receipt) = &outcome {
        bench.facts.remember(receipt.remember.clone());
    }
    outcome
}

/// Attempts until it is delivered.
async fn deliver(bench: &Bench, event: &Value) {
    let mut said = String::new();
    for number in 1..=5 {
        let outcome = attempt(bench, event, number).await;
        if matches!(outcome, Outcome::Delivered(_)) {
            return;
        }
        said = describe(&outcome);
    }
    panic!("not delivered: {said}");
}

/// Ids of comments of ours that begin with a marker.
fn ours(host: &Host, marker: &str) -> Vec<u64> {
    let comments = host.comments().into_iter();
    comments
        .filter(|(_, comment)| comment.author == US && comment.body.starts_with(marker))
        .map(|(id, _)| id)
        .collect()
}

#[tokio::test]
async fn what_is_remembered_makes_an_update_one_request() {
    for kind in kinds() {
        let host = Arc::new(Host::new(paging(kind)));
        let bench = started(kind, UID, &host);
        deliver(&bench, &event(kind, "webapp", "one")).await;
        assert!(host.methods().ends_with("GGP"), "{kind}");
        deliver(&bench, &event(kind, "webapp", "two")).await;
        assert_eq!(host.methods(), "E", "{kind}");
        let [(_, comment)] = host
            .comments()
            .into_iter()
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        assert!(comment.body.contains("\n\ntwo\n\n"), "{kind}");
        for secret in ["ghp_", "glpat-", "FixtureNotAToken"] {
            assert!(!format!("{:?}", bench.facts.all()).contains(secret));
        }
    }
}

#[tokio::test]
async fn a_deleted_comment_is_written_anew_and_remembered_again() {
    for kind in kinds() {
        let host = Arc::new(Host::new(paging(kind)));
        let bench = started(kind, UID, &host);
        let marker = marker(kind, UID, "webapp");
        deliver(&bench, &event(kind, "webapp", "one")).await;
        let first = ours(&host, &marker);
        host.delete(first[0]);
        host.methods();
        assert_eq!(
            describe(&attempt(&bench, &event(kind, "webapp", "two"), 1).await),
            "delivered"
        );
        assert_eq!(host.methods(), "EGP", "{kind}");
        let second = ours(&host, &marker);
        assert!(second.len() == 1 && second != first, "{kind}");
        deliver(&bench, &event(kind, "webapp", "three")).await;
        assert_eq!(host.methods(), "E", "{kind}");
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_makes_no_second_comment() {
    for kind in kinds() {
        let host = Arc::new(Host::new(paging(kind)));
        let bench = started(kind, UID, &host);
        host.fail_next(Some(Fault::AnswerLost));
        let event = event(kind, "webapp", "one");
        let said = describe(&attempt(&bench, &event, 1).await);
        assert!(said.starts_with("unreachable"), "{kind}: {said}");
        assert_eq!(
            describe(&attempt(&bench, &event, 2).await),
            "delivered",
            "{kind}"
        );
        assert_eq!(ours(&host, &marker(kind, UID, "webapp")).len(), 1, "{kind}");
        assert_eq!(host.comments().len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn among_hundreds_of_comments_ours_is_found_wherever_it_is() {
    for kind in kinds() {
        for before in [0, 99, 100, 101, 350, 1999] {
            let host = Arc::new(Host::new(paging(kind)));
            let marker = marker(kind, UID, "webapp");
            for number in 0..before {
                host.comment("jo", NUMBER, format!("comment {number}"));
                // On other change requests there are comments as well.
                host.comment(US, NUMBER + 1, format!("{marker}\n\nelsewhere"));
            }
            let id = host.comment(US, NUMBER, format!("{marker}\n\nold"));
            host.comment("jo", NUMBER, "after it");
            let all = host.comments().len();
            deliver(&started(kind, UID, &host), &event(kind, "webapp", "new")).await;
            assert_eq!(host.comments().len(), all, "{kind} {before}");
            assert!(
                host.comments()[&id].body.contains("\n\nnew\n\n"),
                "{kind} {before}"
            );
        }
    }
}

#[tokio::test]
async fn pages_that_are_too_long_to_be_read_are_asked_for_in_parts() {
    for kind in kinds().filter(|kind| paging(kind) != Paging::None) {
        for (long, length) in [(130, 60_000), (12, 900_000), (3, 5_000_000)] {
            let host = Arc::new(Host::new(paging(kind)));
            let marker = marker(kind, UID, "webapp");
            for number in 0..long {
                host.comment("plans", NUMBER, format!("{number}{}", "x".repeat(length)));
            }
            for number in 0..150 {
                host.comment("jo", NUMBER, format!("comment {number}"));
            }
            let id = host.comment(US, NUMBER, format!("{marker}\n\nold"));
            let all = host.comments().len();
            deliver(&started(kind, UID, &host), &event(kind, "webapp", "new")).await;
            assert_eq!(host.comments().len(), all, "{kind} {length}");
            assert!(
                host.comments()[&id].body.contains("\n\nnew\n\n"),
                "{kind} {length}"
            );
        }
    }
}

/// A host that gives everything at once may give more than we read: better no comment than two.
#[tokio::test]
async fn a_list_that_cannot_be_read_to_its_end_is_an_error_and_no_comment() {
    let kind = "giteapullrequestcomment";
    let host = Arc::new(Host::new(Paging::None));
    for _ in 0..100 {
        host.comment("plans", NUMBER, "x".repeat(60_000));
    }
    let bench = started(kind, UID, &host);
    let said = describe(&attempt(&bench, &event(kind, "webapp", "new"), 1).await);
    assert!(
        said.starts_with("misconfigured: the host lists more comments at once"),
        "{said}"
    );
    assert_eq!(host.comments().len(), 100);
}

#[tokio::test]
async fn a_host_that_fails_is_never_written_to_blindly() {
    for kind in kinds() {
        for status in [403, 404, 429, 500] {
            let responses = json!([{"method": "GET", "status": status}]);
            let responses = serde_json::from_value(responses).unwrap();
            let transport = testkit::ScriptedTransport::new(Arc::default(), responses);
            let transport = Arc::new(transport);
            let objects = fixtures::delivered(kind).objects;
            let bench = Bench::new(&objects, Arc::clone(&transport) as _, Arc::default());
            for number in [1, 2, 50] {
                attempt(&bench, &event(kind, "webapp", "new"), number).await;
            }
            let sent = transport.sent();
            assert!(
                sent.iter().all(|sent| sent.request.method == "GET"),
                "{kind}"
            );
        }
    }
}

#[tokio::test]
async fn names_in_another_case_are_the_same_user() {
    for kind in kinds() {
        let host = Arc::new(Host::new(paging(kind)));
        let id = host.comment("Flux-Bot", NUMBER, marker(kind, UID, "webapp"));
        deliver(&started(kind, UID, &host), &event(kind, "webapp", "new")).await;
        assert_eq!(host.comments().len(), 1, "{kind}");
        assert!(host.comments()[&id].body.contains("new"), "{kind}");
    }
}

/// GitHub and GitLab measure in characters, Gitea's smallest column in bytes.
#[tokio::test]
async fn comments_stay_within_the_limit_of_each_host() {
    for (kind, limit, bytes_each) in [
        ("githubpullrequestcomment", 65_536, 1),
        ("gitlabmergerequestcomment", 1_000_000, 1),
        ("giteapullrequestcomment", 65_535, 2),
    ] {
        for (length, is_cut) in [(limit / 2 / bytes_each, false), (limit + 1, true)] {
            let host = Arc::new(Host::new(paging(kind)));
            let bench = started(kind, UID, &host);
            deliver(&bench, &event(kind, "webapp", &"é".repeat(length))).await;
            let comments = host.comments();
            let body = &comments.values().next().unwrap().body;
            let measured = if bytes_each == 2 {
                body.len()
            } else {
                body.chars().count()
            };
            assert!(measured <= limit, "{kind} {measured}");
            assert_eq!(body.contains("(cut)"), is_cut, "{kind}");
            assert!(!is_cut || measured > limit - 100, "{kind} {measured}");
            assert!(body.starts_with(&marker(kind, UID, "webapp")), "{kind}");
            assert!(body.contains("* `cluster`: prod-1\n"), "{kind}");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// An event of one of the objects, sent by one of the Providers.
    Event {
        provider: usize,
        object: usize,
        message: Message,
        fault: Option<Fault>,
    },
    /// One of the processes starts anew, remembering nothing.
    Restart(usize),
    /// Somebody deletes a comment of ours.
    Delete(usize),
    /// Somebody comments, quoting or forging a marker.
    Talk {
        author: &'static str,
        provider: usize,
        object: usize,
        quotes: bool,
    },
    /// Many people comment.
    Crowd(usize),
}

#[derive(Clone, Copy, Debug)]
enum Message {
    Plain,
    /// Holds the marker of another object.
    Forged(usize),
}

const OBJECTS: [&str; 3] = ["webapp", "webapp2", "db"];
const UIDS: [&str; 2] = [UID, "9e1f0d6a-0000-4000-8000-000000000000"];

fn step() -> impl Strategy<Value = Step> {
    let object = 0..OBJECTS.len();
    let provider = 0..UIDS.len();
    let message = prop_oneof![
        Just(Message::Plain),
        object.clone().prop_map(Message::Forged),
    ];
    let fault = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Fault::AnswerLost)),
        1 => Just(Some(Fault::Unavailable)),
    ];
    let event = (provider.clone(), object.clone(), message, fault);
    let event = event.prop_map(|(provider, object, message, fault)| Step::Event {
        provider,
        object,
        message,
        fault,
    });
    let talk = (
        prop::sample::select(vec!["mallory", "jo", US]),
        provider.clone(),
        object,
        any::<bool>(),
    );
    let talk = talk.prop_map(|(author, provider, object, quotes)| Step::Talk {
        author,
        provider,
        object,
        // Our own user quotes, as a person does whose token this is; it does not forge.
        quotes: quotes || author == US,
    });
    prop_oneof![
        6 => event,
        1 => provider.prop_map(Step::Restart),
        1 => (0_usize..8).prop_map(Step::Delete),
        2 => talk,
        1 => (1_usize..150).prop_map(Step::Crowd),
    ]
}

/// The comments of people, and the last message per comment of ours.
struct World {
    kind: &'static str,
    host: Arc<Host>,
    benches: Vec<Bench>,
    people: Vec<(u64, host::Comment)>,
}

impl World {
    fn new(kind: &'static str) -> Self {
        let host = Arc::new(Host::new(paging(kind)));
        let benches = UIDS.iter().map(|uid| started(kind, uid, &host));
        Self {
            kind,
            benches: benches.collect(),
            host: Arc::clone(&host),
            people: Vec::new(),
        }
    }

    fn marker(&self, provider: usize, object: usize) -> String {
        marker(self.kind, UIDS[provider], OBJECTS[object])
    }

    fn talk(&mut self, author: &str, body: String) {
        let id = self.host.comment(author, NUMBER, body);
        self.people.push((id, self.host.comments()[&id].clone()));
    }

    async fn take(&mut self, step: &Step, turn: usize) {
        match *step {
            Step::Event {
                provider,
                object,
                message,
                fault,
            } => {
                let text = match message {
                    Message::Plain => format!("message {turn}"),
                    Message::Forged(other) => {
                        format!("{}\nmessage {turn}", self.marker(provider, other))
                    }
                };
                self.host.fail_next(fault);
                let event = event(self.kind, OBJECTS[object], &text);
                deliver(&self.benches[provider], &event).await;
                self.host.fail_next(None);
                let found = ours(&self.host, &self.marker(provider, object));
                let said = &self.host.comments()[&found[0]].body;
                assert!(said.contains(&format!("message {turn}\n")), "{said}");
            }
            Step::Restart(provider) => {
                self.benches[provider] = started(self.kind, UIDS[provider], &self.host);
            }
            Step::Delete(index) => {
                let comments = self.host.comments();
                let mut ids = comments.keys().copied();
                let is_of_people = |id: u64| self.people.iter().any(|(known, _)| *known == id);
                if let Some(id) = ids.by_ref().filter(|id| !is_of_people(*id)).nth(index) {
                    self.host.delete(id);
                }
            }
            Step::Talk {
                author,
                provider,
                object,
                quotes,
            } => {
                let quotation = if quotes { "> " } else { "" };
                let marker = self.marker(provider, object);
                self.talk(author, format!("{quotation}{marker}\n\nI say"));
            }
            Step::Crowd(count) => {
                for _ in 0..count {
                    self.talk("jo", "me too".to_owned());
                }
            }
        }
    }

    /// What must hold after every step.
    fn check(&self) {
        for provider in 0..UIDS.len() {
            for object in 0..OBJECTS.len() {
                let marker = self.marker(provider, object);
                assert!(ours(&self.host, &marker).len() <= 1, "{marker}");
            }
        }
        let comments = self.host.comments();
        for (id, comment) in &self.people {
            assert_eq!(comments.get(id), Some(comment));
        }
        // The reference looks for markers anywhere: what we write must not mislead it.
        for (id, comment) in &comments {
            if comment.author == US && !self.people.iter().any(|(known, _)| known == id) {
                assert_eq!(comment.body.matches("<!-- flux-").count(), 1);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_happens_there_is_one_comment_per_provider_and_object(
        steps in prop::collection::vec(step(), 1..24),
        kind in prop::sample::select(kinds().collect::<Vec<_>>()),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new(kind);
            for (turn, step) in steps.iter().enumerate() {
                world.take(step, turn).await;
                world.check();
            }
        });
    }
}
