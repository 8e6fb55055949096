//! NATS: what is published arrives, limits, streams.

mod keys;
mod logins;
mod network;

use std::fs;
use std::process::Command;

use domain::Outcome;
use outbound::EgressPolicy;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::servers::{self, Running};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::{attempt, bench, target};
use crate::bench::{Bench, describe};
use crate::fixtures;

/// A server with a configuration of its own.
struct Server {
    _running: Running,
    folder: TempDir,
    port: u16,
    monitoring: u16,
}

impl Server {
    async fn start(configuration: &str) -> Option<Self> {
        let program = servers::find(&target(), "nats", "usr/sbin/nats-server")?;
        let folder = TempDir::new().unwrap();
        Some(Self::start_in(folder, &program, configuration).await)
    }

    async fn start_in(folder: TempDir, program: &std::path::Path, configuration: &str) -> Self {
        let place = folder.path().display();
        let file = folder.path().join("nats.conf");
        let common = format!(
            "host: 127.0.0.1\nport: -1\nhttp: \"127.0.0.1:-1\"\nports_file_dir: \"{place}\"\n"
        );
        fs::write(
            &file,
            common + &configuration.replace("{folder}", &place.to_string()),
        )
        .unwrap();
        let log = folder.path().join("log");
        let mut running = Running::start(Command::new(program).arg("-c").arg(file), &log);
        let ports = folder
            .path()
            .join(format!("nats-server_{}.ports", running.id()));
        let ports: Value = running
            .until_ready(async || serde_json::from_slice(&fs::read(&ports).ok()?).ok())
            .await;
        let port = |kind: &str| {
            let url = ports[kind][0].as_str().unwrap();
            url.rsplit_once(':').unwrap().1.parse().unwrap()
        };
        Self {
            _running: running,
            port: port("nats"),
            monitoring: port("monitoring"),
            folder,
        }
    }

    /// A number that the server counts.
    async fn count(&self, name: &str) -> u64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.monitoring))
            .await
            .unwrap();
        stream
            .write_all(b"GET /varz HTTP/1.0\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let json = answer.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str::<Value>(json).unwrap()[name]
            .as_u64()
            .unwrap()
    }

    /// Logs in with a client of our own making and sends these commands.
    async fn client(&self, connect: &str, commands: &str) -> BufStream<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let mut stream = BufStream::new(stream);
        let said = format!("CONNECT {connect}\r\n{commands}PING\r\n");
        stream.write_all(said.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        while line(&mut stream).await != "PONG" {}
        stream
    }
}

async fn line(stream: &mut BufStream<TcpStream>) -> String {
    let mut line = String::new();
    assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "hung up");
    assert!(!line.starts_with("-ERR"), "{line}");
    line.trim_end().to_owned()
}

/// The next message: its subject and payload.
async fn message(stream: &mut BufStream<TcpStream>) -> (String, String) {
    let mut head = line(stream).await;
    while !head.starts_with("MSG") {
        head = line(stream).await;
    }
    let mut words = head.split(' ');
    assert_eq!(words.next(), Some("MSG"), "{head}");
    let subject = words.next().unwrap().to_owned();
    let mut payload = vec![0; words.next_back().unwrap().parse().unwrap()];
    stream.read_exact(&mut payload).await.unwrap();
    line(stream).await;
    (subject, String::from_utf8(payload).unwrap())
}

/// Provider and Secrets.
fn objects(address: &str, secret: &Value, tls: Option<&Value>) -> Vec<Value> {
    let secret_of = |name: &str, data: &Value| json!({"kind": "Secret", "metadata": {"name": name, "namespace": "apps"}, "stringData": data});
    let mut provider = json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
        "kind": "Provider",
        "metadata": {"name": "nats", "namespace": "apps"},
        "spec": {"type": "nats", "address": address, "channel": "flux.events", "secretRef": {"name": "login"}},
    });
    let mut objects = vec![secret_of("login", secret)];
    if let Some(tls) = tls {
        provider["spec"]["certSecretRef"] = json!({"name": "tls"});
        objects.push(secret_of("tls", tls));
    }
    objects.insert(0, provider);
    objects
}

fn event() -> Value {
    fixtures::delivered("nats").event
}

async fn said(objects: &[Value]) -> String {
    describe(&bench(objects, EgressPolicy::default()).send(&event()).await)
}

const USERS: &str = r#"
max_payload: 2000
authorization {
  users: [
    {user: fanfare, password: "s3cret-pass,word", permissions: {publish: ["flux.events"]}}
    {user: reader, password: "reader-pass"}
  ]
}
"#;

#[tokio::test]
async fn what_a_user_publishes_arrives_and_every_refusal_has_a_reason() {
    let Some(server) = Server::start(USERS).await else {
        return;
    };
    let port = server.port;
    let login = json!({"username": "fanfare", "password": "s3cret-pass,word"});
    let reader = r#"{"user":"reader","pass":"reader-pass","verbose":false}"#;
    let mut reader = server.client(reader, "SUB flux.> 1\r\n").await;

    let address = format!("nats://127.0.0.1:{port}");
    assert_eq!(said(&objects(&address, &login, None)).await, "delivered");
    let (subject, payload) = message(&mut reader).await;
    assert_eq!(subject, "flux.events");
    let payload: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(payload["message"], event()["message"]);
    assert_eq!(payload["metadata"]["cluster"], "prod-1");

    // Credentials in the address, and a first server that is not there.
    let address = format!("nats://127.0.0.1:1,nats://fanfare:s3cret-pass%2Cword@127.0.0.1:{port}");
    assert_eq!(
        said(&objects(&address, &json!({}), None)).await,
        "delivered"
    );
    message(&mut reader).await;

    for (login, channel, expected) in [
        (
            json!({"username": "fanfare", "password": "wrong-password"}),
            "flux.events",
            "misconfigured: nats://",
        ),
        (json!({}), "flux.events", "misconfigured: nats://"),
        (login.clone(), "flux.elsewhere", "misconfigured: nats://"),
    ] {
        let mut objects = objects(&format!("nats://127.0.0.1:{port}"), &login, None);
        objects[0]["spec"]["channel"] = json!(channel);
        let said = said(&objects).await;
        assert!(said.starts_with(expected), "{said}");
        assert!(said.contains("Violation"), "{said}");
        assert!(!said.contains("password"), "{said}");
    }

    let mut long = event();
    long["message"] = json!("x".repeat(3000));
    let bench = bench(
        &objects(&format!("nats://127.0.0.1:{port}"), &login, None),
        EgressPolicy::default(),
    );
    let said = describe(&bench.send(&long).await);
    assert!(
        said.starts_with("rejected: ") && said.contains("max_payload"),
        "{said}"
    );
}

#[tokio::test]
async fn a_burst_takes_few_connections_and_a_lost_one_is_replaced() {
    let Some(server) = Server::start("").await else {
        return;
    };
    let address = format!("nats://127.0.0.1:{}", server.port);
    let bench = bench(
        &objects(&address, &json!({}), None),
        EgressPolicy::default(),
    );
    for round in 0..10 {
        let sending = (0..10).map(|_| bench.send_boxed());
        for outcome in futures::future::join_all(sending).await {
            assert_eq!(describe(&outcome), "delivered", "{round}");
        }
    }
    assert_eq!(server.count("in_msgs").await, 100);
    let connections = server.count("total_connections").await;
    assert!(
        connections <= 10 + 9 * 6,
        "{connections} connections for 100 messages"
    );

    // The server goes and comes back on another port: a waiting connection is gone.
    drop(server);
    let said = describe(&bench.send(&event()).await);
    assert!(said.starts_with("unreachable: "), "{said}");
}

#[tokio::test]
async fn a_stream_confirms_and_drops_what_it_has() {
    let Some(server) = Server::start("jetstream { store_dir: \"{folder}/js\" }").await else {
        return;
    };
    let stream =
        json!({"name": "EVENTS", "subjects": ["flux.events"], "storage": "memory"}).to_string();
    let mut client = server
        .client(r#"{"verbose":false}"#, "SUB _INBOX.test 1\r\n")
        .await;
    let create = format!(
        "PUB $JS.API.STREAM.CREATE.EVENTS _INBOX.test {}\r\n{stream}\r\n",
        stream.len()
    );
    client.write_all(create.as_bytes()).await.unwrap();
    client.flush().await.unwrap();
    let (_, created) = message(&mut client).await;
    assert!(!created.contains("error"), "{created}");

    let address = format!("nats://127.0.0.1:{}?jetstream=true", server.port);
    let bench = bench(
        &objects(&address, &json!({}), None),
        EgressPolicy::default(),
    );
    let first = attempt(&bench, &event(), 1, |_| ()).await;
    assert_eq!(describe(&first), "delivered");
    // The same delivery again, as after a lost acknowledgement.
    let again = attempt(&bench, &event(), 2, |_| ()).await;
    assert_eq!(describe(&again), "delivered before, unchanged");
    let other = attempt(&bench, &event(), 1, |delivery| delivery.id.ordinal = 7).await;
    assert_eq!(describe(&other), "delivered");

    let info = "PUB $JS.API.STREAM.INFO.EVENTS _INBOX.test 0\r\n\r\n";
    client.write_all(info.as_bytes()).await.unwrap();
    client.flush().await.unwrap();
    let (_, info) = message(&mut client).await;
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["state"]["messages"], 2, "{info}");

    let mut nowhere = objects(&address, &json!({}), None);
    nowhere[0]["spec"]["channel"] = json!("flux.nowhere");
    let said = said(&nowhere).await;
    assert!(
        said.starts_with("server_fault: ") && said.contains("no stream"),
        "{said}"
    );
}

impl Bench {
    async fn send_boxed(&self) -> Outcome {
        self.send(&event()).await
    }
}
