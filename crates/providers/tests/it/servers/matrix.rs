//! A Matrix homeserver: Synapse.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use domain::Outcome;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use outbound::{
    Client, ClientSettings, EgressPolicy, HttpRequest, HttpTransport as _, Route, SendOptions,
};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::servers::{self, Running};

use super::{attempt, bench, target};
use crate::bench::describe;
use crate::fixtures;

const SHARED_SECRET: &str = "shared-secret-of-tests";

/// A homeserver with one user who is logged in.
struct Homeserver {
    _running: Running,
    _folder: TempDir,
    account: Account,
}

/// The user.
struct Account {
    base: String,
    client: Client,
    token: String,
}

impl Homeserver {
    async fn start(messages_per_second: &str, burst: u32) -> Option<Self> {
        let python = servers::find(&target(), "synapse", "bin/python")?;
        let folder = TempDir::new().unwrap();
        // Synapse must know its port beforehand.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let file = configure(folder.path(), port, messages_per_second, burst);
        let mut synapse = Command::new(&python);
        synapse
            .args(["-m", "synapse.app.homeserver", "-c"])
            .arg(&file);
        synapse.current_dir(folder.path());
        let mut running = Running::start(&mut synapse, &folder.path().join("log"));
        let settings = ClientSettings::new("fanfare/test".parse().unwrap());
        let mut server = Account {
            base: format!("http://127.0.0.1:{port}"),
            client: Client::new(settings, &mut Registry::default()),
            token: String::new(),
        };
        running
            .until_ready(async || {
                server
                    .call(Method::GET, "/_matrix/client/versions", json!({}))
                    .await
                    .ok()
            })
            .await;
        let register = python.with_file_name("register_new_matrix_user");
        let registered = Command::new(register)
            .args([
                "-u",
                "fanfare",
                "-p",
                "pass-of-tests",
                "--no-admin",
                "-k",
                SHARED_SECRET,
            ])
            .arg(&server.base)
            .output()
            .unwrap();
        assert!(
            registered.status.success(),
            "{}",
            String::from_utf8_lossy(&registered.stdout)
        );
        let login = json!({
            "type": "m.login.password", "password": "pass-of-tests",
            "identifier": {"type": "m.id.user", "user": "fanfare"},
        });
        let login = server
            .call(Method::POST, "/_matrix/client/v3/login", login)
            .await
            .unwrap();
        server.token = login["access_token"].as_str().unwrap().to_owned();
        Some(Self {
            _running: running,
            _folder: folder,
            account: server,
        })
    }
}

impl Account {
    /// A call of the client API; the error is the status.
    async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value, u16> {
        let url = format!("{}{path}", self.base).parse().unwrap();
        let mut request = HttpRequest::new(method, url);
        let headers = &mut request.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if !self.token.is_empty() {
            headers.insert(
                AUTHORIZATION,
                format!("Bearer {}", self.token).parse().unwrap(),
            );
        }
        request.body = body.to_string().into();
        let options = SendOptions {
            max_response_bytes: 4 << 20,
            ..SendOptions::within(Duration::from_mins(1))
        };
        let answer = self.client.send(request, &Route::default(), &options).await;
        let answer = answer.map_err(|_| 0_u16)?;
        if !answer.status.is_success() {
            return Err(answer.status.as_u16());
        }
        Ok(serde_json::from_slice(&answer.body).unwrap())
    }

    async fn room(&self, alias: &str) -> String {
        let room = json!({"room_alias_name": alias, "preset": "private_chat"});
        let room = self
            .call(Method::POST, "/_matrix/client/v3/createRoom", room)
            .await
            .unwrap();
        room["room_id"].as_str().unwrap().to_owned()
    }

    /// The bodies of the messages in a room, latest first.
    async fn messages(&self, room: &str) -> Vec<String> {
        let path = format!("/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=100");
        let found = self.call(Method::GET, &path, json!({})).await.unwrap();
        let events = found["chunk"].as_array().unwrap().iter();
        events
            .filter(|event| event["type"] == "m.room.message")
            .map(|event| event["content"]["body"].as_str().unwrap().to_owned())
            .collect()
    }

    fn objects(&self, channel: &str, token: &str) -> Vec<Value> {
        vec![
            json!({
                "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
                "kind": "Provider",
                "metadata": {"name": "matrix", "namespace": "apps"},
                "spec": {"type": "matrix", "address": self.base, "channel": channel,
                    "secretRef": {"name": "token"}},
            }),
            json!({"kind": "Secret", "metadata": {"name": "token", "namespace": "apps"},
                "stringData": {"token": token}}),
        ]
    }
}

/// Writes the configuration file; gives its path.
fn configure(folder: &Path, port: u16, per_second: &str, burst: u32) -> std::path::PathBuf {
    let file = folder.join("homeserver.yaml");
    let place = folder.display();
    let text = format!(
        "server_name: localhost\n\
         report_stats: false\n\
         trusted_key_servers: []\n\
         registration_shared_secret: {SHARED_SECRET}\n\
         macaroon_secret_key: for-tests\n\
         form_secret: for-tests\n\
         signing_key_path: {place}/signing.key\n\
         media_store_path: {place}/media\n\
         pid_file: {place}/pid\n\
         database: {{name: sqlite3, args: {{database: {place}/homeserver.db}}}}\n\
         rc_message: {{per_second: {per_second}, burst_count: {burst}}}\n\
         listeners:\n\
         - port: {port}\n\
         \x20 type: http\n\
         \x20 bind_addresses: [127.0.0.1]\n\
         \x20 resources: [{{names: [client]}}]\n"
    );
    fs::write(&file, text).unwrap();
    // A version and a seed in base64; Synapse would take another start to make one.
    let key = "ed25519 a_test AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n";
    fs::write(folder.join("signing.key"), key).unwrap();
    file
}

fn event() -> Value {
    fixtures::delivered("matrix").event
}

async fn said(objects: &[Value]) -> String {
    describe(&bench(objects, EgressPolicy::default()).send(&event()).await)
}

#[tokio::test]
async fn messages_arrive_once_in_a_room_named_by_id_or_alias() {
    let Some(homeserver) = Homeserver::start("1000", 1000).await else {
        return;
    };
    let server = &homeserver.account;
    let room = server.room("ops-night").await;
    let bench_of = |channel: &str| {
        bench(
            &server.objects(channel, &server.token),
            EgressPolicy::default(),
        )
    };

    let by_id = bench_of(&room);
    for number in 1..=2 {
        let outcome = attempt(&by_id, &event(), number, |_| ()).await;
        assert_eq!(describe(&outcome), "delivered");
    }
    let messages = server.messages(&room).await;
    assert_eq!(
        messages.len(),
        1,
        "a repeated attempt was shown twice: {messages:?}"
    );
    assert_eq!(
        messages[0],
        "💫 kustomization/webapp.apps\nDeployment/apps/webapp configured\nService/apps/webapp created\n\
         - cluster: prod-1\n- revision: main@sha1:731f7eaddfb6af01cb2173e18f0f75b0ba780ef1\n\
         - summary: Webapp impacted\n"
    );

    let by_alias = bench_of("#ops-night:localhost");
    let mut other = event();
    other["message"] = json!("by alias, @room");
    assert_eq!(describe(&by_alias.send(&other).await), "delivered");
    assert!(server.messages(&room).await[0].contains("by alias, @\u{200b}room"));

    // The largest events that we make are taken.
    for text in ["x", "\"", "\n", "\u{1}", "漢", "🚨"] {
        let mut long = event();
        long["message"] = json!(text.repeat(60_000));
        long["metadata"]["event.toolkit.fluxcd.io/long"] = json!(text.repeat(9_000));
        assert_eq!(describe(&by_id.send(&long).await), "delivered", "{text:?}");
    }
    assert_eq!(server.messages(&room).await.len(), 8);

    let wrong = said(&server.objects(&room, "syt_wrong_token_of_tests")).await;
    assert!(
        wrong.starts_with("misconfigured: ") && wrong.contains("M_UNKNOWN_TOKEN"),
        "{wrong}"
    );
    assert!(!wrong.contains("syt_wrong"), "{wrong}");
    for (channel, code) in [
        ("!nowhere:localhost", "M_FORBIDDEN"),
        ("#nowhere:localhost", "M_NOT_FOUND"),
    ] {
        let said = said(&server.objects(channel, &server.token)).await;
        assert!(
            said.starts_with("misconfigured: ") && said.contains(code),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_homeserver_that_wants_a_pause_says_for_how_long() {
    let Some(homeserver) = Homeserver::start("0.1", 2).await else {
        return;
    };
    let server = &homeserver.account;
    let room = server.room("slow").await;
    let bench = bench(
        &server.objects(&room, &server.token),
        EgressPolicy::default(),
    );
    for number in 0..10 {
        let mut event = event();
        event["message"] = json!(format!("message {number}"));
        let Outcome::Failed(failure) = bench.send(&event).await else {
            continue;
        };
        assert_eq!(failure.class.label(), "throttled", "{failure:?}");
        assert!(failure.detail.contains("M_LIMIT_EXCEEDED"), "{failure:?}");
        assert!(
            failure
                .retry_after
                .is_some_and(|wait| wait > Duration::ZERO),
            "{failure:?}"
        );
        return;
    }
    panic!("never throttled");
}
