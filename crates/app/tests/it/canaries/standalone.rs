//! The run with a folder of manifests.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::secrets::marked;

use super::places::Search;
use super::plant::{Places, everything};
use crate::support::{Fanfare, Folder, PATIENCE, all_bytes, event, run, secret, text};
use crate::webhooks::{call, path_of};

/// Much longer than the many deliveries of a round take on a busy machine.
const LONGEST_ROUND: Duration = Duration::from_mins(5);

/// Receivers whose paths and tokens are canaries of their own.
const RECEIVERS: &str = "
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Receiver
metadata: {name: hook, namespace: apps}
spec:
  type: github
  secretRef: {name: hook-token}
  resources: [{kind: Kustomization, name: shop}]
---
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Receiver
metadata: {name: job, namespace: apps}
spec:
  type: generic-oidc
  oidcProviders:
    - issuerURL: http://127.0.0.1:1/issuer
      validations: [{expression: 'true', message: anybody}]
  resources: [{kind: Kustomization, name: shop}]
";

/// Manifests that cannot be read, each with a canary where the problem is.
fn broken_files() -> Vec<(&'static str, String)> {
    let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: broken, namespace: apps}\n";
    let mark = |what: &str| marked(&format!("file{what}"));
    vec![
        (
            "quote.yaml",
            format!("{head}stringData:\n  token: \"{}\n", mark("quote")),
        ),
        (
            "indent.yaml",
            format!("{head}stringData:\n  a: b\n token: {}\n", mark("indent")),
        ),
        (
            "list.yaml",
            format!("{head}stringData: {{token: [{}]}}\n", mark("list")),
        ),
        ("text.yaml", format!("{head}stringData: {}\n", mark("text"))),
        (
            "base64.yaml",
            format!("{head}data: {{token: '!{}!'}}\n", mark("base")),
        ),
        (
            "anchor.yaml",
            format!("{head}stringData: {{token: *{}}}\n", mark("anchor")),
        ),
        (
            "tag.yaml",
            format!("{head}stringData: {{token: !x {}}}\n", mark("tag")),
        ),
        (
            "twice.yaml",
            format!("{head}stringData: {{a: {0}, a: {0}}}\n", mark("twice")),
        ),
        (
            "json.yaml",
            format!(
                "{{\"kind\": \"Secret\", \"stringData\": {{\"a\": \"{}",
                mark("json")
            ),
        ),
        (
            "unknown.yaml",
            format!(
                "apiVersion: notification.toolkit.fluxcd.io/v1beta3\nkind: Provider\n\
                 metadata: {{name: unknown, namespace: apps}}\n\
                 spec: {{type: carrierpigeon, address: 'https://a:{}@example.com/?b={}'}}\n",
                mark("userinfo"),
                mark("query")
            ),
        ),
        (
            "proxy.yaml",
            format!(
                "apiVersion: notification.toolkit.fluxcd.io/v1beta3\nkind: Provider\n\
                 metadata: {{name: proxied, namespace: apps}}\n\
                 spec: {{type: generic, address: 'https://example.com', proxy: 'nonsense://a:{}@b'}}\n",
                mark("proxy")
            ),
        ),
    ]
}

fn plant(folder: &Folder, places: &Places, round: &str) -> usize {
    let all = everything(places, "apps", round);
    for objects in &all {
        let name = objects[0]["metadata"]["name"].as_str().unwrap();
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        folder.write(&format!("{name}.yaml"), &text.join("\n---\n"));
    }
    all.len()
}

/// Waits until every delivery of an event was tried, and gives the number of them.
fn wait_for_attempts(folder: &Folder, position: &str, count: usize) -> usize {
    let deadline = Instant::now() + LONGEST_ROUND;
    loop {
        let shown = folder.queue(&["show", position]);
        let deliveries = shown["deliveries"].as_array().unwrap();
        let tried = deliveries
            .iter()
            .filter(|delivery| !delivery["last"].is_null())
            .count();
        if tried >= count {
            return tried;
        }
        assert!(Instant::now() < deadline, "{tried} of {count} were tried");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The middle part of a token that nobody signed, with a canary in it.
fn unsigned_token() -> String {
    use base64::Engine as _;
    let encode =
        |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(json!({"alg": "RS256", "kid": "k"}));
    let claims = encode(json!({
        "iss": "http://127.0.0.1:1/issuer", "aud": "notification-controller",
        "exp": 9_999_999_999_u64, "sub": marked("claim"),
    }));
    format!("{header}.{claims}.{}", marked("signature"))
}

/// Requests to every port with canaries in paths, header fields and bodies; gives all answers.
async fn calls(fanfare: &Fanfare, hook: &str) -> String {
    let mut answers = String::new();
    let token = unsigned_token();
    let job = path_of("apps", "job", "");
    let mark = marked("request");
    for address in [
        &fanfare.events,
        &fanfare.webhooks,
        &fanfare.health,
        &fanfare.metrics,
    ] {
        for path in ["/", hook, &job, "/healthz", &format!("/{mark}?a={mark}")] {
            for (fields, body) in [
                (
                    format!("Authorization: Bearer {token}\r\n"),
                    "{}".to_owned(),
                ),
                (format!("Authorization: Basic {mark}\r\n"), mark.clone()),
                (
                    format!(
                        "X-Gitlab-Token: {mark}\r\nX-Signature: sha256={mark}\r\nCookie: {mark}\r\n"
                    ),
                    json!({"involvedObject": {"kind": mark}, "severity": [mark]}).to_string(),
                ),
                (
                    format!("Content-Type: {mark}\r\nHost: {mark}\r\n"),
                    format!("\"{mark}"),
                ),
                (format!("Expect: {mark}\r\n"), String::new()),
                (format!("{mark} : {mark}\r\n"), String::new()),
            ] {
                answers.push_str(&exchange(address, path, &fields, &body).await);
            }
        }
    }
    answers
}

async fn exchange(address: &str, path: &str, fields: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: door\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n{body}",
        body.len()
    );
    // It may be refused before it was read.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    text(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_sings_whatever_goes_wrong() {
    let places = Places::start().await;
    let folder = Folder::new();
    let count = plant(&folder, &places, "first");
    folder.write("receivers.yaml", RECEIVERS);
    let hook_token = marked("hooktoken");
    folder.write(
        "hook-token.yaml",
        &secret("hook-token", &[("token", &hook_token)]),
    );
    let google = folder.file(
        "google.json",
        &json!({
            "type": "authorized_user", "client_id": "client",
            "client_secret": marked("googleclientsecret"),
            "refresh_token": marked("googlerefreshtoken"),
        })
        .to_string(),
    );
    let proxy = places.unauthorized.url("");
    let proxy = proxy.trim_start_matches("http://").trim_end_matches('/');
    let proxy = format!(
        "http://{}:{}@{proxy}",
        marked("envuser"),
        marked("envpassword")
    );
    let mut command = folder.command(&["--log-level=trace"]);
    command
        // Nothing leaves this machine.
        .env("HTTP_PROXY", &proxy)
        .env("HTTPS_PROXY", &proxy)
        .env("NO_PROXY", "127.0.0.1")
        .env("AZURE_TENANT_ID", "tenant")
        .env("AZURE_CLIENT_ID", "client")
        .env("AZURE_CLIENT_SECRET", marked("azureclientsecret"))
        .env("GOOGLE_APPLICATION_CREDENTIALS", &google);
    let fanfare = Fanfare::start(command);

    let mut failing = event("shop", 1);
    failing["severity"] = "error".into();
    failing["metadata"]["event.toolkit.fluxcd.io/commit"] =
        "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1".into();
    failing["metadata"]["event.toolkit.fluxcd.io/change_request"] = "1".into();
    assert_eq!(fanfare.post(&failing).await, 202);
    let tried = wait_for_attempts(&folder, "1", count);
    println!("{tried} deliveries of {count} Providers failed in some way");

    // Secrets change, and files break, while it runs.
    plant(&folder, &places, "second");
    for (name, content) in broken_files() {
        folder.write(name, &content);
    }
    fanfare.wait_for_log("unknown.yaml");
    failing["message"] = "number 2".into();
    assert_eq!(fanfare.post(&failing).await, 202);
    wait_for_attempts(&folder, "2", count);

    let hook = path_of("apps", "hook", &hook_token);
    assert_eq!(call(&fanfare, &hook, &hook_token, "1", "{}").await, 200);
    call(&fanfare, &hook, &hook_token, "2", "nonsense").await;
    assert_eq!(call(&fanfare, &hook, "wrong", "3", "{}").await, 400);
    let answers = calls(&fanfare, &hook).await;

    let sent = places.sent();
    let used: BTreeSet<&str> = sent.split("MARKEDSECRET").skip(1).collect();
    assert!(used.len() > 100, "only {} canaries flew", used.len());

    let mut search = Search::default();
    search.look("answers", &answers);
    search.look("metrics", &fanfare.metrics().await);
    let data = folder.data().display().to_string();
    let config = folder.config().display().to_string();
    let event_file = folder.file("event.json", &failing.to_string());
    for output in ["text", "json"] {
        for arguments in [
            vec!["queue", "list", "--data-dir", &data],
            vec!["queue", "show", "1", "--data-dir", &data],
            vec!["queue", "show", "2", "--data-dir", &data],
            vec!["check", &config],
            vec!["explain", "--config", &config, "--event", &event_file],
            vec!["render", "--config", &config, "--event", &event_file],
        ] {
            let arguments = [&arguments[..], &["--output", output]].concat();
            let ended = run(&arguments);
            let shown = text(&ended.stdout) + &text(&ended.stderr);
            search.look(&arguments[..2].join(" "), &shown);
            search_for_path(&arguments[..2].join(" "), &shown, &hook);
        }
    }
    let log = fanfare.log();
    assert!(!log.contains("panicked"), "{log}");
    let (code, took) = fanfare.terminate();
    assert_eq!(code, Some(0), "after {took:?}");
    search.look("log", &log);
    let store = text(&all_bytes(&folder.data()));
    assert!(store.contains("number 1"), "the event is stored");
    search.look("store", &store);
    for (place, content) in [("log", &log), ("store", &store), ("answers", &answers)] {
        search_for_path(place, content, &hook);
    }
    assert!(took < PATIENCE);
    search.end();
}

/// The path of a webhook is a secret, too.
fn search_for_path(place: &str, content: &str, hook: &str) {
    let digest = hook.trim_start_matches("/hook/");
    assert!(
        !content.contains(digest),
        "the path of a webhook in {place}"
    );
}
