//! Webhooks of Receivers in the standalone mode.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use api::ObjectKey;
use domain::receiver::PathDigest;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use testkit::HttpSink;
use testkit::secrets::{leaks, marked};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{ALERT, Fanfare, Folder, PATIENCE, all_bytes, provider, run, secret, text};

const RECEIVER: &str = "
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Receiver
metadata: {name: hook, namespace: apps}
spec:
  type: github
  events: [ping, push]
  secretRef: {name: hook-token}
  resources:
    - kind: Kustomization
      name: shop
  resourceFilter: req.ref == 'refs/heads/main'
";

const PUSH: &str = r#"{"ref":"refs/heads/main"}"#;

fn path(token: &str) -> String {
    path_of("apps", "hook", token)
}

/// The path of a Receiver.
pub(crate) fn path_of(namespace: &str, name: &str, token: &str) -> String {
    let receiver = ObjectKey::new(namespace, name);
    PathDigest::of(token.as_bytes(), &receiver).webhook_path()
}

/// Calls the webhook as GitHub does; gives the status.
pub(crate) async fn call(
    fanfare: &Fanfare,
    path: &str,
    token: &str,
    delivery: &str,
    body: &str,
) -> u16 {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let mut signature = String::new();
    for byte in mac.finalize().into_bytes() {
        write!(signature, "{byte:02x}").unwrap();
    }
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: hooks\r\nContent-Type: application/json\r\n\
         X-GitHub-Event: push\r\nX-GitHub-Delivery: {delivery}\r\n\
         X-Hub-Signature-256: sha256={signature}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(&fanfare.webhooks).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap();
    status.parse().unwrap()
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genuine_call_runs_the_command_with_the_object() {
    let folder = Folder::new();
    folder.write("receiver.yaml", RECEIVER);
    folder.write("secret.yaml", &secret("hook-token", &[("token", "t0ken")]));
    let asked = folder.file("asked", "");
    let command = format!(
        "echo $FANFARE_API_VERSION $FANFARE_KIND $FANFARE_NAMESPACE $FANFARE_NAME >> {asked}"
    );
    let fanfare = folder.start(&["--on-reconcile", &command]);
    let path = path("t0ken");
    assert_eq!(call(&fanfare, &path, "wrong", "1", PUSH).await, 400);
    assert_eq!(call(&fanfare, "/hook/00", "t0ken", "1", PUSH).await, 404);
    let other = r#"{"ref":"refs/heads/other"}"#;
    assert_eq!(call(&fanfare, &path, "t0ken", "2", other).await, 200);
    assert_eq!(std::fs::read_to_string(&asked).unwrap(), "");
    assert_eq!(call(&fanfare, &path, "t0ken", "3", PUSH).await, 200);
    assert_eq!(
        std::fs::read_to_string(&asked).unwrap(),
        "kustomize.toolkit.fluxcd.io/v1 Kustomization apps shop\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genuine_call_becomes_an_event_for_alerts() {
    let sink = HttpSink::start().await;
    let folder = Folder::new();
    folder.write("alert.yaml", ALERT);
    folder.write("provider.yaml", &provider("generic", &sink.url("/x"), ""));
    folder.write("receiver.yaml", RECEIVER);
    folder.write("secret.yaml", &secret("hook-token", &[("token", "t0ken")]));
    let fanfare = folder.start(&[]);
    assert_eq!(
        call(&fanfare, &path("t0ken"), "t0ken", "1", PUSH).await,
        200
    );
    let seen = sink.wait_for(1).await;
    let event = text(&seen[0].body);
    assert!(
        event.contains("\"reason\":\"ReconciliationRequested\""),
        "{event}"
    );
    assert!(event.contains("\"name\":\"shop\""), "{event}");
}

/// T54.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_takes_effect_and_the_former_one_counts_for_a_while() {
    let folder = Folder::new();
    folder.write("receiver.yaml", RECEIVER);
    folder.write("secret.yaml", &secret("hook-token", &[("token", "old")]));
    let fanfare = folder.start(&["--on-reconcile", "true"]);
    assert_eq!(call(&fanfare, &path("old"), "old", "1", PUSH).await, 200);
    assert_eq!(call(&fanfare, &path("new"), "new", "2", PUSH).await, 404);
    folder.write("secret.yaml", &secret("hook-token", &[("token", "new")]));
    let mut number = 2;
    until("the new token works", async || {
        number += 1;
        // The former one never stops to.
        let delivery = format!("old-{number}");
        assert_eq!(
            call(&fanfare, &path("old"), "old", &delivery, PUSH).await,
            200
        );
        let delivery = format!("new-{number}");
        call(&fanfare, &path("new"), "new", &delivery, PUSH).await == 200
    })
    .await;
    assert_eq!(call(&fanfare, &path("old"), "new", "x", PUSH).await, 200);
    drop(fanfare);
    let fanfare = folder.start(&["--on-reconcile", "true"]);
    assert_eq!(call(&fanfare, &path("old"), "old", "y", PUSH).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_call_back_fails_is_kept_over_a_crash_and_tried_again() {
    let folder = Folder::new();
    folder.write("receiver.yaml", RECEIVER);
    folder.write("secret.yaml", &secret("hook-token", &[("token", "t0ken")]));
    let asked = folder.file("asked", "");
    let open = folder.file("gate", "");
    std::fs::remove_file(&open).unwrap();
    let command = format!("test -e {open} && echo $FANFARE_NAME >> {asked}");
    let fanfare = folder.start(&["--on-reconcile", &command]);
    assert_eq!(
        call(&fanfare, &path("t0ken"), "t0ken", "1", PUSH).await,
        202
    );
    fanfare.kill();
    let stored = text(&all_bytes(&folder.data()));
    assert!(!stored.contains("t0ken"), "no token is stored");
    assert!(
        !stored.contains(path("t0ken").trim_start_matches("/hook/")),
        "no path is stored"
    );
    std::fs::write(&open, "").unwrap();
    let _fanfare = folder.start(&["--on-reconcile", &command]);
    until("it is tried again", async || {
        std::fs::read_to_string(&asked).unwrap() == "shop\n"
    })
    .await;
}

/// The second call is covered by what is asked at the end of the moment, which a crash must not lose.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_burst_survives_a_crash() {
    let folder = Folder::new();
    folder.write("receiver.yaml", RECEIVER);
    folder.write("secret.yaml", &secret("hook-token", &[("token", "t0ken")]));
    let asked = folder.file("asked", "");
    let command = format!("echo $FANFARE_NAME >> {asked}");
    let fanfare = folder.start(&["--on-reconcile", &command]);
    let path = path("t0ken");
    assert_eq!(call(&fanfare, &path, "t0ken", "1", PUSH).await, 200);
    assert_eq!(call(&fanfare, &path, "t0ken", "2", PUSH).await, 200);
    fanfare.kill();
    let fanfare = folder.start(&["--on-reconcile", &command]);
    until("it is asked for after the crash", async || {
        std::fs::read_to_string(&asked).unwrap() == "shop\nshop\n"
    })
    .await;
    fanfare.terminate();
    let stored = text(&all_bytes(&folder.data()));
    assert!(!stored.contains("t0ken"), "no token is stored");
}

/// T36.
#[tokio::test(flavor = "multi_thread")]
async fn neither_paths_nor_tokens_are_logged_or_counted() {
    let folder = Folder::new();
    let token = marked("token");
    folder.write("receiver.yaml", RECEIVER);
    folder.write("secret.yaml", &secret("hook-token", &[("token", &token)]));
    let fanfare = folder.start(&["--log-level=trace", "--on-reconcile", "true"]);
    let path = path(&token);
    assert_eq!(call(&fanfare, &path, &token, "1", PUSH).await, 200);
    assert_eq!(call(&fanfare, &path, "wrong", "2", PUSH).await, 400);
    assert_eq!(call(&fanfare, &path, &token, "3", "nonsense").await, 400);
    let metrics = fanfare.metrics().await;
    assert!(metrics.contains("gotk_receiver_http_requests_inflight"));
    assert!(
        metrics.contains("fanfare_receiver_calls_total{type=\"github\",outcome=\"accepted\"} 1"),
        "{metrics}"
    );
    let log = fanfare.log();
    assert!(log.contains("unable to validate payload"), "{log}");
    fanfare.terminate();
    let store = text(&all_bytes(&folder.data()));
    for (place, content) in [("metrics", metrics), ("log", log), ("store", store)] {
        assert_eq!(leaks(&content), Vec::<String>::new(), "{place}");
        assert!(
            !content.contains(path.trim_start_matches("/hook/")),
            "{place}"
        );
    }
}

#[test]
fn check_names_problems_of_receivers() {
    let folder = Folder::new();
    folder.write("receiver.yaml", RECEIVER);
    folder.write("secret.yaml", &secret("hook-token", &[("token", "")]));
    folder.write(
        "broken.yaml",
        "apiVersion: notification.toolkit.fluxcd.io/v1\nkind: Receiver\n\
         metadata: {name: broken, namespace: apps}\nspec:\n  type: github\n  \
         secretRef: {name: gone}\n  resourceFilter: \"1 + 1\"\n  resources:\n  \
         - {kind: GitRepository, name: '*'}\n",
    );
    let output = run(&["check", &folder.config().display().to_string()]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for words in [
        "the token in the Secret apps/hook-token is empty and proves nothing",
        "spec.resourceFilter: CEL expression output type mismatch: expected bool, got int",
        "there is no Secret apps/gone",
        "matchLabels field not set when using wildcard",
        "2 receivers",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
}
