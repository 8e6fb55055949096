//! Which Secrets change: metadata only, of all namespaces, or of those that matter where that is not
//! permitted. Where neither is, nothing is heard and Secrets are read again now and then.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use api::ObjectKey;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::Secrets;
use crate::Client;
use crate::follower::Input;
use crate::resource::Scope;
use crate::watch::{Change, Feed};
use crate::world::World;

/// Helm stores releases as Secrets, many and large ones; nobody names them.
const SELECTOR: &str = "type!=helm.sh/release.v1";

/// Namespaces that get a watch of their own; in the rest Secrets are read again now and then.
const MOST_NAMESPACES: usize = 50;

/// A Secret's name and version.
type Version = (ObjectKey, String);

/// Follows Secrets until dropped.
pub(crate) async fn run(
    client: Client,
    scope: Scope,
    secrets: Arc<Secrets>,
    world: watch::Receiver<Arc<World>>,
    sender: mpsc::Sender<Input>,
) {
    let (refused, is_refused) = watch::channel(false);
    let follower = SecretFollower {
        client,
        secrets,
        sender,
    };
    let widest = async {
        let api = match &scope {
            Scope::All => Api::all(follower.client.clone()),
            Scope::Namespace(name) => Api::namespaced(follower.client.clone(), name),
        };
        follower
            .follow("secrets", api, None, |failure| {
                refused.send_replace(failure);
            })
            .await;
    };
    let narrow = async {
        if scope == Scope::All {
            follower.follow_namespaces(world, is_refused).await;
        }
    };
    tokio::join!(widest, narrow);
}

#[derive(Clone)]
struct SecretFollower {
    client: Client,
    secrets: Arc<Secrets>,
    sender: mpsc::Sender<Input>,
}

impl SecretFollower {
    /// Follows the Secrets of `namespace`, or of wherever `api` looks. `refused` hears whether we may
    /// not.
    async fn follow(
        &self,
        name: &str,
        api: Api<PartialObjectMeta<Secret>>,
        namespace: Option<&str>,
        refused: impl Fn(bool),
    ) {
        let config = watcher::Config::default().fields(SELECTOR);
        let mut feed = Feed::new(name, api, config, version).optional();
        loop {
            let change = feed.next().await;
            let works = !matches!(change, Change::Failed(_));
            match namespace {
                Some(namespace) => self.secrets.watch_namespace(namespace, works),
                None => self.secrets.watch_everywhere(works),
            }
            match &change {
                Change::Failed(failure) => refused(failure.is_forbidden()),
                _ => refused(false),
            }
            for key in self.outdated(namespace, change) {
                if self.sender.send(Input::Secret(key)).await.is_err() {
                    return;
                }
            }
        }
    }

    fn outdated(&self, namespace: Option<&str>, change: Change<Version>) -> Vec<ObjectKey> {
        let note = |key: &ObjectKey, version: Option<&str>| self.secrets.note(key, version);
        match change {
            Change::Listed(versions) => {
                let versions: HashMap<ObjectKey, String> = versions.into_iter().collect();
                let is_here = |key: &ObjectKey| namespace.is_none_or(|name| key.namespace == name);
                let known = self.secrets.known(is_here);
                known
                    .into_iter()
                    .filter(|key| note(key, versions.get(key).map(String::as_str)))
                    .collect()
            }
            Change::Applied((key, version)) if note(&key, Some(&version)) => vec![key],
            Change::Deleted((key, _)) if note(&key, None) => vec![key],
            Change::Applied(_) | Change::Deleted(_) | Change::Failed(_) => Vec::new(),
        }
    }

    /// Watches the namespaces that Providers and Receivers are in for as long as all of them at once is refused.
    async fn follow_namespaces(
        &self,
        mut world: watch::Receiver<Arc<World>>,
        mut is_refused: watch::Receiver<bool>,
    ) {
        let mut tasks = JoinSet::new();
        let mut running: BTreeMap<String, AbortHandle> = BTreeMap::new();
        loop {
            let mut wanted = BTreeSet::new();
            if *is_refused.borrow_and_update() {
                let secrets = world.borrow_and_update().secrets();
                wanted.extend(secrets.into_iter().map(|key| key.namespace));
            }
            running.retain(|namespace, task| {
                let stays = wanted.contains(namespace);
                if !stays {
                    task.abort();
                    self.secrets.watch_namespace(namespace, false);
                }
                stays
            });
            for namespace in wanted {
                if running.len() >= MOST_NAMESPACES || running.contains_key(&namespace) {
                    continue;
                }
                let (follower, name) = (self.clone(), namespace.clone());
                let task = tasks.spawn(async move {
                    let api = Api::namespaced(follower.client.clone(), &name);
                    let title = format!("secrets in {name}");
                    follower.follow(&title, api, Some(&name), |_| {}).await;
                });
                running.insert(namespace, task);
            }
            tokio::select! {
                Ok(()) = world.changed() => {}
                Ok(()) = is_refused.changed() => {}
                else => return,
            }
        }
    }
}

fn version(secret: PartialObjectMeta<Secret>) -> Option<Version> {
    let metadata = secret.metadata;
    let key = ObjectKey::new(metadata.namespace?, metadata.name?);
    Some((key, metadata.resource_version?))
}
