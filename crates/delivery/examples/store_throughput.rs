//! Measures the store: appends with many in flight, whole delivery cycles, memory with a long queue,
//! and the time to start with much history.
//!
//! `cargo run --release -p delivery --example store_throughput -- [DIRECTORY] [HISTORY]`

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement ends at the first surprise and prints what it found"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use api::{Event, ObjectKey, ObjectReference};
use delivery::Store;
use delivery::store::open::{QueueLimit, StoreSettings, open};
use delivery::store::{LastAttempt, NewEvent, PlannedEvent, Settlement};
use domain::CleanEvent;
use domain::delivery::{Content, Delivery, DeliveryId, DeliveryState, Lane, Position};
use domain::plan::Dispositions;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, oneshot};

/// Appends under way at once.
const IN_FLIGHT: usize = 1024;

/// Settlements under way at once.
const ATTEMPTS: usize = 256;

const LANES: u64 = 1000;
const PROVIDERS: u64 = 4;

fn now() -> Timestamp {
    Timestamp::constant(1_709_629_811, 0)
}

fn provider(number: u64) -> ObjectKey {
    ObjectKey::new("team", format!("provider-{number}"))
}

/// An event of about 1 KiB.
fn event(number: u64) -> NewEvent {
    let event = Event {
        involved_object: ObjectReference {
            kind: "Kustomization".into(),
            namespace: "team".into(),
            name: format!("app-{}", number % LANES),
            uid: "9cf6a7d6-6f6b-4b4c-9a52-6a1e5a2f7c11".into(),
            api_version: "kustomize.toolkit.fluxcd.io/v1".into(),
            ..ObjectReference::default()
        },
        severity: "info".into(),
        timestamp: Some(now()),
        message: format!("Reconciliation {number} finished. {}", "x".repeat(640)),
        reason: "ReconciliationSucceeded".into(),
        reporting_controller: "kustomize-controller".into(),
        reporting_instance: "kustomize-controller-7b7b47f459-dx2lz".into(),
        ..Event::default()
    };
    let (event, key) = CleanEvent::from_wire(event).unwrap();
    NewEvent {
        event: Arc::new(event),
        key,
        interval_start: now(),
        received_at: now(),
    }
}

fn plan(position: Position) -> PlannedEvent {
    let number = position.0;
    let provider_number = number % PROVIDERS;
    let delivery = Delivery {
        id: DeliveryId {
            position,
            ordinal: 0,
        },
        lane: Lane(number % LANES * PROVIDERS + provider_number),
        provider: provider(provider_number),
        alert: ObjectKey::new("team", "everything"),
        accepted_at: now(),
        supersede_key: None,
        content: Content {
            kind: "slack".into(),
            alert_uid: "9cf6a7d6-6f6b-4b4c-9a52-6a1e5a2f7c11".into(),
            metadata: [(
                "revision".to_owned(),
                "main@sha1:0123456789abcdef".to_owned(),
            )]
            .into(),
            ..Content::default()
        },
    };
    PlannedEvent {
        position,
        event: None,
        deliveries: vec![delivery],
        dispositions: Dispositions::default(),
    }
}

fn open_in(directory: &Path) -> Arc<dyn Store> {
    let settings = StoreSettings {
        directory: directory.to_owned(),
        queue_limit: QueueLimit {
            deliveries: u64::MAX,
            bytes: 1 << 40,
        },
        lock_wait: Duration::from_secs(5),
    };
    open(settings).unwrap()
}

/// Appends with many in flight; latencies in microseconds, sorted.
async fn append_all(store: &Arc<dyn Store>, number: u64) -> Vec<u64> {
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    let (done, mut latencies) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..number {
        let permit = room.clone().acquire_owned().await.unwrap();
        let done = done.clone();
        let started = Instant::now();
        store.append(
            event(number),
            Box::new(move |result| {
                result.unwrap();
                let _ = done.send(started.elapsed());
                drop(permit);
            }),
        );
    }
    drop(done);
    let mut all = Vec::new();
    while let Some(latency) = latencies.recv().await {
        all.push(u64::try_from(latency.as_micros()).unwrap());
    }
    all.sort_unstable();
    all
}

async fn plan_all(store: &Arc<dyn Store>) -> u64 {
    let mut planned = 0;
    loop {
        let after = store.planned_up_to().await.unwrap();
        let entries = store.read_after(after, 256).await.unwrap();
        if entries.is_empty() {
            return planned;
        }
        planned += entries.len() as u64;
        let plans = entries.iter().map(|entry| plan(entry.position)).collect();
        store.commit(plans).await.unwrap();
    }
}

fn delivered() -> Settlement {
    Settlement {
        state: DeliveryState::Delivered,
        due_at: None,
        attempted: true,
        last: LastAttempt {
            at: Some(now()),
            class: None,
            status: Some(200),
            detail: String::new(),
        },
        remember: Vec::new(),
        now: now(),
    }
}

/// Claims and settles that many; more must not be expected than there will be.
async fn deliver(store: &Arc<dyn Store>, number: u64) {
    let room = Arc::new(Semaphore::new(ATTEMPTS));
    let settled = Arc::new(AtomicU64::new(0));
    let lease = now() + SignedDuration::from_hours(1);
    let mut left = number;
    while settled.load(Ordering::Relaxed) < number {
        let mut found = 0;
        for number in 0..PROVIDERS {
            let most = usize::try_from(left.min(32)).unwrap();
            let claims = store
                .claim(&provider(number), now(), most, lease)
                .await
                .unwrap();
            found += claims.claimed.len();
            left -= claims.claimed.len() as u64;
            for claimed in claims.claimed {
                assert!(claimed.event.is_some());
                let permit = room.clone().acquire_owned().await.unwrap();
                let (store, settled) = (store.clone(), settled.clone());
                tokio::spawn(async move {
                    store.settle(&claimed, delivered()).await.unwrap();
                    settled.fetch_add(1, Ordering::Relaxed);
                    drop(permit);
                });
            }
        }
        if found == 0 {
            tokio::task::yield_now().await;
        }
    }
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|kib| kib.parse().ok())
        .unwrap_or_default();
    kib / 1024.0
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn rate(number: u64, took: Duration) -> f64 {
    number as f64 / took.as_secs_f64()
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

async fn history(directory: &Path, number: u64) {
    let store = open_in(directory);
    let mut left = number;
    while left > 0 {
        let part = left.min(100_000);
        append_all(&store, part).await;
        plan_all(&store).await;
        deliver(&store, part).await;
        left -= part;
    }
    println!(
        "history of {number} delivered: {:.0} MiB resident",
        resident_mib()
    );
    store.close().await;
    let started = Instant::now();
    let store = open_in(directory);
    println!("opened it in {:?}", started.elapsed());
    let started = Instant::now();
    let recent = store.recent_keys(now(), 300_000).await.unwrap();
    println!(
        "read {} recent keys in {:?}",
        recent.len(),
        started.elapsed()
    );
    let started = Instant::now();
    let rows = store.summary(100).await.unwrap();
    println!("summary of {} rows in {:?}", rows.len(), started.elapsed());
    store.close().await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map_or_else(
        || std::env::temp_dir().join("fanfare-throughput"),
        PathBuf::from,
    );
    let past: u64 = arguments
        .next()
        .map_or(0, |past| past.parse().expect("a number"));
    assert!(!directory.exists(), "the directory must not exist");

    let store = open_in(&directory);
    println!("idle: {:.1} MiB resident", resident_mib());

    let number = 300_000;
    let started = Instant::now();
    let latencies = append_all(&store, number).await;
    let took = started.elapsed();
    println!(
        "appends: {:.0}/s; with {IN_FLIGHT} in flight p50 {} µs, p99 {} µs",
        rate(number, took),
        percentile(&latencies, 50),
        percentile(&latencies, 99)
    );
    drop(latencies);

    let started = Instant::now();
    let planned = plan_all(&store).await;
    println!("plans: {:.0}/s", rate(planned, started.elapsed()));
    let started = Instant::now();
    deliver(&store, planned - 100_000).await;
    println!(
        "claims and settlements: {:.0}/s",
        rate(planned - 100_000, started.elapsed())
    );

    store.close().await;
    let started = Instant::now();
    let store = open_in(&directory);
    println!(
        "opened with {} queued in {:?}",
        store.backlog().live,
        started.elapsed()
    );
    deliver(&store, 1000).await;
    println!(
        "with {} queued: {:.1} MiB resident",
        store.backlog().live,
        resident_mib()
    );
    deliver(&store, 99_000).await;

    let number = 100_000;
    let started = Instant::now();
    let (answer, appended) = oneshot::channel();
    let producer = store.clone();
    tokio::spawn(async move {
        append_all(&producer, number).await;
        let _ = answer.send(());
    });
    let consumer = store.clone();
    let planner = tokio::spawn(async move {
        let mut planned = 0;
        while planned < number {
            planned += plan_all(&consumer).await;
            tokio::task::yield_now().await;
        }
    });
    deliver(&store, number).await;
    let took = started.elapsed();
    planner.await.unwrap();
    appended.await.unwrap();
    println!(
        "whole cycles, all stages at once: {:.0}/s",
        rate(number, took)
    );
    println!("resident: {:.1} MiB, {:?}", resident_mib(), store.backlog());
    store.close().await;

    if past > 0 {
        history(&directory, past).await;
    }
}
