//! Handing out deliveries and taking them back.

use std::collections::BTreeSet;

use domain::delivery::{DeliveryState, Remembered};

use crate::setting::{
    Place, accept, accept_superseding, append, at, claim, claim_one, deliver_all, delivery, ids,
    only, planned, provider, settle, settlement,
};

const DELIVERED: DeliveryState = DeliveryState::Delivered;
const PENDING: DeliveryState = DeliveryState::Pending;
const PARKED: DeliveryState = DeliveryState::Parked;
const FAILED: DeliveryState = DeliveryState::Failed;

pub(crate) async fn hands_a_delivery_to_one_caller_only(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let mut all = BTreeSet::new();
    for lane in 0..40 {
        all.insert(accept(&*store, &slack, lane).await);
    }
    let callers = (0..20).map(|_| {
        let (store, slack) = (store.clone(), slack.clone());
        tokio::spawn(async move { store.claim(&slack, at(0), 3, at(60)).await.unwrap().claimed })
    });
    let mut seen = BTreeSet::new();
    for claimed in futures::future::join_all(callers).await {
        for id in ids(&claimed.unwrap()) {
            assert!(seen.insert(id), "{id} was handed out twice");
        }
    }
    assert_eq!(seen, all);
}

pub(crate) async fn hands_a_delivery_out_again_when_its_lease_ran_out(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let id = accept(&*store, &slack, 1).await;
    assert_eq!(ids(&claim(&*store, &slack, at(0)).await), [id]);
    assert!(claim(&*store, &slack, at(59)).await.is_empty());
    assert_eq!(ids(&claim(&*store, &slack, at(60)).await), [id]);
}

pub(crate) async fn hands_claimed_deliveries_out_again_after_a_crash(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let id = accept(&*store, &slack, 1).await;
    assert_eq!(ids(&claim(&*store, &slack, at(0)).await), [id]);
    let store = place.after_crash().open();
    assert_eq!(ids(&claim(&*store, &slack, at(0)).await), [id]);
}

pub(crate) async fn settles_a_claim_once(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let id = accept(&*store, &slack, 1).await;
    let claimed = claim_one(&*store, &slack, at(0)).await;
    settle(&*store, &claimed, DELIVERED, at(1)).await;
    settle(&*store, &claimed, FAILED, at(2)).await;
    settle(&*store, &claimed, PENDING, at(3)).await;
    let view = &store.event(id.position).await.unwrap().unwrap().deliveries[0];
    assert_eq!(view.state, DELIVERED);
    assert_eq!((view.attempts, view.settled_at), (1, Some(at(1))));
    assert!(claim(&*store, &slack, at(1000)).await.is_empty());
    assert_eq!(store.backlog().live, 0);
}

pub(crate) async fn ignores_a_claim_that_another_one_overtook(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let id = accept(&*store, &slack, 1).await;
    let slow = claim_one(&*store, &slack, at(0)).await;
    let quick = claim_one(&*store, &slack, at(60)).await;
    assert_eq!(
        settle(&*store, &quick, PENDING, at(61)).await,
        Some(at(121))
    );
    settle(&*store, &slow, FAILED, at(62)).await;
    let again = claim_one(&*store, &slack, at(121)).await;
    assert_eq!((again.delivery.id, again.attempts), (id, 1));
    settle(&*store, &slow, FAILED, at(122)).await;
    settle(&*store, &again, DELIVERED, at(123)).await;
    let view = &store.event(id.position).await.unwrap().unwrap().deliveries[0];
    assert_eq!((view.state, view.attempts), (DELIVERED, 2));
}

pub(crate) async fn hands_out_the_first_of_each_lane_only(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let first = accept(&*store, &slack, 1).await;
    let second = accept(&*store, &slack, 1).await;
    let other = accept(&*store, &slack, 2).await;
    let claimed = claim(&*store, &slack, at(0)).await;
    assert_eq!(ids(&claimed), [first, other]);
    assert!(claim(&*store, &slack, at(1)).await.is_empty());
    let head = claimed
        .iter()
        .find(|claim| claim.delivery.id == first)
        .unwrap();
    assert_eq!(settle(&*store, head, DELIVERED, at(2)).await, Some(at(2)));
    assert_eq!(ids(&claim(&*store, &slack, at(2)).await), [second]);
}

pub(crate) async fn keeps_the_order_of_lanes_that_are_interleaved(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let mut expected = [Vec::new(), Vec::new(), Vec::new()];
    for number in 0_usize..30 {
        let lane = (number * 7 + number / 4) % 3;
        expected[lane].push(accept(&*store, &slack, lane as u64).await);
    }
    let mut seen = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0.. {
        let claimed = claim(&*store, &slack, at(round)).await;
        if claimed.is_empty() {
            break;
        }
        for claim in claimed {
            let id = claim.delivery.id;
            // Every other one is given back first, which must not let others overtake it.
            if id.position.0 % 2 == 0 && claim.attempts == 0 {
                let mut retry = settlement(PENDING, at(round));
                retry.due_at = Some(at(round));
                store.settle(&claim, retry).await.unwrap();
                continue;
            }
            settle(&*store, &claim, DELIVERED, at(round)).await;
            seen[usize::try_from(claim.delivery.lane.0).unwrap()].push(id);
        }
    }
    assert_eq!(seen, expected);
}

pub(crate) async fn keeps_a_lane_waiting_while_its_head_is_retried(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    let first = accept(&*store, &slack, 1).await;
    accept(&*store, &slack, 1).await;
    let head = claim_one(&*store, &slack, at(0)).await;
    assert_eq!(settle(&*store, &head, PARKED, at(0)).await, Some(at(60)));
    assert!(claim(&*store, &slack, at(59)).await.is_empty());
    let again = claim_one(&*store, &slack, at(60)).await;
    assert_eq!((again.delivery.id, again.attempts), (first, 1));
}

pub(crate) async fn tells_when_the_next_head_is_due(place: &dyn Place) {
    let store = place.open();
    let slack = provider("slack");
    for lane in 0..3 {
        accept(&*store, &slack, lane).await;
    }
    let claims = store.claim(&slack, at(1), 1, at(60)).await.unwrap();
    assert_eq!((claims.claimed.len(), claims.next_due), (1, Some(at(0))));
    settle(&*store, &claims.claimed[0], PENDING, at(1)).await;
    let claims = store.claim(&slack, at(1), 10, at(60)).await.unwrap();
    assert_eq!((claims.claimed.len(), claims.next_due), (2, Some(at(61))));
    let claims = store
        .claim(&provider("nobody"), at(1), 10, at(60))
        .await
        .unwrap();
    assert_eq!((claims.claimed.len(), claims.next_due), (0, None));
}

pub(crate) async fn hands_out_what_is_due_longest_first_and_no_more_than_asked_for(
    place: &dyn Place,
) {
    let store = place.open();
    let slack = provider("slack");
    let mut heads = Vec::new();
    for lane in 0..3 {
        heads.push(accept(&*store, &slack, lane).await);
    }
    // The first of all becomes due last.
    let first = store.claim(&slack, at(1), 1, at(60)).await.unwrap().claimed;
    settle(&*store, &first[0], PENDING, at(1)).await;
    let now = at(61);
    let mut order = Vec::new();
    for _ in 0..3 {
        order.extend(ids(&store
            .claim(&slack, now, 1, at(100))
            .await
            .unwrap()
            .claimed));
    }
    let position = |id| heads.iter().position(|head| *head == id).unwrap();
    assert_eq!(position(order[2]), position(first[0].delivery.id));
    assert_eq!(order.len(), 3);
}

pub(crate) async fn lists_providers_with_work(place: &dyn Place) {
    let store = place.open();
    let (slack, teams, done) = (provider("slack"), provider("teams"), provider("done"));
    accept(&*store, &slack, 1).await;
    accept(&*store, &teams, 2).await;
    accept(&*store, &done, 3).await;
    assert_eq!(deliver_all(&*store, &done, at(0)).await, 1);
    let head = claim_one(&*store, &teams, at(5)).await;
    settle(&*store, &head, PENDING, at(5)).await;
    let mut due = place.after_crash().open().due().await.unwrap();
    due.sort();
    assert_eq!(due, [(slack, at(0)), (teams, at(65))]);
}

pub(crate) async fn marks_what_a_newer_delivery_replaces(place: &dyn Place) {
    let store = place.open();
    let github = provider("github");
    accept_superseding(&*store, &github, 1, Some(7)).await;
    accept_superseding(&*store, &github, 1, Some(8)).await;
    accept_superseding(&*store, &github, 1, Some(7)).await;
    let mut marks = Vec::new();
    for _ in 0..3 {
        let claimed = claim_one(&*store, &github, at(0)).await;
        marks.push(claimed.is_superseded);
        settle(&*store, &claimed, DELIVERED, at(0)).await;
    }
    assert_eq!(marks, [true, false, false]);
}

pub(crate) async fn supersedes_within_a_lane_only(place: &dyn Place) {
    let store = place.open();
    let (github, gitlab) = (provider("github"), provider("gitlab"));
    accept_superseding(&*store, &github, 1, Some(7)).await;
    accept_superseding(&*store, &gitlab, 2, Some(7)).await;
    assert!(!claim_one(&*store, &github, at(0)).await.is_superseded);
}

pub(crate) async fn supersedes_a_replayed_delivery_when_a_later_one_arrived(place: &dyn Place) {
    let store = place.open();
    let github = provider("github");
    let old = accept_superseding(&*store, &github, 1, Some(7)).await;
    let claimed = claim_one(&*store, &github, at(0)).await;
    settle(&*store, &claimed, FAILED, at(0)).await;
    let newer = accept_superseding(&*store, &github, 1, Some(7)).await;
    assert_eq!(store.replay(&only(&[old]), 10, at(1)).await.unwrap(), 1);

    // The newer one goes first; the old one behind it does not replace it.
    let head = claim_one(&*store, &github, at(1)).await;
    assert_eq!((head.delivery.id, head.is_superseded), (newer, false));
    settle(&*store, &head, DELIVERED, at(2)).await;
    let head = claim_one(&*store, &github, at(2)).await;
    assert_eq!((head.delivery.id, head.is_superseded), (old, true));
}

pub(crate) async fn hastens_all_heads_or_parked_ones_only(place: &dyn Place) {
    let store = place.open();
    let (slack, teams) = (provider("slack"), provider("teams"));
    let waiting = accept(&*store, &slack, 1).await;
    let parked = accept(&*store, &slack, 2).await;
    accept(&*store, &teams, 3).await;
    for claimed in claim(&*store, &slack, at(0)).await {
        let state = if claimed.delivery.id == parked {
            PARKED
        } else {
            PENDING
        };
        settle(&*store, &claimed, state, at(0)).await;
    }
    settle(
        &*store,
        &claim_one(&*store, &teams, at(0)).await,
        PENDING,
        at(0),
    )
    .await;

    assert!(store.hasten(&slack, true, at(1)).await.unwrap());
    let claimed = claim(&*store, &slack, at(1)).await;
    assert_eq!(ids(&claimed), [parked]);
    settle(&*store, &claimed[0], DELIVERED, at(1)).await;
    assert!(!store.hasten(&slack, true, at(2)).await.unwrap());
    assert!(store.hasten(&slack, false, at(2)).await.unwrap());
    assert_eq!(ids(&claim(&*store, &slack, at(2)).await), [waiting]);
    assert!(claim(&*store, &teams, at(59)).await.is_empty());
    assert!(
        !store
            .hasten(&provider("nobody"), false, at(2))
            .await
            .unwrap()
    );
}

pub(crate) async fn stores_facts_with_the_settlement(place: &dyn Place) {
    let store = place.open();
    let github = provider("github");
    let position = append(&*store, "two statuses").await;
    let two = vec![
        delivery(position, 0, &github, 1),
        delivery(position, 1, &github, 2),
    ];
    store.commit(vec![planned(position, two)]).await.unwrap();
    let claimed = claim(&*store, &github, at(0)).await;
    for (claim, value) in claimed.iter().zip(["pending", "success"]) {
        let mut settled = settlement(DELIVERED, at(1));
        settled.remember = vec![Remembered {
            key: "commit/status".into(),
            value: value.into(),
        }];
        store.settle(claim, settled.clone()).await.unwrap();
        assert_eq!(store.recall("commit/status").await.unwrap().unwrap(), value);
        // A settlement that changes nothing remembers nothing either.
        settled.remember[0].value = "wrong".into();
        store.settle(claim, settled).await.unwrap();
        assert_eq!(store.recall("commit/status").await.unwrap().unwrap(), value);
    }
    assert_eq!(store.recall("other").await.unwrap(), None);
    let store = place.after_crash().open();
    assert_eq!(
        store.recall("commit/status").await.unwrap().unwrap(),
        "success"
    );
}

pub(crate) async fn hastens_however_many_wait(place: &dyn Place) {
    const MANY: u32 = 2500;
    let store = place.open();
    let slack = provider("slack");
    let position = append(&*store, "wide").await;
    let wide = (0..MANY).map(|number| delivery(position, number, &slack, u64::from(number)));
    store
        .commit(vec![planned(position, wide.collect())])
        .await
        .unwrap();
    let mut waiting = 0;
    while waiting < MANY as usize {
        let claimed = claim(&*store, &slack, at(0)).await;
        waiting += claimed.len();
        let settled = claimed
            .iter()
            .map(|claim| settle(&*store, claim, PENDING, at(0)));
        futures::future::join_all(settled).await;
    }
    assert!(claim(&*store, &slack, at(1)).await.is_empty());
    assert!(store.hasten(&slack, false, at(1)).await.unwrap());
    let claims = store.claim(&slack, at(1), 10_000, at(60)).await.unwrap();
    assert_eq!(claims.claimed.len(), MANY as usize);
}

pub(crate) async fn forgets_the_facts_that_were_told_longest_ago(place: &dyn Place) {
    let store = place.open();
    let github = provider("github");
    for (time, facts) in [(1, 0..1000), (2, 1000..100_001)] {
        accept(&*store, &github, 1).await;
        let mut settled = settlement(DELIVERED, at(time));
        settled.remember = facts
            .map(|number| Remembered {
                key: format!("fact {number}"),
                value: "told".into(),
            })
            .collect();
        let claimed = claim_one(&*store, &github, at(time)).await;
        store.settle(&claimed, settled).await.unwrap();
    }
    assert_eq!(store.recall("fact 0").await.unwrap(), None);
    assert_eq!(store.recall("fact 999").await.unwrap(), None);
    assert!(store.recall("fact 1000").await.unwrap().is_some());
}
