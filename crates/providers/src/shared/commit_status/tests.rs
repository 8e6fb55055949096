//! When the host is asked, when something is posted, when neither.

use std::sync::atomic::{AtomicUsize, Ordering};

use api::ObjectKey;
use bytes::Bytes;
use domain::ports::Memory;
use http::{HeaderMap, StatusCode};
use outbound::{HttpError, HttpRequest, HttpTransport, Route, SendOptions};
use testkit::clock::MovableClock;

use super::*;
use crate::shared::token_cache::TokenCache;

struct Host {
    has: Result<bool, FailureClass>,
    posts: AtomicUsize,
    questions: AtomicUsize,
}

impl StatusHost for Host {
    fn repository(&self) -> String {
        "acme/infra".to_owned()
    }

    fn words(&self) -> Words {
        Words {
            success: "success",
            failure: "failure",
            pending: None,
            description: 12,
        }
    }

    fn has<'a>(
        &'a self,
        _: &'a Status,
        _: &'a Notification,
        _: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { self.has.map_err(|class| Failure::new(class, "no")) })
    }

    fn post<'a>(
        &'a self,
        _: &'a Status,
        _: &'a Notification,
        _: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<HttpResponse, Failure>> {
        self.posts.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            Ok(HttpResponse {
                status: StatusCode::CREATED,
                headers: HeaderMap::new(),
                body: Bytes::new(),
                truncated: false,
            })
        })
    }
}

struct Remembers(Option<&'static str>);

impl Memory for Remembers {
    fn recall<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(async { self.0.map(str::to_owned) })
    }
}

struct Nowhere;

impl HttpTransport for Nowhere {
    fn send<'a>(
        &'a self,
        _: HttpRequest,
        _: &'a Route,
        _: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        panic!("nothing is sent here")
    }
}

/// Questions asked, statuses posted, and the receipt or failure.
fn outcome(
    memory: Option<&'static str>,
    has: Result<bool, FailureClass>,
    attempt: u32,
) -> (usize, usize, Result<Receipt, Failure>) {
    let host = Host {
        has,
        posts: AtomicUsize::new(0),
        questions: AtomicUsize::new(0),
    };
    let notification = Notification {
        event: api::Event {
            reason: "ReconciliationSucceeded".into(),
            severity: "info".into(),
            ..api::Event::default()
        },
        alert: ObjectKey::new("apps", "a"),
        alert_uid: String::new(),
        commit_status: Some(CommitStatus {
            id: "kustomization/webapp/0c9c2e41".into(),
            commit: "c".repeat(40),
        }),
        accepted_at: jiff::Timestamp::UNIX_EPOCH,
        idempotency_key: String::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let receipt = runtime.block_on(async {
        let context = AttemptContext {
            transport: &Nowhere,
            streams: &testkit::ScriptedStreams::default(),
            route: &Route::default(),
            deadline: tokio::time::Instant::now(),
            memory: &Remembers(memory),
            tokens: &TokenCache::new(0),
            identities: &crate::Identities::default(),
            metadata: None,
            clock: &MovableClock::at(jiff::Timestamp::UNIX_EPOCH),
            attempt,
        };
        write(&host, "apps/github", &notification, &context).await
    });
    (
        host.questions.into_inner(),
        host.posts.into_inner(),
        receipt,
    )
}

const CURRENT: &str = "success\nreconciliati";

/// T39.
#[test]
fn what_we_posted_last_costs_no_call() {
    let (questions, posts, receipt) = outcome(Some(CURRENT), Ok(false), 1);
    assert_eq!((questions, posts, receipt.unwrap().unchanged), (0, 0, true));
}

#[test]
fn a_change_is_posted_without_asking() {
    let (questions, posts, receipt) = outcome(Some("failure\nx"), Ok(true), 1);
    assert_eq!((questions, posts), (0, 1));
    assert_eq!(receipt.unwrap().remember[0].value, CURRENT);
}

#[test]
fn on_first_contact_the_host_is_asked() {
    let (questions, posts, receipt) = outcome(None, Ok(true), 1);
    assert_eq!((questions, posts, receipt.unwrap().unchanged), (1, 0, true));
    let (questions, posts, receipt) = outcome(None, Ok(false), 1);
    assert_eq!(
        (questions, posts, receipt.unwrap().unchanged),
        (1, 1, false)
    );
}

#[test]
fn when_asking_keeps_failing_it_is_posted_all_the_same() {
    for (class, tries) in [
        (FailureClass::Misconfigured, 1),
        (FailureClass::ServerFault, 3),
        (FailureClass::Unreachable, 3),
        (FailureClass::Rejected, 3),
    ] {
        let (_, posts, receipt) = outcome(None, Err(class), tries);
        assert_eq!((posts, receipt.unwrap_err().class), (0, class));
        let (_, posts, receipt) = outcome(None, Err(class), tries + 1);
        assert_eq!((posts, receipt.is_ok()), (1, true));
    }
}

/// T21.
#[test]
fn a_host_that_throttles_is_waited_for() {
    let (questions, posts, receipt) = outcome(None, Err(FailureClass::Throttled), 100);
    assert_eq!((questions, posts), (1, 0));
    assert_eq!(receipt.unwrap_err().class, FailureClass::Throttled);
}

#[test]
fn what_is_remembered_depends_on_everything_that_tells_statuses_apart() {
    let memory_key = |provider: &str, repository: &str, id: &str, commit: &str| {
        memory_key("commit status", &[provider, repository, commit, id])
    };
    let key = memory_key("apps/one", "https://host/a/b", "id", "c0ffee");
    let others = [
        memory_key("apps/two", "https://host/a/b", "id", "c0ffee"),
        memory_key("apps/one", "https://host/a/c", "id", "c0ffee"),
        memory_key("apps/one", "https://host/a/b", "di", "c0ffee"),
        memory_key("apps/one", "https://host/a/b", "id", "decade"),
        memory_key("apps/onehttps:", "//host/a/b", "id", "c0ffee"),
    ];
    assert!(!others.contains(&key));
    let long = memory_key("apps/one", "", &"x".repeat(100_000), "c0ffee");
    assert_eq!(long.len(), key.len());
}

#[test]
fn keys_are_those_of_the_reference() {
    let status = Status {
        id: "kustomization/webapp/0c9c2e41".into(),
        commit: String::new(),
        state: "SUCCESSFUL",
        description: String::new(),
        name: String::new(),
    };
    assert_eq!(status.key(), "4abc3ba6f171924ecece234c03192982da12888b");
}
