//! Replicas that come, go and are killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::ports::Clock;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Members;
use crate::lease::LEASE_NAME;
use crate::lease::server::{LeaseServer, Mood};

#[derive(Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.fetch_add(1, Ordering::Relaxed)).unwrap()
    }
}

struct Replica {
    alone: watch::Receiver<bool>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(server: &LeaseServer, identity: &str) -> Self {
        let (sender, alone) = watch::channel(false);
        let shutdown = CancellationToken::new();
        let clock = Arc::new(Ticking::default());
        let members = Members::new(server.client(), "flux-system", identity, clock);
        Self {
            alone,
            task: tokio::spawn(members.run(sender, shutdown.clone())),
            shutdown,
        }
    }

    async fn becomes(&mut self, alone: bool) {
        timeout(
            Duration::from_mins(5),
            self.alone.wait_for(|value| *value == alone),
        )
        .await
        .unwrap()
        .unwrap();
    }

    fn is_alone(&self) -> bool {
        *self.alone.borrow()
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_alone_until_another_comes_and_again_when_it_has_gone() {
    let server = LeaseServer::default();
    let mut first = Replica::start(&server, "pod-1_A");
    first.becomes(true).await;
    let mut second = Replica::start(&server, "pod-2_B");
    first.becomes(false).await;
    sleep(Duration::from_mins(2)).await;
    assert!(!second.is_alone());
    first.shutdown.cancel();
    first.task.await.unwrap();
    second.becomes(true).await;
    assert_eq!(server.names(), ["fanfare-replica-pod-2-b"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_replica_left_behind_is_removed_in_time() {
    let server = LeaseServer::default();
    let mut first = Replica::start(&server, "pod-1_A");
    first.becomes(true).await;
    first.task.abort();
    let mut second = Replica::start(&server, "pod-2_B");
    sleep(Duration::from_secs(20)).await;
    assert!(!second.is_alone());
    second.becomes(true).await;
    assert_eq!(server.names().len(), 2);
    sleep(Duration::from_mins(12)).await;
    assert_eq!(server.names(), ["fanfare-replica-pod-2-b"]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_cannot_look_does_not_believe_itself_alone() {
    for mood in [Mood::Broken, Mood::Silent] {
        let server = LeaseServer::default();
        let mut replica = Replica::start(&server, "pod-1_A");
        replica.becomes(true).await;
        server.set(mood);
        replica.becomes(false).await;
        server.set(Mood::Well);
        replica.becomes(true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_leader_counts_and_foreign_leases_do_not() {
    let held = |holder: &str| {
        Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(35),
            ..LeaseSpec::default()
        })
    };
    let server = LeaseServer::default();
    server.edit("source-controller-leader-election", |lease| {
        lease.spec = held("source-controller");
    });
    server.edit(LEASE_NAME, |lease| lease.spec = held("pod-1_A"));
    let mut replica = Replica::start(&server, "pod-1_A");
    replica.becomes(true).await;
    server.edit(LEASE_NAME, |lease| lease.spec = held("the reference"));
    replica.becomes(false).await;
}
