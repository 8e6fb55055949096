//! The configuration in force, and the ports that it answers.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use api::{ObjectKey, ObjectReference};
use domain::ports::{
    ObjectError, ObjectReader, Resources, SecretError, SecretReader, VersionedSecret,
};
use futures::FutureExt as _;
use futures::future::{self, BoxFuture};
use serde_json::{Value, json};

use crate::Configuration;

/// The configuration in force; swapped as a whole.
#[derive(Default)]
pub struct Current(RwLock<Arc<Configuration>>);

impl Current {
    /// A first configuration.
    pub fn new(configuration: Configuration) -> Self {
        Self(RwLock::new(Arc::new(configuration)))
    }

    /// The configuration in force.
    pub fn configuration(&self) -> Arc<Configuration> {
        // A writer that panicked has not touched the Arc; what is there is whole.
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts another one in force.
    pub fn swap(&self, configuration: Arc<Configuration>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = configuration;
    }
}

impl ObjectReader for Current {
    fn labels<'a>(
        &'a self,
        object: &'a ObjectReference,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>> {
        future::ready(self.configuration().labels(object).cloned()).boxed()
    }
}

/// Objects are those of the folder's manifests. One that a Receiver names need not be there: it lives
/// elsewhere, and its name is all that is known of it.
impl Resources for Current {
    fn get<'a>(
        &'a self,
        object: &'a ObjectReference,
    ) -> BoxFuture<'a, Result<Arc<Value>, ObjectError>> {
        let known = self.configuration().summary(object).cloned();
        let found = known.unwrap_or_else(|| {
            Arc::new(json!({
                "apiVersion": object.api_version,
                "kind": object.kind,
                "metadata": {"name": object.name, "namespace": object.namespace},
            }))
        });
        future::ready(Ok(found)).boxed()
    }

    fn list<'a>(
        &'a self,
        like: &'a ObjectReference,
        labels: &'a BTreeMap<String, String>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Value>>, ObjectError>> {
        let found = self.configuration().select(like, labels, limit);
        future::ready(Ok(found)).boxed()
    }
}

impl SecretReader for Current {
    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Option<VersionedSecret>, SecretError>> {
        let configuration = self.configuration();
        let answer = match configuration.secrets.get(key).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Some(secret)) => Ok(Some(secret.clone())),
            Some(None) => Err(SecretError {
                key: key.clone(),
                reason: "it has problems; the check command lists them".to_owned(),
                is_temporary: false,
            }),
        };
        future::ready(answer).boxed()
    }
}
