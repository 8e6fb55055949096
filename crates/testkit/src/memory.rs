//! Facts remembered between deliveries, in a map.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::delivery::Remembered;
use domain::ports::Memory;
use futures::FutureExt;
use futures::future::BoxFuture;

/// Facts by key. Store what a receipt says with [`Facts::remember`], as settling a delivery does.
#[derive(Debug, Default)]
pub struct Facts(Mutex<BTreeMap<String, String>>);

impl Facts {
    /// Stores facts; later ones replace earlier ones of the same key.
    pub fn remember(&self, facts: impl IntoIterator<Item = Remembered>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(facts.into_iter().map(|fact| (fact.key, fact.value)));
    }

    /// All facts.
    pub fn all(&self) -> BTreeMap<String, String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Memory for Facts {
    fn recall<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<String>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fact = known.get(key).cloned();
        async move { fact }.boxed()
    }
}
