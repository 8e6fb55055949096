//! The objects that Receivers name: their metadata, asked for when a call comes.
//!
//! Nothing but metadata leaves the API server, whatever the objects are.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::ObjectReference;
use domain::ports::{ObjectError, Resources};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kube::Api;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, ObjectMeta};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::Client;
use crate::secrets::reading::is_name;
use crate::watch::failure_of;

/// How long an answer may take, the question for the kind included: senders of webhooks do not wait
/// long.
const PATIENCE: Duration = Duration::from_secs(4);

/// Kinds that are remembered; Flux has twelve.
const MOST_KINDS: usize = 256;

/// How long it is remembered that there is no such kind: somebody may be about to install it.
const ABSENCE: Duration = Duration::from_secs(10);

/// Reads metadata.
pub struct MetadataReader {
    kinds: Arc<Kinds>,
}

impl MetadataReader {
    /// Asks nothing yet.
    pub fn new(client: Client) -> Self {
        Self {
            kinds: Arc::new(Kinds {
                client,
                known: Mutex::default(),
            }),
        }
    }

    /// What knows the kinds, for whoever else needs them.
    pub(crate) fn kinds(&self) -> Arc<Kinds> {
        self.kinds.clone()
    }

    async fn read(&self, object: &ObjectReference) -> Result<Arc<Value>, ObjectError> {
        let api = self.kinds.api(object).await?;
        let name = checked_name(&object.name)?;
        match api.get_metadata(name).await {
            Ok(found) => as_seen_by_filters(object, &found.metadata),
            Err(error) => Err(self.kinds.error(object, &error)),
        }
    }

    async fn select(
        &self,
        like: &ObjectReference,
        labels: &BTreeMap<String, String>,
        limit: usize,
    ) -> Result<Vec<Arc<Value>>, ObjectError> {
        let api = self.kinds.api(like).await?;
        let selector: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let params = ListParams {
            label_selector: (!selector.is_empty()).then(|| selector.join(",")),
            limit: u32::try_from(limit).ok(),
            ..ListParams::default()
        };
        let listed = api.list_metadata(&params).await;
        let listed = listed.map_err(|error| self.kinds.error(like, &error))?;
        listed
            .items
            .iter()
            .take(limit)
            .map(|found| as_seen_by_filters(like, &found.metadata))
            .collect()
    }
}

impl Resources for MetadataReader {
    fn get<'a>(
        &'a self,
        object: &'a ObjectReference,
    ) -> BoxFuture<'a, Result<Arc<Value>, ObjectError>> {
        in_time(self.read(object)).boxed()
    }

    fn list<'a>(
        &'a self,
        like: &'a ObjectReference,
        labels: &'a BTreeMap<String, String>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Value>>, ObjectError>> {
        in_time(self.select(like, labels, limit)).boxed()
    }
}

/// An object as filters see it (`receivers.md` section 7): version, kind and metadata.
fn as_seen_by_filters(
    object: &ObjectReference,
    metadata: &ObjectMeta,
) -> Result<Arc<Value>, ObjectError> {
    let metadata =
        serde_json::to_value(metadata).map_err(|error| ObjectError::Refused(error.to_string()))?;
    Ok(Arc::new(json!({
        "apiVersion": object.api_version,
        "kind": object.kind,
        "metadata": metadata,
    })))
}

/// What a question came to within the time that there is.
pub(crate) async fn in_time<T>(
    question: impl Future<Output = Result<T, ObjectError>>,
) -> Result<T, ObjectError> {
    timeout(PATIENCE, question).await.unwrap_or_else(|_| {
        Err(ObjectError::Unavailable(format!(
            "the API server did not answer within {} s",
            PATIENCE.as_secs()
        )))
    })
}

/// A name, if it is one: tenants choose them, and `../secrets/x` must not lead elsewhere.
pub(crate) fn checked_name(name: &str) -> Result<&str, ObjectError> {
    if is_name(name) {
        return Ok(name);
    }
    Err(ObjectError::Refused(format!(
        "no object can have the name `{name}`: names are lower-case letters, digits, `-` and `.`"
    )))
}

/// Version and kind.
type VersionKind = (String, String);

/// Under which name the API server keeps the objects of a kind.
pub(crate) struct Kinds {
    client: Client,
    known: Mutex<HashMap<VersionKind, Known>>,
}

struct Known {
    /// `None`: there is no such kind.
    resource: Option<ApiResource>,
    asked_at: Instant,
}

impl Kinds {
    /// The objects of the same version, kind and namespace.
    pub(crate) async fn api(
        &self,
        object: &ObjectReference,
    ) -> Result<Api<DynamicObject>, ObjectError> {
        let namespace = checked_name(&object.namespace)?;
        let resource = self.resource(object).await?;
        Ok(Api::namespaced_with(
            self.client.clone(),
            namespace,
            &resource,
        ))
    }

    /// What a failed question about an object means.
    pub(crate) fn error(&self, object: &ObjectReference, error: &kube::Error) -> ObjectError {
        let failure = failure_of(error);
        match failure.status {
            Some(404) => {
                // Either it is gone or its kind is.
                self.lock().remove(&key(object));
                ObjectError::NotFound
            }
            Some(403) => ObjectError::Refused(format!(
                "{}; grant get, list and patch on it, as Flux's own role does for its kinds",
                failure.reason
            )),
            // A token that has just run out is renewed; a conflict or a lack of time passes.
            Some(status @ 400..500) if !matches!(status, 401 | 408 | 409 | 429) => {
                ObjectError::Refused(failure.reason)
            }
            _ => ObjectError::Unavailable(failure.reason),
        }
    }

    async fn resource(&self, object: &ObjectReference) -> Result<ApiResource, ObjectError> {
        if let Some(known) = self.lock().get(&key(object)) {
            match &known.resource {
                Some(resource) => return Ok(resource.clone()),
                None if known.asked_at.elapsed() < ABSENCE => return Err(ObjectError::NotFound),
                None => {}
            }
        }
        let found = self.ask(object).await?;
        let mut known = self.lock();
        if known.len() >= MOST_KINDS {
            known.clear();
        }
        let resource = found.clone();
        let asked_at = Instant::now();
        known.insert(key(object), Known { resource, asked_at });
        found.ok_or(ObjectError::NotFound)
    }

    async fn ask(&self, object: &ObjectReference) -> Result<Option<ApiResource>, ObjectError> {
        let (group, version) = match object.api_version.split_once('/') {
            Some((group, version)) => (checked_name(group)?, checked_name(version)?),
            None => ("", checked_name(&object.api_version)?),
        };
        let listing = if group.is_empty() {
            self.client.list_core_api_resources(version).await
        } else {
            let version = &object.api_version;
            self.client.list_api_group_resources(version).await
        };
        let listing = match listing {
            Ok(listing) => listing,
            Err(error) => {
                return match self.error(object, &error) {
                    ObjectError::NotFound => Ok(None),
                    other => Err(other),
                };
            }
        };
        // Names with a slash are subresources.
        let found = listing
            .resources
            .iter()
            .find(|resource| resource.kind == object.kind && !resource.name.contains('/'));
        let Some(found) = found else {
            return Ok(None);
        };
        if !found.namespaced {
            return Err(ObjectError::Refused(format!(
                "objects of the kind `{}` are in no namespace; a Receiver can name only such that are",
                object.kind
            )));
        }
        let kind = GroupVersionKind::gvk(group, version, &object.kind);
        Ok(Some(ApiResource::from_gvk_with_plural(&kind, &found.name)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<VersionKind, Known>> {
        // Every change under this lock is complete at once.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(object: &ObjectReference) -> VersionKind {
    (object.api_version.clone(), object.kind.clone())
}
