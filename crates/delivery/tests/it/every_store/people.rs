//! What people see and do.

use delivery::Store;
use delivery::store::DeliveryFilter;
use domain::delivery::{DeliveryId, DeliveryState, FailureClass};

use crate::setting::{
    Place, accept, append, at, claim, claim_one, deliver_all, delivery, ids, in_states, new_event,
    only, planned, provider, settle, try_append,
};

const DELIVERED: DeliveryState = DeliveryState::Delivered;
const FAILED: DeliveryState = DeliveryState::Failed;
const DROPPED: DeliveryState = DeliveryState::Dropped;
const PENDING: DeliveryState = DeliveryState::Pending;

async fn listed(store: &dyn Store, filter: &DeliveryFilter) -> Vec<DeliveryId> {
    let views = store.list(filter, None, 1000).await.unwrap();
    views.iter().map(|view| view.id.parse().unwrap()).collect()
}

pub(crate) async fn replays_behind_what_waits(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let mut lane = Vec::new();
    for _ in 0..4 {
        lane.push(accept(&*store, &slack, 1).await);
    }
    for _ in 0..2 {
        let head = claim_one(&*store, &slack, at(0)).await;
        settle(&*store, &head, FAILED, at(0)).await;
    }
    // The later one first, then the earlier one, then a new event.
    for id in [lane[1], lane[0]] {
        assert_eq!(store.replay(&only(&[id]), 10, at(1)).await.unwrap(), 1);
    }
    let last = accept(&*store, &slack, 1).await;
    let mut order = Vec::new();
    for _ in 0..5 {
        let head = claim_one(&*store, &slack, at(1)).await;
        order.push(head.delivery.id);
        settle(&*store, &head, DELIVERED, at(1)).await;
    }
    assert_eq!(order, [lane[2], lane[3], lane[1], lane[0], last]);
}

pub(crate) async fn replays_delivered_ones_only_if_asked(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let delivered = accept(&*store, &slack, 1).await;
    deliver_all(&*store, &slack, at(0)).await;
    let failed = accept(&*store, &slack, 1).await;
    settle(
        &*store,
        &claim_one(&*store, &slack, at(0)).await,
        FAILED,
        at(0),
    )
    .await;

    let all = DeliveryFilter::default();
    assert_eq!(store.replay(&all, 10, at(1)).await.unwrap(), 1);
    assert_eq!(listed(&*store, &in_states(&[PENDING])).await, [failed]);
    assert_eq!(
        store
            .replay(&in_states(&[DELIVERED]), 10, at(1))
            .await
            .unwrap(),
        1
    );
    assert_eq!(deliver_all(&*store, &slack, at(1)).await, 2);
    assert_eq!(
        store.replay(&only(&[delivered]), 10, at(2)).await.unwrap(),
        1
    );
    // It waits already, so there is nothing to do.
    assert_eq!(
        store.replay(&only(&[delivered]), 10, at(2)).await.unwrap(),
        0
    );
}

pub(crate) async fn gives_replayed_deliveries_all_their_attempts_again(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let id = accept(&*store, &slack, 1).await;
    settle(
        &*store,
        &claim_one(&*store, &slack, at(0)).await,
        FAILED,
        at(0),
    )
    .await;
    store.replay(&only(&[id]), 10, at(500)).await.unwrap();
    let claimed = claim_one(&*store, &slack, at(500)).await;
    assert_eq!(claimed.attempts, 0);
    // The time that retries may take counts from the replay; people still see when it was accepted.
    assert_eq!(claimed.delivery.accepted_at, at(500));
    let view = &store.event(id.position).await.unwrap().unwrap().deliveries[0];
    assert_eq!((view.accepted_at, view.settled_at), (at(0), None));
}

pub(crate) async fn drops_all_but_what_is_claimed(place: &dyn Place) {
    let store = place.open();
    let (slack, teams) = (provider("slack"), provider("teams"));
    let held = accept(&*store, &slack, 1).await;
    accept(&*store, &slack, 1).await;
    let other = accept(&*store, &teams, 2).await;
    let claimed = claim_one(&*store, &slack, at(0)).await;
    let filter = DeliveryFilter {
        provider: Some(slack.clone()),
        ..DeliveryFilter::default()
    };
    assert_eq!(store.drop_deliveries(&filter, 10, at(1)).await.unwrap(), 1);
    assert_eq!(listed(&*store, &in_states(&[PENDING])).await, [other, held]);
    assert_eq!(settle(&*store, &claimed, DELIVERED, at(2)).await, None);
    assert_eq!(store.backlog().live, 1);
}

pub(crate) async fn drops_the_head_and_the_next_one_follows(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let head = accept(&*store, &slack, 1).await;
    let next = accept(&*store, &slack, 1).await;
    assert_eq!(
        store
            .drop_deliveries(&only(&[head]), 10, at(1))
            .await
            .unwrap(),
        1
    );
    assert_eq!(ids(&claim(&*store, &slack, at(1)).await), [next]);
    let view = &store
        .event(head.position)
        .await
        .unwrap()
        .unwrap()
        .deliveries[0];
    assert_eq!((view.state, view.settled_at), (DROPPED, Some(at(1))));
}

pub(crate) async fn changes_no_more_than_asked_for(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    for lane in 0..5 {
        accept(&*store, &slack, lane).await;
    }
    let all = DeliveryFilter::default();
    let mut dropped = Vec::new();
    for _ in 0..4 {
        dropped.push(store.drop_deliveries(&all, 2, at(0)).await.unwrap());
    }
    assert_eq!(dropped, [2, 2, 1, 0]);
    let mut replayed = Vec::new();
    for _ in 0..4 {
        replayed.push(store.replay(&all, 2, at(0)).await.unwrap());
    }
    assert_eq!(replayed, [2, 2, 1, 0]);
    assert_eq!(claim(&*store, &slack, at(0)).await.len(), 5);
}

pub(crate) async fn lists_deliveries_newest_first_page_by_page(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let mut all = Vec::new();
    for lane in 0..5 {
        all.insert(0, accept(&*store, &slack, lane).await);
    }
    let filter = DeliveryFilter::default();
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let page = store.list(&filter, before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id.parse().unwrap());
        pages.push(
            page.iter()
                .map(|view| view.id.parse::<DeliveryId>().unwrap())
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(pages.concat(), all);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert!(store.list(&filter, None, 0).await.unwrap().is_empty());
}

pub(crate) async fn lists_what_a_filter_selects(place: &dyn Place) {
    let store = place.open();
    let (slack, teams) = (provider("slack"), provider("teams"));
    let arrived = accept(&*store, &slack, 1).await;
    let failed = accept(&*store, &slack, 2).await;
    for claimed in claim(&*store, &slack, at(0)).await {
        let state = if claimed.delivery.id == failed {
            FAILED
        } else {
            DELIVERED
        };
        settle(&*store, &claimed, state, at(0)).await;
    }
    let waiting = accept(&*store, &slack, 3).await;
    let foreign = accept(&*store, &teams, 4).await;
    let of = |name| DeliveryFilter {
        provider: Some(provider(name)),
        ..DeliveryFilter::default()
    };
    assert_eq!(listed(&*store, &in_states(&[FAILED])).await, [failed]);
    assert_eq!(
        listed(&*store, &in_states(&[DELIVERED, PENDING])).await,
        [foreign, waiting, arrived]
    );
    assert_eq!(
        listed(&*store, &of("slack")).await,
        [waiting, failed, arrived]
    );
    assert_eq!(listed(&*store, &of("nobody")).await, []);
    assert_eq!(
        listed(&*store, &only(&[arrived, foreign])).await,
        [foreign, arrived]
    );
    let both = DeliveryFilter {
        states: vec![PENDING],
        alert: Some(provider("everything")),
        ..of("teams")
    };
    assert_eq!(listed(&*store, &both).await, [foreign]);
    let neither = DeliveryFilter {
        alert: Some(provider("something else")),
        ..DeliveryFilter::default()
    };
    assert_eq!(listed(&*store, &neither).await, []);
    let contradiction = DeliveryFilter {
        ids: vec![failed],
        ..in_states(&[PENDING])
    };
    assert_eq!(listed(&*store, &contradiction).await, []);
}

pub(crate) async fn counts_deliveries_by_provider_and_state(place: &dyn Place) {
    let store = place.open();
    let (slack, teams) = (provider("slack"), provider("teams"));
    for lane in 0..3 {
        accept(&*store, &slack, lane).await;
    }
    deliver_all(&*store, &slack, at(0)).await;
    accept(&*store, &slack, 1).await;
    accept(&*store, &teams, 9).await;
    let expected = [
        (slack.clone(), PENDING, 1),
        (slack.clone(), DELIVERED, 3),
        (teams.clone(), PENDING, 1),
    ];
    assert_eq!(store.summary(10).await.unwrap(), expected);
    assert_eq!(store.summary(1).await.unwrap(), expected[..1]);
    assert_eq!(
        place.after_crash().open().summary(10).await.unwrap(),
        expected
    );
}

pub(crate) async fn shows_an_event_with_all_that_became_of_it(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let message = format!("{}\nsecond line", "é".repeat(300));
    let event = new_event(&message, at(3));
    let position = try_append(&*store, event.clone()).await.unwrap();
    assert!(!store.event(position).await.unwrap().unwrap().planned);
    let mut plan = planned(position, vec![delivery(position, 0, &slack, 1)]);
    plan.dispositions.add(&provider("quiet"), "severity");
    store.commit(vec![plan.clone()]).await.unwrap();
    let claimed = claim_one(&*store, &slack, at(5)).await;
    settle(&*store, &claimed, PENDING, at(5)).await;

    let view = store.event(position).await.unwrap().unwrap();
    assert!(view.planned);
    assert_eq!((view.position, view.received_at), (position.0, at(3)));
    assert_eq!(view.event.as_ref(), Some(event.event.event()));
    assert_eq!(view.dispositions, plan.dispositions);
    let delivery = &view.deliveries[0];
    assert_eq!(delivery.id, format!("{}.0", position.0));
    assert_eq!(
        (&delivery.provider, delivery.kind.as_str()),
        (&slack, "slack")
    );
    assert_eq!(delivery.object, "Kustomization/team/shop");
    assert_eq!(delivery.message, "é".repeat(200));
    assert_eq!((delivery.due_at, delivery.attempts), (Some(at(65)), 1));
    assert_eq!(delivery.last.class, Some(FailureClass::ServerFault));
    assert_eq!(
        (delivery.last.status, delivery.last.detail.as_str()),
        (Some(503), "busy")
    );
    let next = append(&*store, "another").await;
    assert!(
        store
            .event(domain::delivery::Position(next.0 + 1))
            .await
            .unwrap()
            .is_none()
    );
}

pub(crate) async fn finds_deliveries_far_apart(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let early = accept(&*store, &slack, 1).await;
    deliver_all(&*store, &slack, at(0)).await;
    for part in 0..45 {
        let events = (0..1000).map(|number| {
            let event = new_event(&format!("event {part}.{number}"), at(0));
            try_append(&*store, event)
        });
        let positions = futures::future::join_all(events).await;
        let plans = positions
            .into_iter()
            .map(|position| planned(position.unwrap(), Vec::new()));
        store.commit(plans.collect()).await.unwrap();
    }
    let late = accept(&*store, &slack, 2).await;
    assert_eq!(
        listed(&*store, &DeliveryFilter::default()).await,
        [late, early]
    );
    assert_eq!(listed(&*store, &in_states(&[DELIVERED])).await, [early]);
    let replayed = store.replay(&in_states(&[DELIVERED]), 10, at(1)).await;
    assert_eq!(replayed.unwrap(), 1);
}
