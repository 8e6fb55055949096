//! The Kubernetes mode put together: what follows the cluster, and what answers for it.

use std::sync::Arc;

use domain::ports::KindDirectory;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use crate::Client;
use crate::follower::{Follower, Timing, Update};
use crate::labels::{Labels, following};
use crate::resource::Scope;
use crate::secrets::Secrets;
use crate::world::World;

/// How to follow a cluster.
pub struct Settings {
    /// The API server.
    pub client: Client,
    /// Which namespaces count.
    pub scope: Scope,
    /// The provider types.
    pub kinds: Arc<dyn KindDirectory>,
    /// How soon changes are acted upon.
    pub timing: Timing,
}

/// A cluster that is followed.
pub struct Cluster {
    settings: Settings,
    secrets: Arc<Secrets>,
    labels: Arc<Labels>,
    world: watch::Sender<Arc<World>>,
    suspects: Suspects,
}

type Suspects = (
    mpsc::UnboundedSender<api::ObjectKey>,
    mpsc::UnboundedReceiver<api::ObjectKey>,
);

impl Cluster {
    /// Asks nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            secrets: Arc::new(Secrets::new(settings.client.clone())),
            labels: Arc::default(),
            world: watch::Sender::default(),
            suspects: mpsc::unbounded_channel(),
            settings,
        }
    }

    /// Reads Secrets.
    pub fn secrets(&self) -> Arc<Secrets> {
        self.secrets.clone()
    }

    /// Knows labels.
    pub fn labels(&self) -> Arc<Labels> {
        self.labels.clone()
    }

    /// Follows the cluster until `shutdown` is done; `apply` hears what is in force, the first time
    /// when everything was listed once.
    pub async fn run<S, F>(self, shutdown: S, apply: F)
    where
        S: Future<Output = ()>,
        F: FnMut(Update) -> BoxFuture<'static, ()>,
    {
        let Settings {
            client,
            scope,
            kinds,
            timing,
        } = self.settings;
        let labels = following::run(
            client.clone(),
            scope.clone(),
            self.labels,
            self.world.subscribe(),
        );
        let follower = Follower {
            client,
            scope,
            kinds,
            secrets: self.secrets,
            timing,
            world: self.world,
            suspects: self.suspects.0,
        };
        tokio::select! {
            () = shutdown => {}
            () = follower.run(apply) => {}
            () = labels => {}
        }
    }
}
