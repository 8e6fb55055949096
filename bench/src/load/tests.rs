//! The load generator against a server that counts.

use super::*;
use crate::event;
use crate::sink::{Mode, Sink};

fn target(sink: &Sink, accepted: Option<Arc<Ledger>>) -> Target {
    Target {
        address: sink.address(),
        security: sink.client(),
        requests: event::requests(event::PREFIX),
        connections: 4,
        epoch: sink.epoch(),
        first_number: 0,
        accepted,
    }
}

#[tokio::test]
async fn every_request_of_a_saturated_load_arrives_once_and_in_order() {
    let sink = Sink::plain(Mode::Healthy, Instant::now()).await.unwrap();
    let ledger = Arc::new(Ledger::new());
    let target = target(&sink, Some(ledger.clone()));
    let outcome = saturate(&target, 1000, Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!((outcome.accepted, outcome.lost()), (1000, 0));
    let totals = sink.ledger().totals();
    assert_eq!(
        (totals.different, totals.repeated, totals.disordered),
        (1000, 0, 0)
    );
    assert_eq!(ledger.missing_from(sink.ledger()), 0);
}

#[tokio::test]
async fn a_schedule_goes_over_tls_too() {
    let sink = Sink::tls(Mode::Healthy, Instant::now()).await.unwrap();
    let outcome = on_schedule(&target(&sink, None), 10_000, 500)
        .await
        .unwrap();
    assert_eq!((outcome.accepted, outcome.lost()), (500, 0));
    assert!(outcome.elapsed >= Duration::from_millis(45));
    assert_eq!(sink.ledger().totals().different, 500);
}

#[tokio::test]
async fn waiting_for_a_free_connection_counts_as_latency() {
    let sink = Sink::plain(Mode::Slow(Duration::from_millis(20)), Instant::now());
    let sink = sink.await.unwrap();
    // Four connections at 20 ms do 200 per second; 2,000 are due within a tenth of a second.
    let outcome = on_schedule(&target(&sink, None), 2000, 200).await.unwrap();
    assert_eq!(outcome.accepted, 200);
    assert!(outcome.latency.milliseconds(0.99) > 500.0);
}

#[tokio::test]
async fn refusals_are_not_accepted() {
    let sink = Sink::plain(Mode::Refusing, Instant::now()).await.unwrap();
    let outcome = saturate(&target(&sink, None), 10, Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!((outcome.accepted, outcome.lost()), (0, 10));
    assert_eq!(outcome.refused.get(&503), Some(&10));
}

#[test]
fn requests_are_due_evenly() {
    assert_eq!(moment(0, 5000), Duration::ZERO);
    assert_eq!(moment(1, 5000), Duration::from_micros(200));
    assert_eq!(moment(50_000, 5000), Duration::from_secs(10));
}
