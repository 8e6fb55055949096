//! Follows changes of the folders and puts each new configuration in force.
//!
//! The file system announces most changes; those it does not (network mounts, swapped links) are
//! found by comparing a fingerprint now and then. What became unusable keeps its last good version.

mod announcements;

use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use domain::CatalogSnapshot;
use domain::ports::KindDirectory;
use futures::future::BoxFuture;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, sleep, timeout_at};

use crate::configuration::{Configuration, changed_providers};
use crate::directory::{self, Source};
use crate::ports::Current;

use announcements::Announcements;

/// How soon changes are acted upon.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long nothing may happen before changes are read: an update often takes several steps.
    pub quiet: Duration,
    /// How long changes may go on before they are read all the same.
    pub patience: Duration,
    /// How often to look for changes that were not announced.
    pub poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(300),
            patience: Duration::from_secs(3),
            poll: Duration::from_secs(10),
        }
    }
}

/// A configuration that was just put in force.
pub struct Reload {
    /// All of it, problems included.
    pub configuration: Arc<Configuration>,
    /// Its Alerts and Providers, to swap into the catalog.
    pub catalog: CatalogSnapshot,
    /// Usable Providers that changed, or whose Secrets did: what waits for them is worth another
    /// attempt.
    pub changed: Vec<ObjectKey>,
    /// Objects that stay in force in their last good version, such as `Alert flux-system/on-call`.
    pub kept: Vec<String>,
}

/// Follows a [`Source`].
pub struct Watch {
    source: Source,
    kinds: Arc<dyn KindDirectory>,
    current: Arc<Current>,
    timing: Timing,
    announcements: Announcements,
}

impl Watch {
    /// Starts to collect announcements. `current` holds what was read from the same source before;
    /// whatever changed since is noticed.
    pub fn new(
        source: Source,
        kinds: Arc<dyn KindDirectory>,
        current: Arc<Current>,
        timing: Timing,
    ) -> Self {
        let announcements = Announcements::start(&source);
        Self {
            source,
            kinds,
            current,
            timing,
            announcements,
        }
    }

    /// Reads the source again after every change, puts the result in force for [`Current`] and then
    /// calls `apply`, until `shutdown` is done.
    pub async fn run<S, F>(self, shutdown: S, apply: F)
    where
        S: Future<Output = ()>,
        F: FnMut(Reload) -> BoxFuture<'static, ()>,
    {
        tokio::select! {
            () = shutdown => {}
            () = self.follow(apply) => {}
        }
    }

    async fn follow<F>(mut self, mut apply: F)
    where
        F: FnMut(Reload) -> BoxFuture<'static, ()>,
    {
        let mut fingerprint = self.current.configuration().fingerprint;
        loop {
            let is_announced = tokio::select! {
                () = self.announcements.next() => true,
                () = sleep(self.timing.poll) => false,
            };
            if is_announced {
                self.settle().await;
            } else if self.has_fingerprint(fingerprint).await {
                continue;
            } else {
                // Whatever was watched may not be there any more.
                self.watch_again().await;
            }
            match self.reload().await {
                Ok((found, Some(reload))) => {
                    fingerprint = found;
                    self.current.swap(reload.configuration.clone());
                    apply(reload).await;
                }
                Ok((found, None)) => fingerprint = found,
                // It panicked, and its words may be those of a Secret in the folder.
                Err(_) => {
                    tracing::error!(
                        "reading the configuration panicked; the last one stays in force"
                    );
                }
            }
        }
    }

    /// Waits until nothing was announced for a while.
    async fn settle(&mut self) {
        let last = Instant::now() + self.timing.patience;
        loop {
            let quiet = Instant::now() + self.timing.quiet;
            let is_over = timeout_at(quiet.min(last), self.announcements.next())
                .await
                .is_err();
            if is_over || Instant::now() >= last {
                return;
            }
        }
    }

    async fn has_fingerprint(&self, fingerprint: u64) -> bool {
        let source = self.source.clone();
        let found = spawn_blocking(move || directory::fingerprint(&source)).await;
        found.is_ok_and(|found| found == fingerprint)
    }

    async fn watch_again(&mut self) {
        let source = self.source.clone();
        if let Ok(announcements) = spawn_blocking(move || Announcements::start(&source)).await {
            self.announcements = announcements;
        }
    }

    /// The fingerprint of what was read, and what changed, if anything did.
    async fn reload(&self) -> Result<(u64, Option<Reload>), JoinError> {
        let (source, kinds) = (self.source.clone(), self.kinds.clone());
        let previous = self.current.configuration();
        spawn_blocking(move || {
            let configuration = directory::read(&source, &*kinds);
            let fingerprint = configuration.fingerprint;
            let is_new = configuration.content != previous.content;
            (
                fingerprint,
                is_new.then(|| succeed(configuration, &previous)),
            )
        })
        .await
    }
}

/// Compares a configuration that was just read with the one in force, and fills its gaps.
fn succeed(mut configuration: Configuration, previous: &Configuration) -> Reload {
    let kept = configuration.keep_last_good(previous);
    Reload {
        catalog: configuration.catalog(),
        changed: changed_providers(previous, &configuration),
        configuration: Arc::new(configuration),
        kept,
    }
}

#[cfg(test)]
mod tests;
