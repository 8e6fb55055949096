//! Removes the finalizer that the reference puts on its objects, so that nothing hangs in deletion
//! once it is not there any more. We have none of our own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use futures::StreamExt as _;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::Client;
use crate::object::{Observed, RawObject};
use crate::recorder::{Report, Reporter};
use crate::resource;
use crate::status::FIELD_MANAGER;
use crate::watch::failure_of;
use crate::world::World;

/// The reference's finalizer (`crds.md` sections 2.5 and 3.3, `receivers.md` section 9.2).
const FINALIZER: &str = "finalizers.fluxcd.io";

/// Objects changed at once.
const AT_ONCE: usize = 4;

/// How soon a failed removal is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The finalizers that should be left on an object; `None` if those there are may stay.
///
/// A suspended Alert keeps it, as in the reference, until it is deleted.
fn remaining(observed: &Observed, keeps_while_suspended: bool) -> Option<Vec<&String>> {
    if !observed.finalizers.iter().any(|name| name == FINALIZER) {
        return None;
    }
    if keeps_while_suspended && !observed.is_being_deleted {
        return None;
    }
    let others = observed.finalizers.iter().filter(|name| *name != FINALIZER);
    Some(others.collect())
}

/// Removes them while this process leads, until dropped.
pub(crate) async fn run(
    client: Client,
    reporter: Reporter,
    mut world: watch::Receiver<Arc<World>>,
    mut is_leader: watch::Receiver<bool>,
) {
    // What was done already, until the watch shows it.
    let mut done: BTreeMap<(String, ObjectKey), String> = BTreeMap::new();
    let mut again: Option<Instant> = None;
    loop {
        let far = Instant::now() + Duration::from_hours(1);
        tokio::select! {
            Ok(()) = world.changed() => {}
            Ok(()) = is_leader.changed() => {}
            () = sleep_until(again.unwrap_or(far)) => {}
        }
        again = None;
        if !*is_leader.borrow_and_update() {
            continue;
        }
        let now = world.borrow_and_update().clone();
        let jobs: Vec<Job> = jobs(&now)
            .filter(|job| done.get(&job.key()) != Some(&job.observed.resource_version))
            .collect();
        done.retain(|(_, key), _| {
            now.alerts.contains_key(key)
                || now.providers.contains_key(key)
                || now.receivers.contains_key(key)
        });
        let client = &client;
        let answers: Vec<(Job, bool)> = futures::stream::iter(jobs)
            .map(|job| async move {
                let is_done = job.carry_out(client).await;
                (job, is_done)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (job, is_done) in answers {
            if !is_done {
                again = Some(Instant::now() + AGAIN);
                continue;
            }
            if job.resource.kind == "Alert" {
                reporter.tell(migrated(job.observed.key.clone()));
            }
            done.insert(job.key(), job.observed.resource_version);
        }
    }
}

struct Job {
    resource: ApiResource,
    observed: Observed,
    remaining: Vec<String>,
}

fn jobs(world: &World) -> impl Iterator<Item = Job> + '_ {
    let providers = world
        .providers
        .values()
        .filter_map(|record| job(resource::providers, &record.observed, false));
    let alerts = world
        .alerts
        .values()
        .filter_map(|record| job(resource::alerts, &record.observed, record.is_suspended));
    let receivers = world
        .receivers
        .values()
        .filter_map(|record| job(resource::receivers, &record.observed, false));
    providers.chain(alerts).chain(receivers)
}

fn job(resource: fn() -> ApiResource, observed: &Observed, keeps: bool) -> Option<Job> {
    let remaining = remaining(observed, keeps)?;
    Some(Job {
        resource: resource(),
        observed: observed.clone(),
        remaining: remaining.into_iter().cloned().collect(),
    })
}

impl Job {
    fn key(&self) -> (String, ObjectKey) {
        (self.resource.kind.clone(), self.observed.key.clone())
    }

    /// Whether there is nothing left to do, or the watch will say what.
    async fn carry_out(&self, client: &Client) -> bool {
        let key = &self.observed.key;
        let api: Api<RawObject> =
            Api::namespaced_with(client.clone(), &key.namespace, &self.resource);
        // With the version, what somebody else does to the list meanwhile is not undone.
        let patch = json!({"metadata": {
            "resourceVersion": self.observed.resource_version,
            "uid": self.observed.uid,
            "finalizers": self.remaining,
        }});
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(&patch);
        let asking = api.patch(&key.name, &params, &patch);
        let reason = match timeout(PATIENCE, asking).await {
            Ok(Ok(_)) => {
                tracing::info!(
                    logger = "setup",
                    controllerKind = self.resource.kind,
                    name = key.name,
                    namespace = key.namespace,
                    "removed the finalizer of Flux's notification-controller"
                );
                return true;
            }
            Ok(Err(error)) => {
                let failure = failure_of(&error);
                if matches!(failure.status, Some(404 | 409)) {
                    return true;
                }
                failure.reason
            }
            Err(_) => "no answer".to_owned(),
        };
        tracing::warn!(
            logger = "runtime",
            controllerKind = self.resource.kind,
            name = key.name,
            namespace = key.namespace,
            error = reason,
            "removing a finalizer failed; trying again"
        );
        false
    }
}

/// The reference's words for the same.
fn migrated(alert: ObjectKey) -> Report {
    Report {
        alert,
        is_warning: false,
        reason: "Migration",
        message: "removed finalizer from Alert to migrate to static Alert".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(finalizers: &[&str], is_being_deleted: bool) -> Observed {
        Observed {
            finalizers: finalizers.iter().map(|&name| name.to_owned()).collect(),
            is_being_deleted,
            ..Observed::default()
        }
    }

    #[test]
    fn only_that_of_the_reference_goes() {
        let both = observed(&["foo.bar", FINALIZER], false);
        assert_eq!(remaining(&both, false), Some(vec![&"foo.bar".to_owned()]));
        assert_eq!(remaining(&observed(&["foo.bar"], true), false), None);
        assert_eq!(
            remaining(&observed(&[FINALIZER], false), false),
            Some(vec![])
        );
    }

    #[test]
    fn a_suspended_alert_keeps_it_until_it_is_deleted() {
        assert_eq!(remaining(&observed(&[FINALIZER], false), true), None);
        assert_eq!(remaining(&observed(&[FINALIZER], true), true), Some(vec![]));
    }
}
