//! Labels of the objects that events are about, of just the kinds that `matchLabels` asks for.
//!
//! Each such kind is followed by its metadata. Who asks waits a bounded time for the first list;
//! while nothing is heard, what was heard last is the answer.

pub(crate) mod following;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::{ObjectKey, ObjectReference};
use domain::ports::ObjectReader;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How long an event waits for the first list of a kind. Events are planned one after the other, so
/// this is waited once, not once per event.
const PATIENCE: Duration = Duration::from_secs(5);

/// Group and kind.
pub(crate) type GroupKind = (String, String);

type LabelSet = Arc<BTreeMap<String, String>>;

/// Answers what labels objects carry.
pub struct Labels {
    known: Mutex<Known>,
    /// Counts changes of [`Known::kinds`], to wake those who wait for one.
    changes: watch::Sender<u64>,
    /// What cannot be known, and why.
    troubles: watch::Sender<Troubles>,
}

/// Reasons, by kind.
type Troubles = BTreeMap<String, String>;

#[derive(Default)]
struct Known {
    kinds: HashMap<GroupKind, Followed>,
    /// Why kinds are not followed at all, by kind.
    refused: Troubles,
    /// Somebody waited in vain since the last change; nobody else need.
    gave_up: bool,
}

/// A kind that is followed.
#[derive(Default)]
struct Followed {
    /// `None` until everything was listed once.
    objects: Option<HashMap<ObjectKey, LabelSet>>,
    /// Why nothing is heard right now.
    trouble: Option<String>,
}

impl Default for Labels {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            changes: watch::Sender::new(0),
            troubles: watch::Sender::default(),
        }
    }
}

impl Labels {
    async fn find(&self, object: &ObjectReference) -> Option<BTreeMap<String, String>> {
        // As in the reference, an event that names no version finds nothing.
        if object.api_version.is_empty() {
            return None;
        }
        let kind = (object.group().to_owned(), object.kind.clone());
        let key = ObjectKey::new(&object.namespace, &object.name);
        let deadline = Instant::now() + PATIENCE;
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            {
                let known = self.lock();
                if known.refused.contains_key(&object.kind) {
                    return None;
                }
                if let Some(objects) = known.kinds.get(&kind).and_then(|it| it.objects.as_ref()) {
                    return objects.get(&key).map(|labels| (**labels).clone());
                }
                if known.gave_up {
                    return None;
                }
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                self.lock().gave_up = true;
                return None;
            }
        }
    }

    /// Why labels of a kind cannot be known, for people; `None` if they are, or soon will be.
    pub(crate) fn trouble(&self, kind: &str) -> Option<String> {
        self.troubles.borrow().get(kind).cloned()
    }

    /// Told whenever [`Labels::trouble`] has another answer.
    pub(crate) fn troubles(&self) -> watch::Receiver<Troubles> {
        self.troubles.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let troubles = {
            let mut known = self.lock();
            change(&mut known);
            known.gave_up = false;
            known.troubles()
        };
        self.changes.send_modify(|count| *count += 1);
        self.troubles.send_if_modified(|before| {
            let is_new = *before != troubles;
            *before = troubles;
            is_new
        });
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Every change under this lock is complete at once.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn troubles(&self) -> Troubles {
        let unheard = self
            .kinds
            .iter()
            .filter(|(_, followed)| followed.objects.is_none())
            .filter_map(|((_, kind), followed)| Some((kind.clone(), followed.trouble.clone()?)));
        unheard.chain(self.refused.clone()).collect()
    }
}

impl ObjectReader for Labels {
    fn labels<'a>(
        &'a self,
        object: &'a ObjectReference,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>> {
        self.find(object).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(version: &str, name: &str) -> ObjectReference {
        ObjectReference {
            kind: "Kustomization".to_owned(),
            namespace: "flux-system".to_owned(),
            name: name.to_owned(),
            api_version: version.to_owned(),
            ..ObjectReference::default()
        }
    }

    fn kind() -> GroupKind {
        (
            "kustomize.toolkit.fluxcd.io".to_owned(),
            "Kustomization".to_owned(),
        )
    }

    const VERSION: &str = "kustomize.toolkit.fluxcd.io/v1";

    fn list(labels: &Labels) {
        let objects = HashMap::from([(
            ObjectKey::new("flux-system", "podinfo"),
            Arc::new(BTreeMap::from([("team".to_owned(), "a".to_owned())])),
        )]);
        labels.change(|known| {
            known.kinds.entry(kind()).or_default().objects = Some(objects);
        });
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_waits_for_the_first_list_and_not_longer_than_bounded() {
        let labels = Arc::new(Labels::default());
        let waiting = tokio::spawn({
            let labels = labels.clone();
            async move { labels.find(&object(VERSION, "podinfo")).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        list(&labels);
        assert_eq!(waiting.await.unwrap().unwrap()["team"], "a");
        assert_eq!(labels.find(&object(VERSION, "other")).await, None);
        assert_eq!(labels.find(&object("", "podinfo")).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_first_event_waits_in_vain() {
        let labels = Labels::default();
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(labels.find(&object(VERSION, "podinfo")).await, None);
        }
        assert_eq!(start.elapsed(), PATIENCE);
        list(&labels);
        assert!(labels.find(&object(VERSION, "podinfo")).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_kind_keeps_nobody_waiting_and_says_why() {
        let labels = Labels::default();
        labels.change(|known| {
            known
                .refused
                .insert("Kustomization".to_owned(), "no such kind".to_owned());
        });
        let start = Instant::now();
        assert_eq!(labels.find(&object(VERSION, "podinfo")).await, None);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(
            labels.trouble("Kustomization").as_deref(),
            Some("no such kind")
        );
        assert_eq!(labels.trouble("HelmRelease"), None);
    }
}
