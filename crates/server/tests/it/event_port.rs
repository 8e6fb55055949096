//! The recorded exchanges of the reference's event port, and what we promise beyond them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Answer, Port, event, now, read_answer};
use crate::wire::request_bytes;

const MINUTES: Duration = Duration::from_mins(5);

/// Rules of `conformance/differences.toml` for this port, in code.
fn expected_status(case: &str, recorded: u16) -> u16 {
    match case {
        // What names no object is no event.
        "body-null-and-empty-object"
        | "missing-involvedObject"
        | "null-involvedObject"
        | "dedup-empty-events-share-a-key" => 400,
        _ => recorded,
    }
}

fn interval_of(case: &Value) -> Duration {
    let flags = case["flags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    for flag in flags {
        if let Some(text) = flag.strip_prefix("--rate-limit-interval=") {
            return api::duration::parse(text).unwrap_or(Duration::ZERO);
        }
    }
    MINUTES
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_exchange_is_answered_alike() {
    let text =
        std::fs::read_to_string(testkit::corpus::path("incoming/event-server.json")).unwrap();
    let recording: Value = serde_json::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for case in recording["cases"].as_array().unwrap() {
        let directory = tempfile::tempdir().unwrap();
        let port = Port::start(&directory, interval_of(case), 1_000_000).await;
        let start = now(&port);
        let name = case["name"].as_str().unwrap();
        for request in case["requests"].as_array().unwrap() {
            if let Some(seconds) = request["at_s"].as_f64() {
                port.clock
                    .set(start + jiff::SignedDuration::from_secs_f64(seconds));
            }
            checked += 1;
            if let Err(problem) = check(&port, name, request).await {
                wrong.push(format!("{name}: {problem}"));
            }
        }
        port.stop().await;
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(checked > 200, "only {checked} exchanges were checked");
}

async fn check(port: &Port, name: &str, request: &Value) -> Result<(), String> {
    let bytes = request_bytes(request);
    let response = &request["response"];
    if let Some(parallel) = request["parallel"].as_u64() {
        let answers =
            futures::future::join_all((0..parallel).map(|_| port.exchange(&bytes, false))).await;
        let mut statuses: BTreeMap<String, u64> = BTreeMap::new();
        for answer in answers.into_iter().flatten() {
            *statuses.entry(answer.status.to_string()).or_default() += 1;
        }
        let expected = &response["statuses"];
        let found = serde_json::to_value(&statuses).unwrap();
        return if found == *expected {
            Ok(())
        } else {
            Err(format!("expected {expected}, got {found}"))
        };
    }
    if let Some(statuses) = response["status"].as_array() {
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut buffer = Vec::new();
        for (index, status) in statuses.iter().enumerate() {
            let answer = read_answer(&mut stream, &mut buffer)
                .await
                .ok_or("no answer")?;
            if Some(u64::from(answer.status)) != status.as_u64() {
                return Err(format!(
                    "answer {index}: {} instead of {status}",
                    answer.status
                ));
            }
        }
        return Ok(());
    }
    let half_close = request["half_close"] == true;
    let answer = port.exchange(&bytes, half_close).await.ok_or("no answer")?;
    compare(name, &answer, response)
}

fn compare(name: &str, answer: &Answer, recorded: &Value) -> Result<(), String> {
    let status = u16::try_from(recorded["status"].as_u64().unwrap()).unwrap();
    let expected = expected_status(name, status);
    if answer.status != expected {
        return Err(format!("status {} instead of {expected}", answer.status));
    }
    // Errors before our code, redirects and refusals have texts of the HTTP library.
    if matches!(answer.status, 202 | 429) {
        for header in ["x-ratelimit-limit", "x-ratelimit-remaining"] {
            let expected = recorded["headers"][header].as_str();
            let found = answer.headers.get(header).map(String::as_str);
            if found != expected {
                return Err(format!("{header}: {found:?} instead of {expected:?}"));
            }
        }
        let date = answer
            .headers
            .get("x-ratelimit-reset")
            .ok_or("no x-ratelimit-reset")?;
        if jiff::fmt::rfc2822::parse(date).is_err() {
            return Err(format!("`{date}` is no date"));
        }
        let retry_after = answer.headers.get("retry-after");
        if (answer.status == 429) != (retry_after == Some(date)) {
            return Err(format!("retry-after is {retry_after:?}"));
        }
    }
    let is_explained = answer.status == 400 && status != 400;
    if is_explained {
        return (answer.body.starts_with("this is no event") && answer.body.lines().count() == 1)
            .then_some(())
            .ok_or_else(|| format!("explained by {:?}", answer.body));
    }
    if matches!(answer.status, 202 | 400 | 413 | 429) && !answer.body.is_empty() {
        return Err(format!("body {:?} instead of none", answer.body));
    }
    if let Some(location) = recorded["headers"]["location"].as_str()
        && answer.headers.get("location").map(String::as_str) != Some(location)
    {
        return Err("location differs".to_owned());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn real_events_of_real_controllers_are_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::start(&directory, MINUTES, 1_000_000).await;
    let events = testkit::corpus::real_events();
    assert!(events.len() > 70, "{} events", events.len());
    for (name, body) in events {
        // Some differ in nothing that tells events apart.
        port.clock.advance(MINUTES);
        assert_eq!(port.post(&body).await, 202, "{name}");
    }
    port.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_recognised_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::start(&directory, MINUTES, 1_000_000).await;
    assert_eq!(port.post(&event("a", "m")).await, 202);
    let later = now(&port) + jiff::SignedDuration::from_secs(299);
    port.stop().await;
    let port = Port::start_at(&directory, MINUTES, 1_000_000, later).await;
    assert_eq!(port.post(&event("a", "m")).await, 429);
    port.clock.advance(Duration::from_secs(1));
    assert_eq!(port.post(&event("a", "m")).await, 202);
    port.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_asks_senders_to_come_back_shortly_and_counts_nothing() {
    let directory: TempDir = tempfile::tempdir().unwrap();
    let port = Port::start(&directory, MINUTES, 0).await;
    let body = event("a", "m");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: e\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..2 {
        let answer = port.exchange(request.as_bytes(), false).await.unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(answer.headers["retry-after"], "1");
        assert_eq!(answer.headers["content-length"], "0");
    }
    port.stop().await;
}

/// T1.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_counts_although_its_sender_hung_up() {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::start(&directory, MINUTES, 1_000_000).await;
    let body = event("a", "m");
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: e\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    drop(stream);
    // Whether it is the first or the second that stored it, the event is there exactly once.
    let status = port.post(&body).await;
    assert!(matches!(status, 202 | 429), "{status}");
    assert_eq!(port.post(&body).await, 429);
    port.stop().await;
}
