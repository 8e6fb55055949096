//! All Providers, Alerts and Receivers of the cluster, read and validated, each by itself.

mod receivers;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use api::{ObjectKey, Problem};
use domain::catalog::ProviderEntry;
use domain::ports::KindDirectory;
use domain::{CatalogSnapshot, ValidAlert, ValidProvider, Validated};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::object::{Observed, RawObject};
use crate::receivers::ReceiverUpdate;
use crate::watch::Change;

pub(crate) use receivers::ReceiverRecord;

/// A Provider of the cluster.
#[derive(Debug)]
pub(crate) struct ProviderRecord {
    pub(crate) observed: Observed,
    pub(crate) entry: ProviderEntry,
    /// The Secrets that it names.
    pub(crate) secrets: BTreeSet<ObjectKey>,
    object: Arc<Value>,
}

/// An Alert of the cluster.
pub(crate) struct AlertRecord {
    pub(crate) observed: Observed,
    /// `None` if it cannot be used.
    pub(crate) alert: Option<Arc<ValidAlert>>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) is_suspended: bool,
    object: Arc<Value>,
}

/// What is known of the cluster.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) providers: BTreeMap<ObjectKey, Arc<ProviderRecord>>,
    pub(crate) alerts: BTreeMap<ObjectKey, Arc<AlertRecord>>,
    pub(crate) receivers: BTreeMap<ObjectKey, Arc<ReceiverRecord>>,
    has_providers: bool,
    has_alerts: bool,
    /// Receivers need not be known for planning, nor Alerts for answering webhooks.
    pub(crate) has_receivers: bool,
    /// How often the server said that there is no such kind as Receivers.
    receivers_denied: u32,
}

/// What changes of the world mean for planning and delivering.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Something that planning or delivering looks at is different.
    pub(crate) catalog: bool,
    /// Providers that are different, or whose Secrets are.
    pub(crate) providers: BTreeSet<ObjectKey>,
    /// Receivers whose Secrets are different.
    pub(crate) receivers: BTreeSet<ObjectKey>,
    /// What whoever looks at Receivers found.
    pub(crate) served: Vec<ReceiverUpdate>,
    /// Who wants to know when that has been handed out.
    pub(crate) in_force: Vec<oneshot::Sender<()>>,
    /// Anything at all is different.
    pub(crate) world: bool,
}

impl ProviderRecord {
    /// Reads and validates; `None` for what has no name.
    pub(crate) fn read(raw: &RawObject, kinds: &dyn KindDirectory) -> Option<Arc<Self>> {
        raw.key()?;
        let (observed, object) = raw.read();
        let object = match object {
            Ok(object) => object,
            Err(problem) => {
                return Some(Arc::new(Self {
                    observed,
                    entry: ProviderEntry::Invalid(Arc::new(vec![problem])),
                    secrets: BTreeSet::new(),
                    object: Arc::default(),
                }));
            }
        };
        let provider = api::Provider::from_object(object.clone());
        let names = [
            &provider.secret,
            &provider.certificate_secret,
            &provider.proxy_secret,
        ];
        let secrets = names
            .into_iter()
            .flatten()
            .map(|name| ObjectKey::new(&observed.key.namespace, name))
            .collect();
        let validated = guarded(|| ValidProvider::validate(&provider, kinds));
        let entry = match validated.value {
            Some(valid) => ProviderEntry::Valid(Arc::new(valid)),
            None => ProviderEntry::Invalid(Arc::new(validated.problems)),
        };
        Some(Arc::new(Self {
            observed,
            entry,
            secrets,
            object,
        }))
    }

    fn works_like(&self, other: &Self) -> bool {
        // Two unreadable ones are alike, too.
        self.object == other.object
    }
}

impl AlertRecord {
    /// Reads and validates; `None` for what has no name.
    pub(crate) fn read(raw: &RawObject) -> Option<Arc<Self>> {
        raw.key()?;
        let (observed, object) = raw.read();
        let object = match object {
            Ok(object) => object,
            Err(problem) => {
                return Some(Arc::new(Self {
                    observed,
                    alert: None,
                    problems: vec![problem],
                    is_suspended: false,
                    object: Arc::default(),
                }));
            }
        };
        let alert = api::Alert::from_object(object.clone());
        let validated = guarded(|| ValidAlert::validate(&alert));
        Some(Arc::new(Self {
            observed,
            alert: validated.value.map(Arc::new),
            problems: validated.problems,
            is_suspended: alert.suspend,
            object,
        }))
    }

    fn works_like(&self, other: &Self) -> bool {
        self.object == other.object && self.alert.is_some() == other.alert.is_some()
    }
}

/// Validates; a panic is a problem of this object alone.
fn guarded<T>(validate: impl FnOnce() -> Validated<T>) -> Validated<T> {
    not_panicking(validate).unwrap_or_else(|problem| Validated {
        value: None,
        problems: vec![problem],
    })
}

fn not_panicking<T>(validate: impl FnOnce() -> T) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(validate)).map_err(|_| {
        Problem::error(
            "",
            "checking the object panicked, which is a bug; please report it with the object",
        )
    })
}

impl World {
    /// Whether everything was listed once. Before that there is nothing to plan with.
    pub(crate) fn is_known(&self) -> bool {
        self.has_providers && self.has_alerts
    }

    /// The view for planning and delivering.
    pub(crate) fn catalog(&self) -> CatalogSnapshot {
        CatalogSnapshot::new(
            self.alerts
                .values()
                .filter_map(|record| record.alert.clone())
                .collect(),
            self.providers
                .iter()
                .map(|(key, record)| (key.clone(), record.entry.clone()))
                .collect(),
        )
    }

    /// The Secrets that Providers and Receivers name.
    pub(crate) fn secrets(&self) -> BTreeSet<ObjectKey> {
        let of_providers = self.providers.values().flat_map(|record| &record.secrets);
        let of_receivers = self.receivers.values();
        of_providers
            .chain(of_receivers.filter_map(|record| record.secret.as_ref()))
            .cloned()
            .collect()
    }

    /// Takes note of a change of Providers.
    pub(crate) fn note_providers(
        &mut self,
        change: Change<Arc<ProviderRecord>>,
        effects: &mut Effects,
    ) {
        match change {
            Change::Listed(records) => {
                self.has_providers = true;
                effects.catalog = true;
                effects.world = true;
                let before = std::mem::take(&mut self.providers);
                for record in records {
                    let key = record.observed.key.clone();
                    if !before.get(&key).is_some_and(|old| old.works_like(&record)) {
                        effects.providers.insert(key.clone());
                    }
                    self.providers.insert(key, record);
                }
            }
            Change::Applied(record) => {
                effects.world = true;
                let key = record.observed.key.clone();
                let before = self.providers.insert(key.clone(), record.clone());
                if !before.is_some_and(|old| old.works_like(&record)) {
                    effects.catalog = true;
                    effects.providers.insert(key);
                }
            }
            Change::Deleted(record) => {
                effects.world = true;
                effects.catalog |= self.providers.remove(&record.observed.key).is_some();
            }
            Change::Failed(_) => {}
        }
    }

    /// Takes note of a change of Alerts.
    pub(crate) fn note_alerts(&mut self, change: Change<Arc<AlertRecord>>, effects: &mut Effects) {
        match change {
            Change::Listed(records) => {
                self.has_alerts = true;
                effects.catalog = true;
                effects.world = true;
                self.alerts = records
                    .into_iter()
                    .map(|record| (record.observed.key.clone(), record))
                    .collect();
            }
            Change::Applied(record) => {
                effects.world = true;
                let key = record.observed.key.clone();
                let before = self.alerts.insert(key, record.clone());
                effects.catalog |= !before.is_some_and(|old| old.works_like(&record));
            }
            Change::Deleted(record) => {
                effects.world = true;
                effects.catalog |= self.alerts.remove(&record.observed.key).is_some();
            }
            Change::Failed(_) => {}
        }
    }

    /// Takes note of a change of a Secret.
    pub(crate) fn note_secret(&self, secret: &ObjectKey, effects: &mut Effects) {
        let users = self
            .providers
            .iter()
            .filter(|(_, record)| record.secrets.contains(secret))
            .map(|(key, _)| key.clone());
        effects.providers.extend(users);
        let users = self
            .receivers
            .iter()
            .filter(|(_, record)| record.secret.as_ref() == Some(secret))
            .map(|(key, _)| key.clone());
        effects.receivers.extend(users);
    }
}
