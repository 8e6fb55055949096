//! Removes the finalizer that the reference puts on its objects, so that nothing hangs in deletion
//! once it is not there any more. We have none of our own.
//!
//! A reference that still runs puts it back. It is removed again at once where the object is being
//! deleted, and now and then elsewhere, so that two controllers do not write in turns without end.

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
use crate::recorder::{Report, Reporter, Subject};
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

/// How soon it is removed again where somebody put it back.
const PUT_BACK: Duration = Duration::from_mins(10);

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
    let mut done: BTreeMap<(String, ObjectKey), Removed> = BTreeMap::new();
    let mut again: Option<Instant> = None;
    let mut is_told = false;
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
        let (mut due, mut put_back) = (Vec::new(), None);
        for job in jobs(&now) {
            match turn(done.get(&job.key()), &job.observed, Instant::now()) {
                Turn::Now => due.push(job),
                Turn::Seen => {}
                Turn::Later(at) => {
                    put_back.get_or_insert_with(|| job.observed.key.clone());
                    again = Some(again.map_or(at, |again| again.min(at)));
                }
            }
        }
        if let Some(key) = put_back.filter(|_| !std::mem::replace(&mut is_told, true)) {
            tracing::warn!(
                logger = "setup",
                name = key.name,
                namespace = key.namespace,
                "a finalizer that was removed is back, so another notification-controller seems to \
                 run: stop it, for both send notifications; until then the finalizer is removed \
                 every ten minutes and when an object is deleted"
            );
        }
        done.retain(|(_, key), _| {
            now.alerts.contains_key(key)
                || now.providers.contains_key(key)
                || now.receivers.contains_key(key)
        });
        let client = &client;
        let answers: Vec<(Job, Outcome)> = futures::stream::iter(due)
            .map(|job| async move {
                let outcome = job.carry_out(client).await;
                (job, outcome)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (job, outcome) in answers {
            if outcome == Outcome::Failed {
                let at = Instant::now() + AGAIN;
                again = Some(again.map_or(at, |again| again.min(at)));
                continue;
            }
            if outcome == Outcome::Removed && job.resource.kind == "Alert" {
                reporter.tell(migrated(job.observed.key.clone()));
            }
            let removed = Removed {
                version: job.observed.resource_version.clone(),
                uid: job.observed.uid.clone(),
                at: (outcome == Outcome::Removed).then(Instant::now),
            };
            done.insert(job.key(), removed);
        }
    }
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is removed.
    Removed,
    /// The object changed or is gone; the watch will say more.
    Outdated,
    /// Try again later.
    Failed,
}

/// The last try at an object.
struct Removed {
    /// The version that was looked at.
    version: String,
    uid: String,
    /// When it was removed; `None` if the object had changed meanwhile.
    at: Option<Instant>,
}

/// Whose turn it is.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// Remove it.
    Now,
    /// It was removed; the watch has not shown it yet.
    Seen,
    /// Somebody put it back; not before then.
    Later(Instant),
}

fn turn(before: Option<&Removed>, observed: &Observed, now: Instant) -> Turn {
    let Some(before) = before else {
        return Turn::Now;
    };
    if before.version == observed.resource_version {
        return Turn::Seen;
    }
    let is_same = before.uid == observed.uid && !observed.is_being_deleted;
    let until = before.at.filter(|_| is_same).map(|at| at + PUT_BACK);
    until
        .filter(|until| now < *until)
        .map_or(Turn::Now, Turn::Later)
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

    async fn carry_out(&self, client: &Client) -> Outcome {
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
                return Outcome::Removed;
            }
            Ok(Err(error)) => {
                let failure = failure_of(&error);
                if matches!(failure.status, Some(404 | 409)) {
                    return Outcome::Outdated;
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
        Outcome::Failed
    }
}

/// The reference's words for the same.
fn migrated(alert: ObjectKey) -> Report {
    Report {
        about: Subject::Alert(alert),
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
    fn what_was_put_back_waits_unless_it_is_being_deleted_or_another_object() {
        let now = Instant::now();
        let before = |at| Removed {
            version: "1".to_owned(),
            uid: "u".to_owned(),
            at,
        };
        let seen = |version: &str, uid: &str, is_being_deleted| Observed {
            resource_version: version.to_owned(),
            uid: uid.to_owned(),
            ..observed(&[FINALIZER], is_being_deleted)
        };
        let removed = before(Some(now));
        assert_eq!(turn(None, &seen("1", "u", false), now), Turn::Now);
        assert_eq!(turn(Some(&removed), &seen("1", "u", true), now), Turn::Seen);
        let later = now + PUT_BACK;
        let back = seen("3", "u", false);
        assert_eq!(turn(Some(&removed), &back, now), Turn::Later(later));
        assert_eq!(turn(Some(&removed), &back, later), Turn::Now);
        assert_eq!(turn(Some(&removed), &seen("3", "u", true), now), Turn::Now);
        assert_eq!(turn(Some(&removed), &seen("3", "v", false), now), Turn::Now);
        assert_eq!(turn(Some(&before(None)), &back, now), Turn::Now);
    }

    #[test]
    fn a_suspended_alert_keeps_it_until_it_is_deleted() {
        assert_eq!(remaining(&observed(&[FINALIZER], false), true), None);
        assert_eq!(remaining(&observed(&[FINALIZER], true), true), Some(vec![]));
    }
}
