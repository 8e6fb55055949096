//! All Alerts and Providers that are in force, in memory: one immutable view per configuration.

mod index;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use api::{ObjectKey, Problem};

use crate::{CleanEvent, ValidAlert, ValidProvider};

use index::Index;

/// A Provider as far as it can be used.
#[derive(Clone, Debug)]
pub enum ProviderEntry {
    /// It can be sent to.
    Valid(Arc<ValidProvider>),
    /// It exists and cannot be used, for these reasons.
    Invalid(Arc<Vec<Problem>>),
}

impl ProviderEntry {
    /// The Provider, if it can be used.
    pub fn valid(&self) -> Option<&Arc<ValidProvider>> {
        match self {
            Self::Valid(provider) => Some(provider),
            Self::Invalid(_) => None,
        }
    }
}

/// An immutable view of the configuration. Readers take one per event and see one consistent world.
#[derive(Default)]
pub struct CatalogSnapshot {
    alerts: Vec<Arc<ValidAlert>>,
    providers: HashMap<ObjectKey, ProviderEntry>,
    index: Index,
}

/// The Alerts worth a closer look for one event, and how many were ruled out without one.
pub struct Candidates<'snapshot> {
    /// In order of their key.
    pub alerts: Vec<&'snapshot Arc<ValidAlert>>,
    /// Suspended Alerts with a source in the event's namespace.
    pub suspended: usize,
    /// Alerts with a source in the event's namespace whose kind, name, severity or required text
    /// rules the event out.
    pub not_selected: usize,
}

impl CatalogSnapshot {
    /// Builds a view. All work that depends on configuration only is done here, not per event.
    pub fn new(
        mut alerts: Vec<Arc<ValidAlert>>,
        providers: HashMap<ObjectKey, ProviderEntry>,
    ) -> Self {
        alerts.sort_by(|left, right| left.key.cmp(&right.key));
        let index = Index::new(&alerts);
        Self {
            alerts,
            providers,
            index,
        }
    }

    /// A Provider, usable or not.
    pub fn provider(&self, key: &ObjectKey) -> Option<&ProviderEntry> {
        self.providers.get(key)
    }

    /// All Providers.
    pub fn providers(&self) -> impl Iterator<Item = (&ObjectKey, &ProviderEntry)> {
        self.providers.iter()
    }

    /// All usable Alerts, in order of their key.
    pub fn alerts(&self) -> &[Arc<ValidAlert>] {
        &self.alerts
    }

    /// An Alert.
    pub fn alert(&self, key: &ObjectKey) -> Option<&Arc<ValidAlert>> {
        let found = self
            .alerts
            .binary_search_by(|alert| alert.key.cmp(key))
            .ok()?;
        self.alerts.get(found)
    }

    /// The Alerts that could match an event. Its cost depends on how many those are, not on how
    /// many there are in all.
    pub fn candidates(&self, event: &CleanEvent) -> Candidates<'_> {
        let found = self.index.candidates(event.event());
        Candidates {
            alerts: found
                .alerts
                .iter()
                .filter_map(|index| self.alerts.get(*index as usize))
                .collect(),
            suspended: found.suspended,
            not_selected: found.not_selected,
        }
    }
}

/// The current snapshot; swapped as a whole.
#[derive(Default)]
pub struct Catalog(RwLock<Arc<CatalogSnapshot>>);

impl Catalog {
    /// A catalog with a first snapshot.
    pub fn new(snapshot: CatalogSnapshot) -> Self {
        Self(RwLock::new(Arc::new(snapshot)))
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<CatalogSnapshot> {
        // A writer that panicked has not touched the Arc; what is there is whole.
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts another one in force.
    pub fn swap(&self, snapshot: CatalogSnapshot) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}
