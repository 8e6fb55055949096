//! Notifiers that are kept while neither their Provider nor its Secrets change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use api::ObjectKey;
use domain::ValidProvider;
use outbound::{Redactor, Route};

use crate::Notifier;

/// A notifier with what belongs to it.
pub(crate) struct Built {
    pub(crate) notifier: Box<dyn Notifier>,
    pub(crate) route: Route,
    /// Knows the secrets it was built from.
    pub(crate) redactor: Redactor,
}

/// A bounded cache; when it is full, the notifier that was used longest ago goes.
pub(super) struct NotifierCache {
    most: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_provider: HashMap<ObjectKey, Entry>,
    uses: u64,
}

struct Entry {
    provider_version: u64,
    secret_versions: [Option<String>; 3],
    built: Arc<Built>,
    last_use: u64,
}

impl NotifierCache {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            entries: Mutex::default(),
        }
    }

    /// The notifier of a Provider, if it was built from these versions.
    pub(super) fn get(
        &self,
        provider: &ValidProvider,
        secret_versions: &[Option<String>; 3],
    ) -> Option<Arc<Built>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.uses += 1;
        let now = entries.uses;
        let entry = entries.by_provider.get_mut(&provider.key)?;
        let is_current =
            entry.provider_version == provider.version && entry.secret_versions == *secret_versions;
        is_current.then(|| {
            entry.last_use = now;
            Arc::clone(&entry.built)
        })
    }

    /// Keeps a notifier in place of the Provider's last one.
    pub(super) fn put(
        &self,
        provider: &ValidProvider,
        secret_versions: [Option<String>; 3],
        built: Arc<Built>,
    ) {
        if self.most == 0 {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = entries.by_provider.contains_key(&provider.key);
        if !is_known && entries.by_provider.len() >= self.most {
            let oldest = entries
                .by_provider
                .iter()
                .min_by_key(|(_, entry)| entry.last_use)
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                entries.by_provider.remove(&oldest);
            }
        }
        entries.uses += 1;
        let entry = Entry {
            provider_version: provider.version,
            secret_versions,
            built,
            last_use: entries.uses,
        };
        entries.by_provider.insert(provider.key.clone(), entry);
    }
}
