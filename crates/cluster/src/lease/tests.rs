//! Elections between replicas on a server that knows Leases only.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::ports::{Clock, Random};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::server::{LeaseServer, Mood};
use super::{Election, ElectionSettings, ElectionSettingsError, LEASE_NAME};

/// A clock that runs backwards: nothing may depend on what it says.
#[derive(Default)]
struct Backwards(AtomicI64);

impl Clock for Backwards {
    fn now(&self) -> Timestamp {
        let second = self.0.fetch_sub(1000, Ordering::Relaxed);
        Timestamp::from_second(second).unwrap()
    }
}

struct Fixed;

impl Random for Fixed {
    fn fraction(&self) -> f64 {
        0.5
    }
}

fn settings(identity: &str) -> ElectionSettings {
    ElectionSettings {
        namespace: "flux-system".to_owned(),
        identity: identity.to_owned(),
        lease_duration: Duration::from_secs(35),
        renew_deadline: Duration::from_secs(30),
        retry_period: Duration::from_secs(5),
        release_on_cancel: true,
    }
}

struct Replica {
    leads: watch::Receiver<bool>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(server: &LeaseServer, settings: ElectionSettings) -> Self {
        let (sender, leads) = watch::channel(false);
        let shutdown = CancellationToken::new();
        let clock = Arc::new(Backwards::default());
        let election = Election::new(server.client(), settings, clock, Arc::new(Fixed));
        Self {
            leads,
            task: tokio::spawn(election.run(sender, shutdown.clone())),
            shutdown,
        }
    }

    fn leads(&self) -> bool {
        *self.leads.borrow()
    }

    /// Waits until it leads or follows; how long that took.
    async fn becomes(&mut self, leads: bool) -> Duration {
        let started = Instant::now();
        timeout(
            Duration::from_mins(5),
            self.leads.wait_for(|value| *value == leads),
        )
        .await
        .unwrap()
        .unwrap();
        started.elapsed()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads_and_the_other_follows_at_once_when_it_stops() {
    let server = LeaseServer::default();
    let mut first = Replica::start(&server, settings("first"));
    first.becomes(true).await;
    let mut second = Replica::start(&server, settings("second"));
    sleep(Duration::from_mins(10)).await;
    assert!(first.leads());
    assert!(!second.leads());
    first.stop().await;
    assert_eq!(server.holder(LEASE_NAME), "");
    let waited = second.becomes(true).await;
    assert!(waited < Duration::from_secs(12), "{waited:?}");
    assert_eq!(server.holder(LEASE_NAME), "second");
}

#[tokio::test(start_paused = true)]
async fn a_killed_leader_is_followed_when_its_lease_has_run_out() {
    let server = LeaseServer::default();
    let mut first = Replica::start(&server, settings("first"));
    first.becomes(true).await;
    let mut second = Replica::start(&server, settings("second"));
    sleep(Duration::from_mins(1)).await;
    first.task.abort();
    let waited = second.becomes(true).await;
    assert!(waited >= Duration::from_secs(30), "{waited:?}");
    assert!(waited <= Duration::from_mins(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_follows_before_others_may_lead() {
    for mood in [Mood::Broken, Mood::Silent] {
        let server = LeaseServer::default();
        let mut replica = Replica::start(&server, settings("first"));
        replica.becomes(true).await;
        sleep(Duration::from_mins(1)).await;
        server.set(mood);
        let waited = replica.becomes(false).await;
        assert!(waited <= Duration::from_secs(30), "{mood:?} {waited:?}");
        assert!(waited >= Duration::from_secs(24), "{mood:?} {waited:?}");
        server.set(Mood::Well);
        replica.becomes(true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_else_took_is_lost_at_once() {
    let server = LeaseServer::default();
    let mut replica = Replica::start(&server, settings("first"));
    replica.becomes(true).await;
    server.edit(LEASE_NAME, |lease| {
        lease.spec = Some(LeaseSpec {
            holder_identity: Some("other".to_owned()),
            lease_duration_seconds: Some(35),
            ..LeaseSpec::default()
        });
    });
    let waited = replica.becomes(false).await;
    assert!(waited <= Duration::from_secs(12), "{waited:?}");
    replica.stop().await;
    // What is not ours is not let go.
    assert_eq!(server.holder(LEASE_NAME), "other");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_made_again() {
    let server = LeaseServer::default();
    let mut replica = Replica::start(&server, settings("first"));
    replica.becomes(true).await;
    server.delete(LEASE_NAME);
    sleep(Duration::from_secs(30)).await;
    assert!(replica.leads());
    assert_eq!(server.holder(LEASE_NAME), "first");
}

#[tokio::test(start_paused = true)]
async fn an_idle_leader_asks_twelve_times_a_minute() {
    let server = LeaseServer::default();
    let mut replica = Replica::start(&server, settings("first"));
    replica.becomes(true).await;
    let before = server.requests();
    sleep(Duration::from_mins(10)).await;
    let per_minute = (server.requests() - before) / 10;
    assert!(per_minute <= 12, "{per_minute}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_told_so_keeps_the_lease_when_it_stops() {
    let server = LeaseServer::default();
    let mut replica = Replica::start(
        &server,
        ElectionSettings {
            release_on_cancel: false,
            ..settings("first")
        },
    );
    replica.becomes(true).await;
    replica.stop().await;
    assert_eq!(server.holder(LEASE_NAME), "first");
}

#[test]
fn durations_that_allow_two_leaders_are_refused() {
    let good = settings("first");
    assert_eq!(good.check(), Ok(()));
    let equal = ElectionSettings {
        renew_deadline: good.lease_duration,
        ..good.clone()
    };
    assert_eq!(equal.check(), Err(ElectionSettingsError::LeaseTooShort));
    let slow = ElectionSettings {
        retry_period: Duration::from_secs(29),
        ..good.clone()
    };
    assert_eq!(slow.check(), Err(ElectionSettingsError::DeadlineTooShort));
    let none = ElectionSettings {
        retry_period: Duration::ZERO,
        ..good
    };
    assert_eq!(none.check(), Err(ElectionSettingsError::TooShort));
}
