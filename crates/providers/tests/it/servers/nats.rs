//! NATS: logins, TLS, limits, streams.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Outcome;
use outbound::EgressPolicy;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::servers::{self, Running};
use testkit::{Authority, HttpProxy};
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
async fn tokens_are_taken() {
    let Some(server) = Server::start("authorization { token: \"t0ken-of-nats\" }").await else {
        return;
    };
    let address = format!("nats://127.0.0.1:{}", server.port);
    let token = json!({"token": "t0ken-of-nats\n"});
    assert_eq!(said(&objects(&address, &token, None)).await, "delivered");
    let in_address = format!("nats://t0ken-of-nats@127.0.0.1:{}", server.port);
    assert_eq!(
        said(&objects(&in_address, &json!({}), None)).await,
        "delivered"
    );
    let wrong = said(&objects(&address, &json!({"token": "wr0ng-token"}), None)).await;
    assert!(
        wrong.starts_with("misconfigured: ") && !wrong.contains("wr0ng"),
        "{wrong}"
    );
}

#[tokio::test]
async fn nkeys_sign_the_servers_nonce() {
    let user = Nkey::new(USER, 1);
    let configuration = format!("authorization {{ users: [{{nkey: {}}}] }}", user.public());
    let Some(server) = Server::start(&configuration).await else {
        return;
    };
    let address = format!("nats://127.0.0.1:{}", server.port);
    let secret = |key: &Nkey| json!({"nkey": key.seed()});
    assert_eq!(
        said(&objects(&address, &secret(&user), None)).await,
        "delivered"
    );
    let stranger = said(&objects(&address, &secret(&Nkey::new(USER, 2)), None)).await;
    assert!(
        stranger.starts_with("misconfigured: ") && stranger.contains("Authorization"),
        "{stranger}"
    );

    let Some(open) = Server::start("").await else {
        return;
    };
    let address = format!("nats://127.0.0.1:{}", open.port);
    let said = said(&objects(&address, &secret(&user), None)).await;
    assert!(
        said.starts_with("misconfigured: ") && said.contains("NKeys"),
        "{said}"
    );
}

#[tokio::test]
async fn creds_files_log_in_where_an_operator_rules() {
    let (operator, account, user) = (
        Nkey::new(OPERATOR, 3),
        Nkey::new(ACCOUNT, 4),
        Nkey::new(USER, 5),
    );
    let unlimited = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
        "wildcards": true, "conn": -1, "leaf": -1});
    let operator_jwt = operator.issue(&operator, &json!({"type": "operator", "version": 2}));
    let account_jwt = operator.issue(
        &account,
        &json!({"type": "account", "version": 2, "limits": unlimited}),
    );
    let user_jwt = account.issue(
        &user,
        &json!({"type": "user", "version": 2, "pub": {}, "sub": {},
        "subs": -1, "data": -1, "payload": -1}),
    );
    let configuration = format!(
        "operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload: {{ {}: {account_jwt} }}\n",
        account.public()
    );
    let Some(server) = Server::start(&configuration).await else {
        return;
    };
    let address = format!("nats://127.0.0.1:{}", server.port);
    let creds = |jwt: &str, key: &Nkey| {
        json!({"creds": format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n", key.seed())})
    };
    assert_eq!(
        said(&objects(&address, &creds(&user_jwt, &user), None)).await,
        "delivered"
    );
    assert_eq!(server.count("in_msgs").await, 1);
    let foreign = Nkey::new(USER, 6);
    let said = said(&objects(&address, &creds(&user_jwt, &foreign), None)).await;
    assert!(
        said.starts_with("misconfigured: ") && said.contains("Authorization"),
        "{said}"
    );
    assert!(
        !said.contains(user_jwt.get(..20).unwrap())
            && !said.contains(foreign.seed().get(..10).unwrap()),
        "{said}"
    );
}

#[tokio::test]
async fn tls_is_spoken_with_a_private_authority_and_a_client_certificate() {
    let Some(program) = servers::find(&target(), "nats", "usr/sbin/nats-server") else {
        return;
    };
    let authority = Authority::new();
    let pair = authority.issue(&["127.0.0.1", "nats.example.com"]);
    let ours = authority.issue(&["fanfare"]);
    let folder = TempDir::new().unwrap();
    for (name, text) in [
        ("ca", &authority.pem),
        ("crt", &pair.certificate),
        ("key", &pair.key),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let server = Server::start_in(
        folder,
        &program,
        "tls { cert_file: \"{folder}/crt\", key_file: \"{folder}/key\", ca_file: \"{folder}/ca\", verify: true }",
    )
    .await;
    let port = server.port;
    let full = json!({"ca.crt": authority.pem, "tls.crt": ours.certificate, "tls.key": ours.key});
    // A server that requires TLS gets it, whatever the scheme.
    for scheme in ["nats", "tls"] {
        let address = format!("{scheme}://127.0.0.1:{port}");
        assert_eq!(
            said(&objects(&address, &json!({}), Some(&full))).await,
            "delivered"
        );
        let said = said(&objects(&address, &json!({}), None)).await;
        assert!(said.starts_with("misconfigured: TLS with"), "{said}");
    }
    let only_ca = json!({"ca.crt": authority.pem});
    let said_without = said(&objects(
        &format!("tls://127.0.0.1:{port}"),
        &json!({}),
        Some(&only_ca),
    ))
    .await;
    assert!(
        said_without.starts_with("unreachable: TLS with"),
        "{said_without}"
    );

    // Through a proxy, by a name that only the proxy resolves.
    let proxy = HttpProxy::start(([127, 0, 0, 1], port).into(), Some(("bob", "builder"))).await;
    let mut through = objects("tls://nats.example.com:4222", &json!({}), Some(&full));
    through[0]["spec"]["proxySecretRef"] = json!({"name": "proxy"});
    through.push(json!({"kind": "Secret", "metadata": {"name": "proxy", "namespace": "apps"},
        "stringData": {"address": format!("http://{}", proxy.address()), "username": "bob", "password": "builder"}}));
    assert_eq!(said(&through).await, "delivered");
    assert!(proxy.asked()[0].target.starts_with("nats.example.com:4222"));
    assert!(server.folder.path().exists());
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_when_tls_is_asked_for() {
    let Some(server) = Server::start("").await else {
        return;
    };
    let said = said(&objects(
        &format!("tls://127.0.0.1:{}", server.port),
        &json!({}),
        None,
    ))
    .await;
    assert!(
        said.starts_with("misconfigured: ") && said.contains("does not offer TLS"),
        "{said}"
    );
    assert_eq!(server.count("in_msgs").await, 0);
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

#[tokio::test]
async fn the_guard_holds_for_nats_too() {
    for address in [
        "nats://169.254.169.254:80",
        "nats://[fe80::1]:4222",
        "nats://0xa9fea9fe",
    ] {
        let said = said(&objects(address, &json!({}), None)).await;
        assert!(!said.starts_with("delivered"), "{said}");
        assert!(
            said.contains("may not be dialled") || said.contains("no address found"),
            "{said}"
        );
    }
    let Some(server) = Server::start("").await else {
        return;
    };
    let objects = objects(
        &format!("nats://localhost:{}", server.port),
        &json!({}),
        None,
    );
    let denied = EgressPolicy {
        deny: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        ..EgressPolicy::default()
    };
    let outcome = bench(&objects, denied).send(&event()).await;
    let said = describe(&outcome);
    assert!(
        said.starts_with("misconfigured: ") && said.contains("denied network"),
        "{said}"
    );
    assert_eq!(server.count("total_connections").await, 0);
}

const OPERATOR: u8 = 14 << 3;
const ACCOUNT: u8 = 0;
const USER: u8 = 20 << 3;

/// A key as operators make them, written down independently of the product.
struct Nkey {
    kind: u8,
    seed: [u8; 32],
}

impl Nkey {
    fn new(kind: u8, number: u8) -> Self {
        Self {
            kind,
            seed: [number; 32],
        }
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&self.seed).unwrap()
    }

    fn public(&self) -> String {
        let mut raw = vec![self.kind];
        raw.extend_from_slice(self.pair().public_key().as_ref());
        checked_base32(raw)
    }

    fn seed(&self) -> String {
        let prefix = 18_u8 << 3;
        let mut raw = vec![prefix | self.kind >> 5, (self.kind & 31) << 3];
        raw.extend_from_slice(&self.seed);
        checked_base32(raw)
    }

    /// A JWT about `subject`, signed by this key.
    fn issue(&self, subject: &Nkey, nats: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
        let mut claims = json!({"iat": 1_700_000_000, "iss": self.public(), "name": "test",
            "sub": subject.public(), "nats": nats});
        let hash = digest::digest(&digest::SHA512_256, claims.to_string().as_bytes());
        claims["jti"] = json!(base32(hash.as_ref()));
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.pair().sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn checked_base32(mut raw: Vec<u8>) -> String {
    let mut sum = 0_u16;
    for byte in &raw {
        sum ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            sum = if sum & 0x8000 == 0 {
                sum << 1
            } else {
                (sum << 1) ^ 0x1021
            };
        }
    }
    raw.extend_from_slice(&sum.to_le_bytes());
    base32(&raw)
}

fn base32(bytes: &[u8]) -> String {
    let mut bits = String::new();
    for byte in bytes {
        write!(bits, "{byte:08b}").unwrap();
    }
    while !bits.len().is_multiple_of(5) {
        bits.push('0');
    }
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    bits.as_bytes()
        .chunks(5)
        .map(|five| {
            let text = std::str::from_utf8(five).unwrap();
            char::from(letters[usize::from_str_radix(text, 2).unwrap()])
        })
        .collect()
}

impl Bench {
    async fn send_boxed(&self) -> Outcome {
        self.send(&event()).await
    }
}
