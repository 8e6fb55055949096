//! Accepting events and planning them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use delivery::store::open::QueueLimit;
use delivery::store::{Retention, StoreError};
use domain::delivery::{DeliveryState, Position, Remembered};
use jiff::{SignedDuration, Timestamp};

use crate::setting::{
    KEEP, Place, accept, append, at, claim, claim_one, deliver_all, delivery, new_event, planned,
    provider, prune_all, settlement, try_append,
};

pub(crate) async fn keeps_what_was_acknowledged_when_it_crashes(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    accept(&*store, &slack, 1).await;
    let claimed = claim_one(&*store, &slack, at(0)).await;
    let mut settled = settlement(DeliveryState::Delivered, at(1));
    settled.remember = vec![Remembered {
        key: "fact".into(),
        value: "told".into(),
    }];
    store.settle(&claimed, settled).await.unwrap();
    let waiting = accept(&*store, &slack, 1).await;
    let unplanned = append(&*store, "not planned yet").await;

    let store = place.after_crash().open();

    assert_eq!(store.planned_up_to().await.unwrap(), waiting.position);
    let entries = store.read_after(waiting.position, 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].position, unplanned);
    let event = entries[0].event.as_ref().unwrap();
    assert_eq!(*event, new_event("not planned yet", at(0)).event);
    assert_eq!(store.recall("fact").await.unwrap().unwrap(), "told");
    let claimed = claim_one(&*store, &slack, at(2)).await;
    assert_eq!(claimed.delivery, delivery(waiting.position, 0, &slack, 1));
}

pub(crate) async fn answers_every_append_once_and_in_order(place: &dyn Place) {
    let store = place.open();
    let answers = Arc::new(Mutex::new(Vec::new()));
    for number in 0..500 {
        let answers = answers.clone();
        let event = new_event(&format!("event {number}"), at(0));
        store.append(
            event,
            Box::new(move |result| answers.lock().unwrap().push((number, result.unwrap()))),
        );
    }
    store.close().await;
    let expected: Vec<_> = (0..500)
        .map(|number| (number, Position(number + 1)))
        .collect();
    assert_eq!(*answers.lock().unwrap(), expected);
    let entries = place.open().read_after(Position(0), 1000).await.unwrap();
    for (entry, (number, position)) in entries.iter().zip(expected) {
        let message = &entry.event.as_ref().unwrap().event().message;
        assert_eq!(
            (entry.position, message),
            (position, &format!("event {number}"))
        );
    }
}

pub(crate) async fn gives_each_position_once_even_when_all_is_pruned(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let last = accept(&*store, &slack, 1).await;
    deliver_all(&*store, &slack, at(0)).await;
    let nothing = Retention { bytes: 0, ..KEEP };
    prune_all(&*store, nothing, at(1)).await;
    assert!(store.event(last.position).await.unwrap().is_none());
    store.close().await;
    let store = place.open();
    let next = append(&*store, "one more").await;
    assert_eq!(next, Position(last.position.0 + 1));
}

pub(crate) async fn reads_entries_behind_a_position(place: &dyn Place) {
    let store = place.open();
    for number in 0..5 {
        let event = new_event("same", at(number));
        try_append(&*store, event).await.unwrap();
    }
    let entries = store.read_after(Position(2), 2).await.unwrap();
    let found: Vec<_> = entries
        .iter()
        .map(|entry| (entry.position, entry.received_at))
        .collect();
    assert_eq!(found, [(Position(3), at(2)), (Position(4), at(3))]);
    assert!(store.read_after(Position(5), 2).await.unwrap().is_empty());
}

pub(crate) async fn remembers_recent_keys_newest_first(place: &dyn Place) {
    let store = place.open();
    let mut keys = Vec::new();
    for number in 0..4 {
        let event = new_event(&format!("event {number}"), at(number));
        keys.push((event.key, event.interval_start));
        try_append(&*store, event).await.unwrap();
    }
    let store = place.after_crash().open();
    let found = |since, limit| {
        let store = store.clone();
        async move {
            let recent = store.recent_keys(since, limit).await.unwrap();
            recent
                .iter()
                .map(|recent| (recent.key, recent.interval_start))
                .collect::<Vec<_>>()
        }
    };
    keys.reverse();
    assert_eq!(found(Timestamp::MIN, 10).await, keys);
    assert_eq!(found(at(2), 10).await, keys[..2]);
    assert_eq!(found(at(0), 1).await, keys[..1]);
}

pub(crate) async fn stores_a_plan_once_that_is_committed_twice(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let position = append(&*store, "once").await;
    let plan = planned(position, vec![delivery(position, 0, &slack, 1)]);
    let due = store.commit(vec![plan.clone()]).await.unwrap();
    assert_eq!(due, std::slice::from_ref(&slack));
    assert!(store.commit(vec![plan.clone()]).await.unwrap().is_empty());
    assert_eq!(deliver_all(&*store, &slack, at(0)).await, 1);
    store.commit(vec![plan]).await.unwrap();
    assert_eq!(deliver_all(&*store, &slack, at(0)).await, 0);
    assert_eq!(store.backlog().unplanned, 0);
}

pub(crate) async fn refuses_a_plan_that_leaves_an_event_out_and_nothing_else(place: &dyn Place) {
    let store = place.open();
    append(&*store, "first").await;
    let second = append(&*store, "second").await;
    let bad = store.commit(vec![planned(second, Vec::new())]);
    let missing = store.commit(vec![planned(Position(99), Vec::new())]);
    // Asked at the same time, so that they share a transaction as far as the store does such things.
    let (bad, missing, good, more) = futures::join!(
        bad,
        missing,
        try_append(&*store, new_event("third", at(0))),
        try_append(&*store, new_event("fourth", at(0))),
    );
    assert!(matches!(bad, Err(StoreError::Failed(_))), "{bad:?}");
    assert!(matches!(missing, Err(StoreError::Failed(_))), "{missing:?}");
    assert_eq!((good.unwrap(), more.unwrap()), (Position(3), Position(4)));
    assert_eq!(store.planned_up_to().await.unwrap(), Position(0));
    assert_eq!(store.backlog().unplanned, 4);
}

pub(crate) async fn plans_an_event_without_deliveries(place: &dyn Place) {
    let store = place.open();
    let first = append(&*store, "first").await;
    let second = append(&*store, "second").await;
    let due = store
        .commit(vec![
            planned(first, Vec::new()),
            planned(second, Vec::new()),
        ])
        .await
        .unwrap();
    assert!(due.is_empty());
    assert_eq!(store.planned_up_to().await.unwrap(), second);
}

pub(crate) async fn stops_for_no_event_that_is_unreadable(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let spoiled = accept(&*store, &slack, 1).await;
    let sound = accept(&*store, &slack, 2).await;
    store.close().await;
    place.spoil(spoiled.position);

    let store = place.open();
    let entries = store.read_after(Position(0), 10).await.unwrap();
    let readable: Vec<_> = entries.iter().map(|entry| entry.event.is_some()).collect();
    assert_eq!(readable, [false, true]);
    let claimed = claim(&*store, &slack, at(0)).await;
    for claim in &claimed {
        assert_eq!(claim.event.is_some(), claim.delivery.id == sound);
    }
    assert_eq!(claimed.len(), 2);
    let view = store.event(spoiled.position).await.unwrap().unwrap();
    assert!(view.event.is_none());
    assert_eq!(view.deliveries.len(), 1);
}

pub(crate) async fn refuses_events_when_too_much_waits(place: &dyn Place) {
    let limit = QueueLimit {
        deliveries: 3,
        ..QueueLimit::default()
    };
    let store = place.open_with(limit);
    let slack = provider("slack");
    accept(&*store, &slack, 1).await;
    accept(&*store, &slack, 1).await;
    append(&*store, "waits for its plan").await;
    let refused = try_append(&*store, new_event("too much", at(0))).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    assert_eq!(deliver_all(&*store, &slack, at(0)).await, 2);
    assert_eq!(append(&*store, "there is room again").await, Position(4));
}

pub(crate) async fn refuses_events_when_it_takes_too_many_bytes(place: &dyn Place) {
    let limit = QueueLimit {
        bytes: 1 << 20,
        ..QueueLimit::default()
    };
    let store = place.open_with(limit);
    let slack = provider("slack");
    // Tells the store that no history is kept, so that what waits is all there is.
    let nothing = Retention { bytes: 0, ..KEEP };
    store.prune(nothing, at(0)).await.unwrap();
    let text = "x".repeat(10_000);
    let mut accepted = 0;
    while try_append(&*store, new_event(&text, at(0))).await.is_ok() {
        accepted += 1;
        assert!(accepted < 1000, "the limit was never reached");
    }
    assert!(accepted > 50, "{accepted}");
    // Planned without deliveries the events are history, which makes room.
    let plans = (1..=accepted).map(|number| planned(Position(number), Vec::new()));
    store.commit(plans.collect()).await.unwrap();
    prune_all(&*store, nothing, at(1)).await;
    append(&*store, "there is room again").await;
    assert_eq!(deliver_all(&*store, &slack, at(1)).await, 0);
}

pub(crate) async fn answers_closed_after_it_was_closed(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    store.close().await;
    store.close().await;
    let closed = |error: StoreError| assert!(matches!(error, StoreError::Closed), "{error:?}");
    closed(
        try_append(&*store, new_event("late", at(0)))
            .await
            .unwrap_err(),
    );
    closed(store.planned_up_to().await.unwrap_err());
    closed(store.read_after(Position(0), 1).await.unwrap_err());
    closed(store.commit(Vec::new()).await.unwrap_err());
    closed(store.claim(&slack, at(0), 1, at(1)).await.unwrap_err());
    closed(store.recall("fact").await.unwrap_err());
    closed(store.summary(1).await.unwrap_err());
    closed(store.prune(KEEP, at(0)).await.unwrap_err());
}

pub(crate) async fn finishes_what_was_asked_when_it_is_closed(place: &dyn Place) {
    let store = place.open();
    let answers = Arc::new(Mutex::new(Vec::new()));
    for number in 0..100 {
        let answers = answers.clone();
        store.append(
            new_event(
                &format!("event {number}"),
                at(0) + SignedDuration::from_secs(number),
            ),
            Box::new(move |result| answers.lock().unwrap().push(result.unwrap())),
        );
    }
    store.close().await;
    let acknowledged: BTreeSet<_> = answers.lock().unwrap().iter().copied().collect();
    assert_eq!(acknowledged.len(), 100);
    let entries = place.open().read_after(Position(0), 200).await.unwrap();
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry.position)
            .collect::<BTreeSet<_>>(),
        acknowledged
    );
}
