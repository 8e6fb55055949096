//! The way to NATS: TLS, a proxy, and addresses that may not be dialled.

use std::fs;

use outbound::EgressPolicy;
use serde_json::json;
use tempfile::TempDir;
use testkit::{Authority, HttpProxy, servers};

use super::super::{bench, target};
use super::{Server, event, objects, said};
use crate::bench::describe;

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
