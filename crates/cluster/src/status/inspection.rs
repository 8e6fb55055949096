//! Looks at Providers with everything they name: would an attempt get as far as sending?
//!
//! Nothing is sent. A Provider is looked at again when it or its Secrets change; where no watch tells
//! of Secrets, now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use domain::delivery::FailureClass;
use domain::ports::{ProviderCheck, SecretReader as _};
use futures::StreamExt as _;
use tokio::time::Instant;

use super::verdict::{self, Fault, Verdict};
use crate::looks::{LookObserver, LookResult, LookedAt};
use crate::secrets::Secrets;
use crate::world::{ProviderRecord, World};

/// Providers looked at at once.
const AT_ONCE: usize = 8;

/// How soon a look that the API server did not answer is repeated.
const AGAIN: Duration = Duration::from_secs(5);

/// How often Providers are looked at again whose Secrets no watch tells of.
const UNWATCHED: Duration = Duration::from_secs(30);

/// Looks at Providers.
pub(crate) struct Inspector {
    pub(crate) check: Arc<dyn ProviderCheck>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) looks: Arc<dyn LookObserver>,
}

impl Inspector {
    /// The verdict; `None` if it cannot be known right now.
    async fn look(&self, record: &ProviderRecord) -> Option<Verdict> {
        if let Err(fault) = verdict::provider(record) {
            return Some(Err(fault));
        }
        let mut faults = Vec::new();
        for secret in &record.secrets {
            match self.secrets.read(secret).await {
                Ok(Some(_)) => {}
                Ok(None) => faults.push(Fault::secret_missing(secret)),
                Err(error) if error.is_temporary => return None,
                Err(error) => faults.push(Fault::heals("SecretUnreadable", error.to_string())),
            }
        }
        if !faults.is_empty() {
            return Some(verdict::verdict(faults));
        }
        let provider = record.entry.valid()?;
        match self.check.check(provider).await {
            Ok(()) => Some(Ok(())),
            Err(failure) if failure.class == FailureClass::Misconfigured => {
                Some(Err(Fault::heals("Misconfigured", failure.detail)))
            }
            Err(_) => None,
        }
    }

    /// Whether a watch tells when this Secret changes.
    pub(crate) fn is_watched(&self, secret: &ObjectKey) -> bool {
        self.secrets.is_watched(secret)
    }

    fn is_told_of_changes(&self, record: &ProviderRecord) -> bool {
        record.secrets.iter().all(|key| self.is_watched(key))
    }
}

/// What is known of every Provider.
#[derive(Default)]
pub(crate) struct Inspection {
    seen: BTreeMap<ObjectKey, Seen>,
    suspects: BTreeSet<ObjectKey>,
}

struct Seen {
    /// The last one that could be known.
    verdict: Option<Verdict>,
    /// When to look again.
    again: Option<Instant>,
}

impl Inspection {
    /// Something about these Providers or their Secrets is different.
    pub(crate) fn suspect(&mut self, providers: BTreeSet<ObjectKey>) {
        self.suspects.extend(providers);
    }

    /// The verdict on a Provider; `None` if it was not looked at yet.
    pub(crate) fn verdict(&self, provider: &ObjectKey) -> Option<Verdict> {
        self.seen.get(provider)?.verdict.clone()
    }

    /// When somebody is to be looked at again.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        self.seen.values().filter_map(|seen| seen.again).min()
    }

    /// Forgets Providers that do not exist.
    pub(crate) fn only(&mut self, exists: impl Fn(&ObjectKey) -> bool) {
        self.seen.retain(|provider, _| exists(provider));
        self.suspects.retain(|provider| exists(provider));
    }

    /// Looks at everybody who is new, suspect or due. Answers whose verdict changed, and whether it
    /// did for the better.
    pub(crate) async fn inspect(
        &mut self,
        inspector: &Inspector,
        world: &World,
    ) -> Vec<(ObjectKey, bool)> {
        let now = Instant::now();
        let suspects = std::mem::take(&mut self.suspects);
        let is_due = |key: &ObjectKey| match self.seen.get(key) {
            None => true,
            Some(seen) => suspects.contains(key) || seen.again.is_some_and(|again| again <= now),
        };
        let due: Vec<_> = world
            .providers
            .iter()
            .filter(|(key, _)| is_due(key))
            .map(|(key, record)| (key.clone(), record.clone()))
            .collect();
        let verdicts: Vec<_> = futures::stream::iter(due)
            .map(|(key, record)| async move {
                let started = Instant::now();
                let verdict = inspector.look(&record).await;
                let result = match &verdict {
                    Some(Ok(())) => LookResult::Well,
                    Some(Err(fault)) if fault.is_final => LookResult::Broken,
                    _ => LookResult::Troubled,
                };
                let took = started.elapsed();
                inspector
                    .looks
                    .looked(LookedAt::Provider, &key, took, result);
                let pause = match &verdict {
                    None => Some(AGAIN),
                    Some(_) if inspector.is_told_of_changes(&record) => None,
                    Some(_) => Some(UNWATCHED),
                };
                (key, verdict, pause)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut changed = Vec::new();
        for (key, verdict, pause) in verdicts {
            let before = self.seen.remove(&key).and_then(|seen| seen.verdict);
            let is_healed = matches!(before, Some(Err(_))) && matches!(verdict, Some(Ok(())));
            if verdict.is_some() && verdict != before {
                changed.push((key.clone(), is_healed));
            }
            let seen = Seen {
                verdict: verdict.or(before),
                again: pause.map(|pause| Instant::now() + pause),
            };
            self.seen.insert(key, seen);
        }
        changed
    }
}
