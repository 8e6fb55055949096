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

/// Reads one answer without a body; its status, and its header names.
async fn answer(stream: &mut TcpStream) -> (u16, Vec<String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let names = lines.filter_map(|line| line.split(':').next());
    (
        status.parse().unwrap(),
        names.map(str::to_lowercase).collect(),
    )
}

/// What a caller can see: the whole body is taken before the answer, the same sizes are refused, and
/// the connection goes on or ends in the same way, whether or not the path is known.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_and_a_wrong_signature_are_told_apart_by_the_status_alone() {
    let world = World::of(&case("github", &json!({}))).await;
    let unknown = format!("/hook/{}", "0".repeat(64));
    let known = world.path().to_owned();
    let limit = 3 << 20;
    let seen = async |path: &str| {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let mut answers = Vec::new();
        let head = |more: &str| {
            format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                 X-Hub-Signature-256: sha256={}\r\n{more}\r\n\r\n",
                "00".repeat(32)
            )
        };
        for length in [0, 1, 1000, limit, limit + 1, 16 << 20] {
            let request = head(&format!("Content-Length: {length}"));
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.write_all(&vec![b'x'; length]).await.unwrap();
            answers.push(answer(&mut stream).await);
        }
        // A body whose length nobody announced, in pieces.
        let request = head("Transfer-Encoding: chunked");
        stream.write_all(request.as_bytes()).await.unwrap();
        for _ in 0..4 {
            let piece = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
            stream.write_all(piece.as_bytes()).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        answers.push(answer(&mut stream).await);
        // Beyond all patience; a kept connection ends.
        let request = head(&format!("Content-Length: {}", 64 << 20));
        stream.write_all(request.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 1 << 20];
        let mut taken = 0;
        while taken < 64 && stream.write_all(&piece).await.is_ok() {
            taken += 1;
        }
        (answers, taken < 64)
    };
    let (nobody, is_ended) = seen(&unknown).await;
    let (somebody, is_ended_too) = seen(&known).await;
    let status = |answers: &[(u16, Vec<String>)]| -> Vec<u16> {
        answers.iter().map(|(status, _)| *status).collect()
    };
    assert_eq!(status(&nobody), [404, 404, 404, 404, 413, 413, 413]);
    assert_eq!(status(&somebody), [400, 400, 400, 400, 413, 413, 413]);
    for ((_, nobody), (_, somebody)) in nobody.iter().zip(&somebody) {
        assert_eq!(nobody, somebody);
    }
    assert!(is_ended && is_ended_too);
    assert!(world.annotated().is_empty());
}
