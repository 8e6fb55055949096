//! Leader election on a Lease of `coordination.k8s.io`, with the reference's name and timing.
//!
//! Only writing (conditions, finalizers) needs the lease; every replica accepts and delivers. So, other
//! than in the reference, a replica that loses the lease goes on as a follower.

mod record;
#[cfg(test)]
pub(crate) mod server;

use std::sync::Arc;
use std::time::Duration;

use domain::ports::{Clock, Random};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

pub(crate) use record::Observed;
use record::{Candidate, Step};

/// Name of the Lease, the reference's (`operations.md` section 5).
pub const LEASE_NAME: &str = "notification-controller-leader-election";

/// How long letting go of the lease may take at the end.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// How far candidates stretch the time between attempts, so that they do not ask in step.
const STRETCH: f64 = 1.2;

/// How leader election behaves.
#[derive(Clone, Debug)]
pub struct ElectionSettings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Who we are: unique per process.
    pub identity: String,
    /// How long others wait for a holder that does not renew.
    pub lease_duration: Duration,
    /// How long a holder tries to renew before it stops being the leader; less than
    /// `lease_duration`.
    pub renew_deadline: Duration,
    /// Time between attempts.
    pub retry_period: Duration,
    /// Whether the lease is let go at the end.
    pub release_on_cancel: bool,
}

/// Why the settings of leader election make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ElectionSettingsError {
    /// A leader would still lead when others take over.
    #[error("the lease duration must be longer than the renew deadline")]
    LeaseTooShort,
    /// A leader would give up before its second attempt.
    #[error("the renew deadline must be longer than 1.2 times the retry period")]
    DeadlineTooShort,
    /// Less than a second cannot be written into a Lease.
    #[error("the lease duration must be at least one second, the retry period more than zero")]
    TooShort,
}

impl ElectionSettings {
    /// Checks the durations against each other, as the reference does at its start.
    pub fn check(&self) -> Result<(), ElectionSettingsError> {
        if self.lease_duration < Duration::from_secs(1) || self.retry_period.is_zero() {
            return Err(ElectionSettingsError::TooShort);
        }
        if self.lease_duration <= self.renew_deadline {
            return Err(ElectionSettingsError::LeaseTooShort);
        }
        if self.renew_deadline <= self.retry_period.mul_f64(STRETCH) {
            return Err(ElectionSettingsError::DeadlineTooShort);
        }
        Ok(())
    }
}

/// Takes part in the election.
pub struct Election {
    leases: Api<Lease>,
    settings: ElectionSettings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    observed: Observed,
    /// The lease as we wrote it last, with the version that the server gave it.
    held: Option<Lease>,
}

/// What came of one attempt.
enum Attempt {
    Holds,
    HeldByOther(String),
}

impl Election {
    /// Prepares to take part.
    pub fn new(
        client: Client,
        settings: ElectionSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            leases: Api::namespaced(client, &settings.namespace),
            settings,
            clock,
            random,
            observed: Observed::default(),
            held: None,
        }
    }

    /// Takes part until told to stop; `leads` says whether this process is the leader. It turns false
    /// before any other replica may take over.
    pub async fn run(mut self, leads: watch::Sender<bool>, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.take_part(&leads)).await;
        if leads.send_replace(false) && self.settings.release_on_cancel {
            // Nothing is lost if it fails: the lease runs out.
            match timeout(RELEASE_LIMIT, self.release()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "the lease could not be let go"),
                Err(_) => tracing::debug!("letting the lease go took too long"),
            }
        }
    }

    async fn take_part(&mut self, leads: &watch::Sender<bool>) {
        // When the request that made or kept us leader was sent.
        let mut renewed: Option<Instant> = None;
        loop {
            let started = Instant::now();
            let give_up = renewed.unwrap_or(started) + self.settings.renew_deadline;
            match timeout_at(give_up, self.attempt()).await {
                Ok(Ok(Attempt::Holds)) => {
                    if renewed.replace(started).is_none() {
                        tracing::info!(lease = LEASE_NAME, "this replica leads now");
                        leads.send_replace(true);
                    }
                }
                Ok(Ok(Attempt::HeldByOther(holder))) => {
                    if renewed.take().is_some() {
                        tracing::warn!(lease = LEASE_NAME, holder, "another replica leads now");
                        leads.send_replace(false);
                    }
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, lease = LEASE_NAME, "asking for the lease failed");
                }
                Err(_) => tracing::debug!(lease = LEASE_NAME, "asking for the lease took too long"),
            }
            let pause = self.pause(renewed.is_some());
            let deadline = renewed.map(|renewed| renewed + self.settings.renew_deadline);
            match deadline.filter(|deadline| *deadline <= Instant::now() + pause) {
                Some(deadline) => {
                    tokio::time::sleep_until(deadline).await;
                    renewed = None;
                    self.held = None;
                    tracing::warn!(
                        lease = LEASE_NAME,
                        "the lease could not be renewed in time; this replica follows"
                    );
                    leads.send_replace(false);
                }
                None => tokio::time::sleep(pause).await,
            }
        }
    }

    fn pause(&self, leads: bool) -> Duration {
        let period = self.settings.retry_period;
        if leads {
            period
        } else {
            period + period.mul_f64(STRETCH * self.random.fraction().clamp(0.0, 1.0))
        }
    }

    /// Tries to take or to keep the lease.
    async fn attempt(&mut self) -> Result<Attempt, kube::Error> {
        let lease = match self.held.take() {
            // As long as nobody else wrote, the version we know is the newest: one request is enough.
            Some(held) => Some(held),
            None => self.leases.get_opt(LEASE_NAME).await?,
        };
        self.observed.see(lease.as_ref(), Instant::now());
        let candidate = Candidate {
            identity: &self.settings.identity,
            duration: self.settings.lease_duration,
        };
        let record = match self
            .observed
            .step(candidate, Instant::now(), self.clock.now())
        {
            Step::Wait => {
                let holder = self
                    .observed
                    .holder(self.settings.lease_duration, Instant::now())
                    .unwrap_or_default()
                    .to_owned();
                return Ok(Attempt::HeldByOther(holder));
            }
            Step::Write(record) => record,
        };
        let written = self.write(lease, record).await?;
        self.observed.see(Some(&written), Instant::now());
        self.held = Some(written);
        Ok(Attempt::Holds)
    }

    async fn write(&self, lease: Option<Lease>, record: LeaseSpec) -> Result<Lease, kube::Error> {
        let parameters = PostParams::default();
        if let Some(lease) = lease {
            // The version in it makes the server refuse if somebody was faster.
            let lease = Lease {
                spec: Some(record),
                ..lease
            };
            return self.leases.replace(LEASE_NAME, &parameters, &lease).await;
        }
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(LEASE_NAME.to_owned()),
                namespace: Some(self.settings.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(record),
        };
        self.leases.create(&parameters, &lease).await
    }

    async fn release(&mut self) -> Result<(), kube::Error> {
        let held = match self.held.take() {
            Some(held) => Some(held),
            None => self.leases.get_opt(LEASE_NAME).await?,
        };
        let Some(mut lease) = held else {
            return Ok(());
        };
        let record = lease.spec.take().unwrap_or_default();
        if record.holder_identity.as_deref() != Some(&self.settings.identity) {
            return Ok(());
        }
        let record = record::released(&record, self.clock.now());
        self.write(Some(lease), record).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
