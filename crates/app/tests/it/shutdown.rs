//! Signals.

use std::time::Duration;

use testkit::{Answer, HttpSink};

use crate::support::{Folder, event, get};

/// T23: what was being sent is finished.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_under_way_may_end() {
    let sink = HttpSink::start().await;
    sink.answer(Answer::Hold(Box::new(Answer::status(200))));
    let folder = Folder::for_sink(&sink);
    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&event("a", 1)).await, 202);
    sink.wait_for(1).await;
    let stopping = tokio::task::spawn_blocking(move || fanfare.terminate());
    sink.release();
    let (code, took) = stopping.await.unwrap();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(8), "{took:?}");
    folder.wait_for_deliveries("delivered", 1);
    assert_eq!(sink.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_does_not_end_is_made_again_after_the_restart() {
    let sink = HttpSink::start().await;
    sink.answer_next([Answer::Hang]);
    let folder = Folder::for_sink(&sink);
    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&event("a", 1)).await, 202);
    sink.wait_for(1).await;
    let (code, took) = tokio::task::spawn_blocking(move || fanfare.terminate())
        .await
        .unwrap();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(9), "{took:?}");
    let _fanfare = folder.start(&[]);
    sink.wait_for(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let sink = HttpSink::start().await;
    sink.answer(Answer::Hang);
    let folder = Folder::for_sink(&sink);
    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&event("a", 1)).await, 202);
    sink.wait_for(1).await;
    let (code, took) = tokio::task::spawn_blocking(move || fanfare.terminate_twice())
        .await
        .unwrap();
    assert_eq!(code, Some(1));
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_answer_while_it_runs() {
    let folder = Folder::new();
    let fanfare = folder.start(&[]);
    assert_eq!(
        get(&fanfare.health, "/healthz").await,
        (200, "ok".to_owned())
    );
    assert_eq!(
        get(&fanfare.health, "/readyz").await,
        (200, "ok".to_owned())
    );
    assert_eq!(get(&fanfare.health, "/nothing").await.0, 404);
}
