//! A mail server that does STARTTLS, TLS from the start, and logins; messages are taken apart by
//! Python's parser.

use std::fs;
use std::path::Path;
use std::process::Command;

use outbound::EgressPolicy;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::servers::{self, Running};
use testkit::{Authority, HttpProxy};

use super::{attempt, bench, target};
use crate::bench::describe;
use crate::fixtures;

struct Server {
    _running: Running,
    folder: TempDir,
    ports: Value,
    authority: String,
}

impl Server {
    async fn start() -> Option<Self> {
        let program = servers::find(&target(), "smtp", "bin/python")?;
        let authority = Authority::new();
        let pair = authority.issue(&["127.0.0.1", "mail.example.com"]);
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("crt"), pair.certificate).unwrap();
        fs::write(folder.path().join("key"), pair.key).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/smtp_server.py");
        let log = folder.path().join("log");
        let mut command = Command::new(program);
        let mut running = Running::start(command.arg(script).arg(folder.path()), &log);
        let file = folder.path().join("ports");
        let ports = running
            .until_ready(async || serde_json::from_slice(&fs::read(&file).ok()?).ok())
            .await;
        Some(Self {
            _running: running,
            folder,
            ports,
            authority: authority.pem,
        })
    }

    fn port(&self, kind: &str) -> u16 {
        self.ports[kind].as_u64().unwrap().try_into().unwrap()
    }

    /// What arrived so far.
    fn messages(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("messages")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn objects(&self, scheme: &str, kind: &str, to: &str) -> Vec<Value> {
        objects(
            &format!("{scheme}://127.0.0.1:{}", self.port(kind)),
            to,
            &self.authority,
        )
    }
}

fn objects(address: &str, to: &str, authority: &str) -> Vec<Value> {
    vec![
        json!({
            "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
            "kind": "Provider",
            "metadata": {"name": "mail", "namespace": "apps", "uid": "0c9c2e41"},
            "spec": {
                "type": "email", "address": address, "channel": to,
                "username": "Fänfare <fanfare@example.com>",
                "secretRef": {"name": "login"}, "certSecretRef": {"name": "tls"},
            },
        }),
        json!({"kind": "Secret", "metadata": {"name": "login", "namespace": "apps"},
            "stringData": {"username": "fanfare", "password": "s3cret-of-mail"}}),
        json!({"kind": "Secret", "metadata": {"name": "tls", "namespace": "apps"},
            "stringData": {"ca.crt": authority}}),
    ]
}

fn event() -> Value {
    let mut event = fixtures::delivered("email").event;
    event["severity"] = json!("error");
    event["message"] = json!("naïve <b>bold</b> & more 🚨\n.\n..\nlast line");
    event
}

async fn said(objects: &[Value]) -> String {
    describe(&bench(objects, EgressPolicy::default()).send(&event()).await)
}

#[tokio::test]
async fn a_message_arrives_whole_over_starttls_tls_and_plain() {
    let Some(server) = Server::start().await else {
        return;
    };
    for (scheme, kind) in [
        ("smtp", "starttls"),
        ("smtps", "tls"),
        ("smtp+plain", "plain"),
        ("smtp+plain", "login"),
    ] {
        let objects = server.objects(
            scheme,
            kind,
            "ops@example.com, Night shift <night@example.com>",
        );
        assert_eq!(said(&objects).await, "delivered", "{scheme}");
        let message = server.messages().pop().unwrap();
        assert_eq!(message["login"], true);
        assert_eq!(message["tls"], scheme != "smtp+plain", "{scheme}");
        assert_eq!(message["defects"], json!([]));
        assert_eq!(message["sender"], "fanfare@example.com");
        assert_eq!(
            message["recipients"],
            json!(["ops@example.com", "night@example.com"])
        );
        let headers = &message["headers"];
        assert_eq!(headers["From"], "Fänfare <fanfare@example.com>");
        assert_eq!(
            headers["To"],
            "ops@example.com, Night shift <night@example.com>"
        );
        assert_eq!(
            headers["Subject"],
            "[error] kustomization/webapp.apps: naïve <b>bold</b> & more 🚨"
        );
        assert_eq!(headers["Auto-Submitted"], "auto-generated");
        let text = message["parts"]["text/plain"].as_str().unwrap();
        assert!(
            text.contains("naïve <b>bold</b> & more 🚨\n.\n..\nlast line\n"),
            "{text}"
        );
        assert!(text.contains("summary: Webapp impacted"), "{text}");
        let html = message["parts"]["text/html"].as_str().unwrap();
        assert!(
            html.contains("na\u{ef}ve &lt;b&gt;bold&lt;/b&gt; &amp; more 🚨\n.\n.."),
            "{html}"
        );
    }
    let messages = server.messages();
    let thread: Vec<&Value> = messages
        .iter()
        .map(|one| &one["headers"]["References"])
        .collect();
    assert!(thread.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn every_refusal_has_a_class_and_the_servers_words() {
    let Some(server) = Server::start().await else {
        return;
    };
    let mut wrong = server.objects("smtp", "starttls", "ops@example.com");
    wrong[1]["stringData"]["password"] = json!("wr0ng-password");
    let wrong = said(&wrong).await;
    assert!(
        wrong.starts_with("misconfigured: ") && wrong.contains("535 5.7.8"),
        "{wrong}"
    );
    assert!(!wrong.contains("wr0ng"), "{wrong}");

    let mut nobody = server.objects("smtp", "starttls", "ops@example.com");
    nobody[0]["spec"]
        .as_object_mut()
        .unwrap()
        .remove("secretRef");
    let nobody = said(&nobody).await;
    assert!(
        nobody.starts_with("misconfigured: ") && nobody.contains(" 530 "),
        "{nobody}"
    );

    for (to, expected) in [
        ("unknown@example.com", "rejected: smtp://127.0.0.1"),
        ("full@example.com", "server_fault: smtp://127.0.0.1"),
        (
            "ops@example.com,unknown@example.com",
            "rejected: sent to 1 of 2 recipients",
        ),
    ] {
        let said = said(&server.objects("smtp", "starttls", to)).await;
        assert!(said.starts_with(expected), "{said}");
    }
    assert_eq!(
        server.messages().len(),
        1,
        "the one recipient who was not refused"
    );

    let stranger = server.objects("smtps", "starttls", "ops@example.com");
    let stranger = said(&stranger).await;
    assert!(
        stranger.starts_with("unreachable: TLS with smtps://"),
        "{stranger}"
    );
    let plain = said(&server.objects("smtp", "plain", "ops@example.com")).await;
    assert!(
        plain.starts_with("misconfigured: ") && plain.contains("STARTTLS"),
        "{plain}"
    );
    let mut untrusted = server.objects("smtp", "starttls", "ops@example.com");
    untrusted[0]["spec"]
        .as_object_mut()
        .unwrap()
        .remove("certSecretRef");
    let untrusted = said(&untrusted).await;
    assert!(
        untrusted.starts_with("misconfigured: TLS with smtp://"),
        "{untrusted}"
    );
    assert_eq!(server.messages().len(), 1);

    let objects = server.objects("smtp", "starttls", "ops@example.com");
    let bench = bench(&objects, EgressPolicy::default());
    for (message, expected) in [
        ("refuse the text".to_owned(), "554 5.6.0 not with this text"),
        ("long ".repeat(10_000), "takes at most 20000"),
    ] {
        let mut event = event();
        event["message"] = json!(message);
        let said = describe(&bench.send(&event).await);
        assert!(
            said.starts_with("rejected: ") && said.contains(expected),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_full_mailbox_holds_the_message_back_for_three_attempts_only() {
    let Some(server) = Server::start().await else {
        return;
    };
    let objects = server.objects("smtp", "starttls", "ops@example.com, full@example.com");
    let bench = bench(&objects, EgressPolicy::default());
    for number in 1..=3 {
        let said = describe(&attempt(&bench, &event(), number, |_| ()).await);
        assert!(said.contains("452 4.2.2 mailbox full"), "{said}");
        assert!(server.messages().is_empty(), "{number}");
    }
    let said = describe(&attempt(&bench, &event(), 4, |_| ()).await);
    assert!(said.starts_with("rejected: sent to 1 of 2"), "{said}");
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn a_message_keeps_its_id_over_attempts() {
    let Some(server) = Server::start().await else {
        return;
    };
    let objects = server.objects("smtp", "starttls", "ops@example.com");
    let bench = bench(&objects, EgressPolicy::default());
    attempt(&bench, &event(), 1, |_| ()).await;
    attempt(&bench, &event(), 2, |_| ()).await;
    attempt(&bench, &event(), 1, |delivery| delivery.id.ordinal = 7).await;
    let messages = server.messages();
    assert_eq!(messages[0]["headers"], messages[1]["headers"]);
    assert_ne!(
        messages[0]["headers"]["Message-ID"],
        messages[2]["headers"]["Message-ID"]
    );
}

#[tokio::test]
async fn mail_goes_through_a_proxy_and_stops_at_the_guard() {
    let Some(server) = Server::start().await else {
        return;
    };
    let proxy = HttpProxy::start(([127, 0, 0, 1], server.port("starttls")).into(), None).await;
    let mut through = objects(
        "smtp://mail.example.com",
        "ops@example.com",
        &server.authority,
    );
    through[0]["spec"]["proxySecretRef"] = json!({"name": "proxy"});
    through.push(
        json!({"kind": "Secret", "metadata": {"name": "proxy", "namespace": "apps"},
        "stringData": {"address": format!("http://{}", proxy.address())}}),
    );
    assert_eq!(said(&through).await, "delivered");
    assert_eq!(proxy.asked()[0].target, "mail.example.com:587");

    let metadata = objects(
        "smtp+plain://169.254.169.254:80",
        "ops@example.com",
        &server.authority,
    );
    let refused = said(&metadata).await;
    assert!(refused.starts_with("misconfigured: "), "{refused}");
    let objects = server.objects("smtp", "starttls", "ops@example.com");
    let denied = EgressPolicy {
        deny: vec!["127.0.0.0/8".parse().unwrap()],
        ..EgressPolicy::default()
    };
    let said = describe(&bench(&objects, denied).send(&event()).await);
    assert!(said.contains("denied network"), "{said}");
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn a_password_is_not_shown_to_everybody_on_the_way() {
    let objects = objects(
        "smtp+plain://mail.example.com",
        "ops@example.com",
        &Authority::new().pem,
    );
    let said = said(&objects).await;
    assert!(
        said.starts_with("misconfigured: ") && said.contains("smtp+plain://"),
        "{said}"
    );
}
