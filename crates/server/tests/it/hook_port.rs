//! What the webhook port promises beyond the recordings.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::hooks::world::World;

fn case(kind: &str, more: &Value) -> Value {
    let mut spec = json!({
        "type": kind,
        "secretRef": {"name": "s"},
        "resources": [{"kind": "GitRepository", "name": "app"}],
    });
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({"objects": [
        {"apiVersion": "v1", "kind": "Secret",
         "metadata": {"name": "s", "namespace": "apps"}, "stringData": {"token": "t0ken"}},
        {"apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Receiver",
         "metadata": {"name": "hook", "namespace": "apps"}, "spec": spec},
        {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
         "metadata": {"name": "app", "namespace": "apps"}},
    ]})
}

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         X-Gitlab-Token: t0ken\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
}

async fn status(stream: &mut TcpStream) -> u16 {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn post(world: &World, path: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = head(path, body.len()) + body;
    stream.write_all(request.as_bytes()).await.unwrap();
    status(&mut stream).await
}

/// Bodies that nobody verified take no memory, so however many there are, genuine calls get through.
#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_of_strangers_do_not_keep_genuine_calls_out() {
    let world = World::of(&case("gitlab", &json!({}))).await;
    let path = world.path().to_owned();
    let unknown = format!("/hook/{}", "0".repeat(64));
    let piece = vec![b'x'; 3 << 20];
    let mut strangers = Vec::new();
    for number in 0..40 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        // Half of them do not know the path, the others not the token.
        let request = if number % 2 == 0 {
            head(&unknown, piece.len())
        } else {
            head(&path, piece.len()).replace("t0ken", "guess")
        };
        stream.write_all(request.as_bytes()).await.unwrap();
        // All but the last byte: each body is under way.
        stream.write_all(&piece[1..]).await.unwrap();
        strangers.push((stream, if number % 2 == 0 { 404 } else { 400 }));
    }
    assert_eq!(post(&world, &path, "{}").await, 200);
    for (stream, expected) in &mut strangers {
        stream.write_all(b"x").await.unwrap();
        assert_eq!(status(stream).await, *expected);
    }
    assert_eq!(world.annotated().len(), 1);
}

/// T1.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_hangs_up_is_served_all_the_same() {
    let world = World::of(&case("generic", &json!({}))).await;
    let path = world.path().to_owned();
    {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let request = head(&path, 2) + "{}";
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while world.annotated().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "nothing was asked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// T53.
#[tokio::test(flavor = "multi_thread")]
async fn truncated_and_oversized_bodies_ask_for_nothing() {
    let world = World::of(&case("generic", &json!({}))).await;
    let path = world.path().to_owned();
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = head(&path, 100) + "{}";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(status(&mut stream).await, 400);
    let large = "x".repeat((3 << 20) + 1);
    assert_eq!(post(&world, &path, &large).await, 413);
    let unknown = format!("/hook/{}", "0".repeat(64));
    assert_eq!(post(&world, &unknown, &large).await, 413);
    assert!(world.annotated().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_strangers_say_nothing() {
    let world = World::of(&case("gitlab", &json!({}))).await;
    let unknown = format!("/hook/{}", "0".repeat(64));
    for (path, token, expected) in [
        (unknown.as_str(), "t0ken", "HTTP/1.1 404 Not Found"),
        (world.path(), "guess", "HTTP/1.1 400 Bad Request"),
    ] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let request = head(path, 2).replace("t0ken", token) + "{}";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut names: Vec<&str> = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split(':').next())
            .collect();
        names.sort_unstable();
        assert_eq!(head.lines().next(), Some(expected));
        assert_eq!(names, ["connection", "content-length", "date"]);
        assert_eq!(body, "");
    }
}
