//! Writes statuses to the API server.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::{GROUP, ObjectKey};
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::Client;
use crate::object::{Observed, RawObject};
use crate::watch::failure_of;

/// Under this name the API server keeps what is ours.
pub(crate) const FIELD_MANAGER: &str = "fanfare";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often definitions without a status subresource are looked at again.
const LOOK_AGAIN: Duration = Duration::from_mins(5);

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is stored.
    Yes,
    /// The object changed or is gone; the watch will say more.
    Outdated,
    /// The definition of this kind has no status.
    NoStatus,
    /// Try again later.
    Failed,
}

/// Writes statuses; one for the process.
pub(crate) struct Writer {
    client: Client,
    /// Until when the definitions count as having no status.
    without_status: Mutex<Option<Instant>>,
}

impl Writer {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            without_status: Mutex::default(),
        }
    }

    /// Until when it makes no sense to write, if so.
    pub(crate) fn blocked_until(&self) -> Option<Instant> {
        let until = *lock(&self.without_status);
        until.filter(|until| Instant::now() < *until)
    }

    /// Changes the status of one object, if it is still the one that was looked at.
    pub(crate) async fn write(
        &self,
        resource: &ApiResource,
        observed: &Observed,
        patch: Value,
    ) -> Written {
        let key = &observed.key;
        let api: Api<RawObject> =
            Api::namespaced_with(self.client.clone(), &key.namespace, resource);
        let body = json!({
            "metadata": {"resourceVersion": observed.resource_version, "uid": observed.uid},
            "status": patch,
        });
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let body = Patch::Merge(&body);
        let answer = timeout(PATIENCE, api.patch_status(&key.name, &params, &body)).await;
        let Ok(answer) = answer else {
            return Written::Failed;
        };
        let Err(error) = answer else {
            return Written::Yes;
        };
        let failure = failure_of(&error);
        match failure.status {
            Some(409) => Written::Outdated,
            Some(404) => self.explain_missing(resource).await,
            _ => {
                tracing::warn!(
                    logger = "runtime",
                    controllerKind = resource.kind,
                    name = key.name,
                    namespace = key.namespace,
                    error = failure.reason,
                    "writing status failed; trying again later"
                );
                Written::Failed
            }
        }
    }

    /// Either the object is gone, or its kind has no status.
    async fn explain_missing(&self, resource: &ApiResource) -> Written {
        match self.has_status(resource).await {
            Some(false) => {
                let mut until = lock(&self.without_status);
                if until.is_none() {
                    tracing::info!(
                        logger = "setup",
                        "the installed definitions have no status, as those of Flux: everything \
                         works, but nothing is written to status; apply Fanfare's definitions to \
                         see conditions"
                    );
                }
                *until = Some(Instant::now() + LOOK_AGAIN);
                Written::NoStatus
            }
            Some(true) => Written::Outdated,
            None => Written::Failed,
        }
    }

    async fn has_status(&self, resource: &ApiResource) -> Option<bool> {
        let version = format!("{GROUP}/{}", resource.version);
        let listing = self.client.list_api_group_resources(&version);
        let listing = timeout(PATIENCE, listing).await.ok()?.ok()?;
        let name = format!("{}/status", resource.plural);
        Some(listing.resources.iter().any(|found| found.name == name))
    }
}

/// One object of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    /// A Provider.
    Provider(ObjectKey),
    /// An Alert.
    Alert(ObjectKey),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is complete at once.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
