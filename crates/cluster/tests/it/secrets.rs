//! Secrets by name, and how their changes are noticed.

use std::time::Duration;

use api::ObjectKey;
use domain::ports::SecretReader as _;

use crate::bench::{Bench, alert, provider, secret};
use crate::fake_kube::{ALERTS, FakeKube, PROVIDERS, SECRETS};

const SOON: Duration = Duration::from_secs(2);

const GET: &str = "GET /api/v1/namespaces/a/secrets/slack-url";

fn small() -> FakeKube {
    let kube = FakeKube::default();
    kube.apply(PROVIDERS, provider("slack", "slack-url"));
    kube.apply(ALERTS, alert("on-call", "slack"));
    kube.apply(SECRETS, secret("slack-url", "http://one/"));
    kube
}

fn key() -> ObjectKey {
    ObjectKey::new("a", "slack-url")
}

async fn address(bench: &Bench) -> Option<String> {
    let secret = bench.secrets.read(&key()).await.unwrap()?;
    let address = secret.data.get("address").unwrap().expose().clone();
    Some(String::from_utf8(address).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_read_once_until_it_changes_and_then_what_waits_is_tried() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    for _ in 0..100 {
        assert_eq!(address(&bench).await.as_deref(), Some("http://one/"));
        bench.pass(Duration::from_secs(10)).await;
    }
    assert_eq!(kube.requests(GET).len(), 1);
    bench.changed();
    kube.apply(SECRETS, secret("slack-url", "http://two/"));
    bench.pass(SOON).await;
    assert_eq!(bench.changed(), ["a/slack"]);
    assert_eq!(address(&bench).await.as_deref(), Some("http://two/"));
    assert_eq!(kube.requests(GET).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn secrets_are_never_listed_with_their_data() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    let lists = kube.requests("GET /api/v1/secrets");
    assert!(!lists.is_empty());
    for list in lists {
        assert!(list.contains("fieldSelector=type"), "{list}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_heals_its_provider_when_it_comes() {
    let kube = small();
    kube.delete(SECRETS, "a/slack-url");
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    assert_eq!(address(&bench).await, None);
    let ready = || kube.object(PROVIDERS, "a/slack")["status"]["conditions"][0].clone();
    assert_eq!(ready()["reason"], "SecretNotFound");
    bench.changed();
    kube.apply(SECRETS, secret("slack-url", "http://one/"));
    bench.pass(SOON).await;
    assert_eq!(bench.changed(), ["a/slack"]);
    assert_eq!(ready()["reason"], "Succeeded");
    assert_eq!(
        kube.object(ALERTS, "a/on-call")["status"]["conditions"][0]["message"],
        "Initialized"
    );
}

#[tokio::test(start_paused = true)]
async fn while_the_server_is_down_what_was_read_last_serves_on() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    kube.fail("GET", "/", 503, u32::MAX);
    kube.hang_up();
    bench.pass(Duration::from_mins(10)).await;
    assert_eq!(address(&bench).await.as_deref(), Some("http://one/"));
    let error = bench
        .secrets
        .read(&ObjectKey::new("a", "never-read"))
        .await
        .unwrap_err();
    assert!(error.is_temporary);
    kube.recover();
    kube.apply(SECRETS, secret("slack-url", "http://two/"));
    bench.pass(Duration::from_secs(20)).await;
    assert_eq!(address(&bench).await.as_deref(), Some("http://two/"));
}

#[tokio::test(start_paused = true)]
async fn where_watching_is_forbidden_secrets_are_read_again_now_and_then() {
    let kube = small();
    kube.fail("GET", SECRETS, 403, u32::MAX);
    kube.fail("GET", "/api/v1/namespaces/a/secrets?", 403, u32::MAX);
    kube.apply(SECRETS, secret("slack-url", ""));
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    assert_eq!(bench.alerts(), ["a/on-call"], "start-up succeeds");
    let ready = || kube.object(PROVIDERS, "a/slack")["status"]["conditions"][0].clone();
    assert_eq!(ready()["reason"], "Misconfigured");
    bench.changed();
    kube.apply(SECRETS, secret("slack-url", "http://one/"));
    kube.hang_up();
    bench.pass(Duration::from_mins(2)).await;
    assert_eq!(ready()["reason"], "Succeeded");
    assert!(
        bench.changed().contains(&"a/slack".to_owned()),
        "what waits is tried"
    );
}

#[tokio::test(start_paused = true)]
async fn reading_that_is_forbidden_is_no_passing_trouble() {
    let kube = small();
    kube.fail("GET", "/api/v1/namespaces/a/secrets/", 403, u32::MAX);
    let bench = Bench::start(&kube);
    let error = bench.secrets.read(&key()).await.unwrap_err();
    assert!(!error.is_temporary);
    bench.pass(SOON).await;
    let condition = kube.object(PROVIDERS, "a/slack")["status"]["conditions"][0].clone();
    assert_eq!(condition["reason"], "SecretUnreadable");
    assert!(
        condition["message"]
            .as_str()
            .unwrap()
            .contains("grant `get`")
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_that_leads_elsewhere_is_not_asked_for() {
    let kube = small();
    let bench = Bench::start(&kube);
    let key = ObjectKey::new("a", "../configmaps/slack-url");
    let error = bench.secrets.read(&key).await.unwrap_err();
    assert!(!error.is_temporary);
    assert!(kube.requests("configmaps").is_empty());
}
