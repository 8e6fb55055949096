//! Follows the metadata of the kinds that `matchLabels` asks for, as Alerts come and go.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use kube::Discovery;
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::discovery::verbs;
use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::{GroupKind, LabelSet, Labels};
use crate::Client;
use crate::resource::Scope;
use crate::watch::{Change, Feed, failure_of};
use crate::world::World;

/// Kinds followed at once. Flux has twelve; more than this is a mistake, or worse.
const MOST_KINDS: usize = 64;

/// How often a kind that the API server does not have is looked for again.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// How soon a failed question about kinds is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What all of Flux's groups end with; of kinds with one name, theirs is meant.
const FLUX: &str = ".fluxcd.io";

/// Follows what is needed until dropped.
pub(crate) async fn run(
    client: Client,
    scope: Scope,
    labels: Arc<Labels>,
    mut world: watch::Receiver<Arc<World>>,
) {
    let mut following = Following {
        client,
        scope,
        labels,
        tasks: JoinSet::new(),
        running: BTreeMap::new(),
    };
    let mut wanted = BTreeSet::new();
    loop {
        let now_wanted = needed_kinds(&world.borrow_and_update());
        let is_new = now_wanted != wanted;
        wanted = now_wanted;
        let missing = wanted.iter().any(|kind| !following.has(kind));
        let pause = if is_new || missing {
            following.adjust(&wanted).await
        } else {
            None
        };
        tokio::select! {
            changed = world.changed() => if changed.is_err() { return },
            () = sleep_or_never(pause) => {}
        }
    }
}

async fn sleep_or_never(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

/// The kinds of which an active Alert wants to know labels.
pub(crate) fn needed_kinds(world: &World) -> BTreeSet<String> {
    world
        .alerts
        .values()
        .filter_map(|record| record.alert.as_ref())
        .filter(|alert| !alert.suspend)
        .flat_map(|alert| &alert.sources)
        .filter(|source| source.match_labels.is_some())
        .map(|source| source.kind.clone())
        .collect()
}

struct Following {
    client: Client,
    scope: Scope,
    labels: Arc<Labels>,
    tasks: JoinSet<()>,
    running: BTreeMap<GroupKind, AbortHandle>,
}

impl Following {
    fn has(&self, kind: &str) -> bool {
        self.running.keys().any(|(_, name)| name == kind)
    }

    /// Starts and stops watches. Answers when to try again, if something could not be done.
    async fn adjust(&mut self, wanted: &BTreeSet<String>) -> Option<Duration> {
        self.stop_others(wanted);
        let missing: Vec<&String> = wanted.iter().filter(|kind| !self.has(kind)).collect();
        if missing.is_empty() {
            self.labels.change(|known| known.refused.clear());
            return None;
        }
        let resources = match Discovery::new(self.client.clone()).run_aggregated().await {
            Ok(discovery) => resources(&discovery),
            Err(error) => {
                let failure = failure_of(&error);
                tracing::warn!(
                    logger = "runtime",
                    error = failure.reason,
                    "asking the API server for its kinds failed; matchLabels waits"
                );
                return Some(ASK_AGAIN);
            }
        };
        let mut refused = BTreeMap::new();
        for kind in missing {
            let found = choose(&resources, kind);
            if found.is_empty() {
                let reason = format!("the API server has no kind `{kind}` with labels to watch");
                refused.insert(kind.clone(), reason);
            } else if self.running.len() + found.len() > MOST_KINDS {
                let reason = format!("more than {MOST_KINDS} kinds are asked for in all");
                refused.insert(kind.clone(), reason);
            } else {
                for resource in &found {
                    self.start(resource);
                }
            }
        }
        let again = (!refused.is_empty()).then_some(LOOK_AGAIN);
        self.labels.change(|known| known.refused = refused);
        again
    }

    fn stop_others(&mut self, wanted: &BTreeSet<String>) {
        let labels = &self.labels;
        self.running.retain(|kind, task| {
            let stays = wanted.contains(&kind.1);
            if !stays {
                task.abort();
                labels.change(|known| {
                    known.kinds.remove(kind);
                });
            }
            stays
        });
        // Those that were stopped need no keeping.
        while self.tasks.try_join_next().is_some() {}
    }

    fn start(&mut self, resource: &ApiResource) {
        let kind = (resource.group.clone(), resource.kind.clone());
        let api = self.scope.api(&self.client, resource);
        let name = format!("metadata of {}.{}", resource.plural, resource.group);
        let feed = Feed::new(name, api, watcher::Config::default(), labels_of);
        let task = self
            .tasks
            .spawn(follow_kind(feed, kind.clone(), self.labels.clone()));
        self.running.insert(kind, task);
    }
}

type Labelled = (ObjectKey, LabelSet);

async fn follow_kind(
    mut feed: Feed<PartialObjectMeta<DynamicObject>, Labelled>,
    kind: GroupKind,
    labels: Arc<Labels>,
) {
    loop {
        let change = feed.next().await;
        labels.change(|known| {
            let followed = known.kinds.entry(kind.clone()).or_default();
            match change {
                Change::Listed(objects) => {
                    followed.objects = Some(objects.into_iter().collect::<HashMap<_, _>>());
                    followed.trouble = None;
                }
                Change::Applied((key, set)) => {
                    followed
                        .objects
                        .get_or_insert_with(HashMap::new)
                        .insert(key, set);
                }
                Change::Deleted((key, _)) => {
                    if let Some(objects) = &mut followed.objects {
                        objects.remove(&key);
                    }
                }
                Change::Failed(failure) => {
                    followed.trouble = Some(if failure.is_forbidden() {
                        format!(
                            "{}; grant get, list and watch on it, as Flux's own role does for its kinds",
                            failure.reason
                        )
                    } else {
                        failure.reason
                    });
                }
            }
        });
    }
}

fn labels_of(object: PartialObjectMeta<DynamicObject>) -> Option<Labelled> {
    let metadata = object.metadata;
    let key = ObjectKey::new(metadata.namespace.unwrap_or_default(), metadata.name?);
    Some((key, Arc::new(metadata.labels.unwrap_or_default())))
}

/// All resources that can be followed, each in its preferred version.
fn resources(discovery: &Discovery) -> Vec<ApiResource> {
    discovery
        .groups()
        .flat_map(kube::discovery::ApiGroup::recommended_resources)
        .filter(|(_, able)| {
            able.supports_operation(verbs::LIST) && able.supports_operation(verbs::WATCH)
        })
        .map(|(resource, _)| resource)
        .collect()
}

/// The resources that a kind can mean: Flux's if it is one of theirs, else all of that name.
fn choose(resources: &[ApiResource], kind: &str) -> Vec<ApiResource> {
    let named: Vec<&ApiResource> = resources
        .iter()
        .filter(|resource| resource.kind == kind)
        .collect();
    let is_flux = |resource: &&&ApiResource| resource.group.ends_with(FLUX);
    if named.iter().any(|resource| is_flux(&resource)) {
        return named.iter().filter(is_flux).copied().cloned().collect();
    }
    named.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use kube::core::GroupVersionKind;

    use super::*;

    fn resource(group: &str, kind: &str) -> ApiResource {
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind))
    }

    #[test]
    fn of_kinds_with_one_name_that_of_flux_is_meant() {
        let resources = [
            resource("source.toolkit.fluxcd.io", "Bucket"),
            resource("s3.aws.example", "Bucket"),
            resource("a.example", "Thing"),
            resource("b.example", "Thing"),
        ];
        let groups = |kind: &str| {
            let found = choose(&resources, kind).into_iter();
            found.map(|resource| resource.group).collect::<Vec<_>>()
        };
        assert_eq!(groups("Bucket"), ["source.toolkit.fluxcd.io"]);
        assert_eq!(groups("Thing"), ["a.example", "b.example"]);
        assert!(groups("bucket").is_empty());
    }
}
