//! Counting what waits and removing what is settled.

use std::time::Duration;

use delivery::store::{Backlog, Retention};
use domain::delivery::{DeliveryState, Position};

use crate::setting::{
    KEEP, Place, accept, append, at, claim, claim_one, deliver_all, delivery, ids, new_event,
    planned, provider, prune_all, settle, try_append,
};

/// Keeps an hour.
const HOUR: Retention = Retention {
    age: Duration::from_hours(1),
    ..KEEP
};

fn without_bytes(backlog: Backlog) -> Backlog {
    Backlog {
        bytes: 0,
        ..backlog
    }
}

pub(crate) async fn counts_what_waits_also_after_a_crash(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    assert_eq!(without_bytes(store.backlog()), Backlog::default());
    accept(&*store, &slack, 1).await;
    accept(&*store, &slack, 1).await;
    accept(&*store, &slack, 2).await;
    deliver_all(&*store, &slack, at(0)).await;
    for lane in [1, 1, 2] {
        accept(&*store, &slack, lane).await;
    }
    let claimed = claim(&*store, &slack, at(0)).await;
    settle(&*store, &claimed[0], DeliveryState::Parked, at(0)).await;
    append(&*store, "not planned yet").await;
    let expected = Backlog {
        unplanned: 1,
        live: 3,
        parked: 1,
        bytes: 0,
        oldest: Some(at(0)),
    };
    assert_eq!(without_bytes(store.backlog()), expected);
    assert!(store.backlog().bytes > 0);
    let store = place.after_crash().open();
    assert_eq!(without_bytes(store.backlog()), expected);
    assert!(store.backlog().bytes > 0);
}

pub(crate) async fn tells_since_when_the_oldest_waits(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let oldest = || store.backlog().oldest;
    assert_eq!(oldest(), None);
    for (number, time) in [(1, at(10)), (2, at(20)), (3, at(30))] {
        let position = try_append(&*store, new_event("waits", time)).await.unwrap();
        assert_eq!(position, Position(number));
    }
    assert_eq!(oldest(), Some(at(10)));
    store
        .commit(vec![planned(Position(1), Vec::new())])
        .await
        .unwrap();
    assert_eq!(oldest(), Some(at(20)));
    let mut promised = delivery(Position(2), 0, &slack, 1);
    promised.accepted_at = at(20);
    store
        .commit(vec![planned(Position(2), vec![promised])])
        .await
        .unwrap();
    assert_eq!(oldest(), Some(at(20)));
    deliver_all(&*store, &slack, at(40)).await;
    assert_eq!(oldest(), Some(at(30)));
    store
        .commit(vec![planned(Position(3), Vec::new())])
        .await
        .unwrap();
    assert_eq!(oldest(), None);
}

pub(crate) async fn prunes_what_is_too_old_and_keeps_what_is_live(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let settled = accept(&*store, &slack, 1).await;
    deliver_all(&*store, &slack, at(0)).await;
    let live = accept(&*store, &slack, 1).await;
    let unplanned = append(&*store, "not planned yet").await;
    prune_all(&*store, HOUR, at(3601)).await;
    assert!(store.event(settled.position).await.unwrap().is_none());
    assert!(store.event(live.position).await.unwrap().is_some());
    assert!(store.event(unplanned).await.unwrap().is_some());
    assert_eq!(ids(&claim(&*store, &slack, at(3601)).await), [live]);
    assert_eq!(
        store.summary(10).await.unwrap(),
        [(slack, DeliveryState::Pending, 1)]
    );
}

pub(crate) async fn prunes_the_oldest_when_it_takes_too_many_bytes(place: &dyn Place) {
    let store = place.open();
    let text = "x".repeat(4000);
    for number in 1..=1500 {
        let position = Position(number);
        let event = new_event(&text, at(number.cast_signed()));
        let (appended, ()) = futures::join!(try_append(&*store, event), async {});
        assert_eq!(appended.unwrap(), position);
    }
    let plans = (1..=1500).map(|number| planned(Position(number), Vec::new()));
    store.commit(plans.collect()).await.unwrap();
    let before = store.backlog().bytes;
    let bytes = before / 2;
    prune_all(&*store, Retention { bytes, ..KEEP }, at(2000)).await;
    let after = store.backlog().bytes;
    assert!(
        after <= bytes && after > bytes / 2,
        "{before} → {after}, {bytes} asked for"
    );
    let left = store.read_after(Position(0), 2000).await.unwrap();
    let first = left[0].position.0;
    assert!(first > 300 && first < 1200, "{first}");
    assert_eq!(left.last().unwrap().position, Position(1500));
    assert_eq!(left.len() as u64, 1500 - first + 1);
}

pub(crate) async fn prunes_nothing_that_is_young(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let settled = accept(&*store, &slack, 1).await;
    deliver_all(&*store, &slack, at(0)).await;
    assert!(!store.prune(HOUR, at(3600)).await.unwrap());
    assert!(store.event(settled.position).await.unwrap().is_some());
}

pub(crate) async fn prunes_what_was_passed_over_once_it_is_settled(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let live = accept(&*store, &slack, 1).await;
    prune_all(&*store, HOUR, at(4000)).await;
    let head = claim_one(&*store, &slack, at(4000)).await;
    settle(&*store, &head, DeliveryState::Failed, at(4000)).await;
    prune_all(&*store, HOUR, at(4000)).await;
    assert!(store.event(live.position).await.unwrap().is_none());
    assert_eq!(store.summary(10).await.unwrap(), []);
}
