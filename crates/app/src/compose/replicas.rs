//! This process among its replicas: who leads, and whether it is alone.

use std::sync::Arc;

use anyhow::Context as _;
use cluster::{Client, Election, ElectionSettings, Members, lease};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::runtime::{self, SystemClock, SystemRandom};
use crate::settings::ControllerArguments;

/// Takes part in the election and in the roll call of replicas.
pub(super) struct Replicas {
    election: Option<Election>,
    members: Members,
    leads: watch::Sender<bool>,
    alone: watch::Sender<bool>,
    metrics: Family<LeaseLabels, Gauge>,
}

/// What comes of taking part.
pub(super) struct Standing {
    /// Whether this process is the one that writes status.
    pub(super) leads: watch::Receiver<bool>,
    /// Whether it is known to be the only one that delivers.
    pub(super) is_alone: watch::Receiver<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaseLabels {
    name: &'static str,
}

impl Replicas {
    /// Prepares to take part; without leader election this process leads.
    pub(super) fn new(
        arguments: &ControllerArguments,
        client: &Client,
        namespace: &str,
        registry: &mut Registry,
    ) -> anyhow::Result<(Self, Standing)> {
        let identity = runtime::process_identity();
        let clock = Arc::new(SystemClock);
        let election = if arguments.enable_leader_election {
            let settings = settings(arguments, namespace, &identity);
            settings
                .check()
                .context("the flags of leader election contradict each other")?;
            let random = Arc::new(SystemRandom);
            Some(Election::new(
                client.clone(),
                settings,
                clock.clone(),
                random,
            ))
        } else {
            None
        };
        let metrics = Family::default();
        registry.register(
            "leader_election_master_status",
            "1 if this process holds the lease, else 0",
            metrics.clone(),
        );
        let (leads, following) = watch::channel(election.is_none());
        let (alone, is_alone) = watch::channel(false);
        let replicas = Self {
            members: Members::new(client.clone(), namespace, &identity, clock),
            election,
            leads,
            alone,
            metrics,
        };
        let standing = Standing {
            leads: following,
            is_alone,
        };
        Ok((replicas, standing))
    }

    /// Takes part until told to stop; then lets go of the lease.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let Self {
            election,
            members,
            leads,
            alone,
            metrics,
        } = self;
        let roll_call = members.run(alone, shutdown.clone());
        let Some(election) = election else {
            return roll_call.await;
        };
        let mut following = leads.subscribe();
        let showing = async move {
            loop {
                let leads = i64::from(*following.borrow_and_update());
                let name = lease::LEASE_NAME;
                metrics.get_or_create(&LeaseLabels { name }).set(leads);
                // The election has ended, and with it this process.
                if following.changed().await.is_err() {
                    break;
                }
            }
        };
        tokio::join!(roll_call, election.run(leads, shutdown), showing);
    }
}

fn settings(arguments: &ControllerArguments, namespace: &str, identity: &str) -> ElectionSettings {
    ElectionSettings {
        namespace: namespace.to_owned(),
        identity: identity.to_owned(),
        lease_duration: arguments.leader_election_lease_duration,
        renew_deadline: arguments.leader_election_renew_deadline,
        retry_period: arguments.leader_election_retry_period,
        release_on_cancel: arguments.leader_election_release_on_cancel,
    }
}
