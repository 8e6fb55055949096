//! Whether this replica is the only one that delivers.
//!
//! What was remembered about a commit status is trusted only while nobody else can have written one in
//! between. So every replica keeps a Lease of its own, next to the election's, and reads those of the
//! others; as in the election, a replica counts as alive while its Lease is seen to change.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::Clock;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::lease::{LEASE_NAME, Observed};

/// Label of the Leases by which replicas know each other.
const LABEL: &str = "app.kubernetes.io/component";
/// Its value.
const LABEL_VALUE: &str = "fanfare-replica";
/// Prefix of their names.
const PREFIX: &str = "fanfare-replica-";
/// Between two looks.
const PERIOD: Duration = Duration::from_secs(10);
/// How long a replica that is not seen any more counts as alive.
const LIFE: Duration = Duration::from_secs(35);
/// A Lease that has not changed for so long is of a replica that was killed; it is removed.
const REMOVAL: Duration = Duration::from_mins(10);
/// How long one look may take.
const LIMIT: Duration = Duration::from_secs(8);
/// Replicas that are looked at; with more than that this one is not alone anyway.
const MOST_REPLICAS: u32 = 100;

/// Takes part in the roll call of replicas.
pub struct Members {
    leases: Api<Lease>,
    namespace: String,
    identity: String,
    clock: Arc<dyn Clock>,
    /// Leases of others, by name.
    seen: HashMap<String, Observed>,
    /// The look that succeeded last.
    looked: Option<Instant>,
}

impl Members {
    /// Prepares to take part; `identity` must be unique per process and fit for a name.
    pub fn new(client: Client, namespace: &str, identity: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            identity: identity.to_owned(),
            clock,
            seen: HashMap::new(),
            looked: None,
        }
    }

    /// Takes part until told to stop; `alone` says whether no other replica can be at work. It is
    /// false until that is known, and again when it is not known any more.
    pub async fn run(mut self, alone: watch::Sender<bool>, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.take_part(&alone)).await;
        alone.send_replace(false);
        // If it fails others wait for it to run out.
        let name = self.name();
        let _ = timeout(
            Duration::from_secs(1),
            self.leases.delete(&name, &DeleteParams::default()),
        )
        .await;
    }

    async fn take_part(&mut self, alone: &watch::Sender<bool>) {
        loop {
            match timeout(LIMIT, self.look()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "looking for other replicas failed"),
                Err(_) => tracing::debug!("looking for other replicas took too long"),
            }
            let now = self.is_alone(Instant::now());
            alone.send_if_modified(|before| std::mem::replace(before, now) != now);
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Shows that we are here, then looks for others: of two that start together at least one sees
    /// the other.
    async fn look(&mut self) -> Result<(), kube::Error> {
        self.show().await?;
        let parameters = ListParams::default().limit(MOST_REPLICAS);
        let listed = self.leases.list(&parameters).await?;
        let is_complete = listed
            .metadata
            .continue_
            .as_deref()
            .unwrap_or("")
            .is_empty();
        let now = Instant::now();
        let others: Vec<&Lease> = listed
            .items
            .iter()
            .filter(|lease| self.is_of_other(lease))
            .collect();
        self.seen
            .retain(|name, _| others.iter().any(|lease| lease.name_any() == *name));
        for lease in &others {
            let seen = self.seen.entry(lease.name_any()).or_default();
            seen.see(Some(lease), now);
        }
        self.looked = is_complete.then_some(now);
        self.remove_old(now).await
    }

    /// Leases of other replicas: ours, and that of an election which somebody else has won, such as
    /// the reference during a switch.
    fn is_of_other(&self, lease: &Lease) -> bool {
        let name = lease.name_any();
        let is_member = lease
            .labels()
            .get(LABEL)
            .is_some_and(|value| value == LABEL_VALUE);
        let is_election = name == LEASE_NAME;
        let holder = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.as_deref());
        (is_member || is_election) && holder.is_some_and(|holder| holder != self.identity)
    }

    async fn show(&self) -> Result<(), kube::Error> {
        let name = self.name();
        let known = self.leases.get_opt(&name).await?;
        let now = MicroTime(self.clock.now());
        let spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LIFE.as_secs()).ok(),
            renew_time: Some(now),
            ..LeaseSpec::default()
        });
        let parameters = PostParams::default();
        if let Some(lease) = known {
            let lease = Lease { spec, ..lease };
            return self
                .leases
                .replace(&name, &parameters, &lease)
                .await
                .map(drop);
        }
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(self.namespace.clone()),
                labels: Some([(LABEL.to_owned(), LABEL_VALUE.to_owned())].into()),
                ..ObjectMeta::default()
            },
            spec,
        };
        self.leases.create(&parameters, &lease).await.map(drop)
    }

    /// Removes what killed replicas left behind, one at a time.
    async fn remove_old(&mut self, now: Instant) -> Result<(), kube::Error> {
        let old = self.seen.iter().find_map(|(name, seen)| {
            let is_old = name != LEASE_NAME
                && seen
                    .unchanged_since()
                    .is_some_and(|since| now.saturating_duration_since(since) > REMOVAL);
            is_old.then(|| name.clone())
        });
        if let Some(name) = old {
            self.seen.remove(&name);
            self.leases.delete(&name, &DeleteParams::default()).await?;
        }
        Ok(())
    }

    /// Nobody is alone who has not looked lately: others may have come since.
    fn is_alone(&self, now: Instant) -> bool {
        let is_current = self
            .looked
            .is_some_and(|looked| now.saturating_duration_since(looked) < LIFE);
        is_current
            && self
                .seen
                .values()
                .all(|seen| seen.holder(LIFE, now).is_none())
    }

    fn name(&self) -> String {
        // Identities are `<host name>_<uuid>`; names of objects have no underscore.
        format!("{PREFIX}{}", self.identity.replace('_', "-").to_lowercase())
    }
}

#[cfg(test)]
mod tests;
