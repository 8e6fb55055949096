//! Two replicas, each with a data directory of its own.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use testkit::{Answer, HttpSink};

use super::setting::{Setting, address, event, plane, provider_and_alert, wait_for_ready};
use crate::support::{Fanfare, PATIENCE, received};

/// Leader election in seconds.
const QUICK: [&str; 3] = [
    "--leader-election-lease-duration=4s",
    "--leader-election-renew-deadline=3s",
    "--leader-election-retry-period=500ms",
];

async fn is_leader(fanfare: &Fanfare) -> bool {
    let line = "leader_election_master_status{name=\"notification-controller-leader-election\"} 1";
    fanfare.metrics().await.lines().any(|shown| shown == line)
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_leader_is_killed_the_other_writes_status_and_nothing_is_lost() {
    let Some(plane) = plane() else { return };
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    namespace.apply(&address("x", &sink.url("/x")));
    namespace.apply(&provider_and_alert("x"));
    let settings = [(); 2].map(|()| Setting::new(namespace.name(), plane.kubeconfig()));
    let leader = settings[0].start_with(&QUICK);
    leader.wait_for_log("this replica leads now");
    let follower = settings[1].start_with(&QUICK);
    follower.wait_for_log("configuration in force");
    wait_for_ready(&namespace, "alert", "x", "True");
    assert!(is_leader(&leader).await);
    assert!(!is_leader(&follower).await);

    // Both take events and deliver them.
    assert_eq!(leader.post(&event(namespace.name(), 0)).await, 202);
    assert_eq!(follower.post(&event(namespace.name(), 1)).await, 202);
    sink.wait_for(2).await;

    // Nobody answers any more: what the leader accepts now stays on its disk when it is killed.
    sink.answer(Answer::status(503));
    for number in 2..10 {
        assert_eq!(leader.post(&event(namespace.name(), number)).await, 202);
    }
    leader.kill();
    follower.wait_for_log("this replica leads now");
    assert!(is_leader(&follower).await);
    namespace.apply(&address("second", &sink.url("/second")));
    namespace.apply(&provider_and_alert("second"));
    wait_for_ready(&namespace, "alert", "second", "True");

    let refused = sink.requests().len();
    sink.answer(Answer::status(200));
    let back = settings[0].start_with(&QUICK);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let taken: BTreeSet<usize> = received(&sink)
            .into_iter()
            .skip(refused)
            .map(|(_, number)| number)
            .collect();
        if (2..10).all(|number| taken.contains(&number)) {
            break;
        }
        assert!(Instant::now() < deadline, "only {taken:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!is_leader(&back).await, "the other one holds the lease");

    // An orderly stop hands over at once.
    let (code, _) = follower.terminate();
    assert_eq!(code, Some(0));
    back.wait_for_log("this replica leads now");
}
