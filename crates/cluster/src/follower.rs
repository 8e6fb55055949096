//! Keeps the catalog in step with the cluster: watches feed it, bursts become one new snapshot.

use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use domain::CatalogSnapshot;
use domain::ports::KindDirectory;
use domain::receiver::ReceiverRules;
use futures::future::BoxFuture;
use kube::runtime::watcher;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::Client;
use crate::receivers::ReceiverUpdate;
use crate::resource::{self, Scope};
use crate::secrets::Secrets;
use crate::secrets::following as secret_watch;
use crate::suspects::Suspects;
use crate::watch::{Change, Feed};
use crate::world::{AlertRecord, Effects, ProviderRecord, ReceiverRecord, World};

/// How soon changes are acted upon.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long nothing may happen before changes are put in force: they often come in bursts.
    pub quiet: Duration,
    /// How long changes may go on before they are put in force all the same.
    pub patience: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(50),
            patience: Duration::from_millis(500),
        }
    }
}

/// Changes that wait for their turn; watches wait when there are more.
pub(crate) const BACKLOG: usize = 1024;

/// What is now in force.
#[derive(Default)]
pub struct Update {
    /// All Alerts and Providers, to swap into the catalog; `None` if they are as they were.
    pub catalog: Option<CatalogSnapshot>,
    /// Providers that changed, or whose Secrets did: what waits for them is worth another attempt.
    pub changed: Vec<ObjectKey>,
    /// What changed about Receivers, in order.
    pub receivers: Vec<ReceiverUpdate>,
}

impl Update {
    fn is_empty(&self) -> bool {
        self.catalog.is_none() && self.changed.is_empty() && self.receivers.is_empty()
    }
}

/// What the watches say.
pub(crate) enum Input {
    Providers(Change<Arc<ProviderRecord>>),
    Alerts(Change<Arc<AlertRecord>>),
    Receivers(Change<Arc<ReceiverRecord>>),
    Secret(ObjectKey),
    /// From whoever looks at Receivers, to be handed out with everything else.
    Served {
        updates: Vec<ReceiverUpdate>,
        /// Told when they have been handed out.
        in_force: oneshot::Sender<()>,
    },
}

/// Follows the objects of a cluster.
pub(crate) struct Follower {
    pub(crate) client: Client,
    pub(crate) scope: Scope,
    pub(crate) kinds: Arc<dyn KindDirectory>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) watch_secrets: bool,
    pub(crate) timing: Timing,
    /// Everybody else who wants to know what there is.
    pub(crate) world: watch::Sender<Arc<World>>,
    /// Providers whose configuration or Secrets changed, for those who check them.
    pub(crate) suspects: Arc<Suspects>,
    /// Receivers whose Secrets changed.
    pub(crate) suspect_receivers: Arc<Suspects>,
    pub(crate) receiver_rules: ReceiverRules,
}

impl Follower {
    /// Calls `apply` whenever something changed: with a catalog when all Alerts and Providers were
    /// listed once, and not before. Runs until it is dropped.
    pub(crate) async fn run<F>(
        self,
        sender: mpsc::Sender<Input>,
        mut inputs: mpsc::Receiver<Input>,
        mut apply: F,
    ) where
        F: FnMut(Update) -> BoxFuture<'static, ()>,
    {
        let mut watches = JoinSet::new();
        self.start_watches(&sender, &mut watches);
        drop(sender);
        let mut world = World::default();
        let mut effects = Effects::default();
        while let Some(input) = inputs.recv().await {
            note(&mut world, input, &mut effects);
            self.settle(&mut inputs, &mut world, &mut effects).await;
            if !effects.receivers.is_empty() {
                self.suspect_receivers
                    .add(std::mem::take(&mut effects.receivers));
            }
            if std::mem::take(&mut effects.world) {
                self.world.send_replace(Arc::new(world.clone()));
            }
            // Webhooks need not wait until Alerts and Providers are known.
            let mut update = Update {
                receivers: std::mem::take(&mut effects.served),
                ..Update::default()
            };
            if world.is_known() {
                let is_new = std::mem::take(&mut effects.catalog);
                let changed = std::mem::take(&mut effects.providers);
                update.catalog = if is_new {
                    self.catalog(&world).await
                } else {
                    None
                };
                self.suspects.add(changed.iter().cloned());
                update.changed = changed.into_iter().collect();
            }
            if !update.is_empty() {
                apply(update).await;
            }
            for in_force in effects.in_force.drain(..) {
                // Whoever found it may be gone.
                let _ = in_force.send(());
            }
        }
    }

    async fn catalog(&self, world: &World) -> Option<CatalogSnapshot> {
        self.secrets.only(&world.secrets());
        let world = world.clone();
        // Thousands of Alerts take a moment to index.
        let indexing = tokio::task::spawn_blocking(move || world.catalog());
        indexing.await.ok()
    }

    fn start_watches(&self, sender: &mpsc::Sender<Input>, watches: &mut JoinSet<()>) {
        let kinds = self.kinds.clone();
        let mut providers = Feed::new(
            "providers",
            self.scope.api(&self.client, &resource::providers()),
            watcher::Config::default(),
            move |raw| ProviderRecord::read(&raw, &*kinds),
        );
        let to = sender.clone();
        watches.spawn(async move {
            // The receiver is gone only when all is being shut down.
            while to
                .send(Input::Providers(providers.next().await))
                .await
                .is_ok()
            {}
        });
        let mut alerts = Feed::new(
            "alerts",
            self.scope.api(&self.client, &resource::alerts()),
            watcher::Config::default(),
            |raw| AlertRecord::read(&raw),
        );
        let to = sender.clone();
        watches.spawn(
            async move { while to.send(Input::Alerts(alerts.next().await)).await.is_ok() {} },
        );
        let rules = self.receiver_rules;
        let mut receivers = Feed::new(
            "receivers",
            self.scope.api(&self.client, &resource::receivers()),
            watcher::Config::default(),
            move |raw| ReceiverRecord::read(&raw, rules),
        );
        let to = sender.clone();
        watches.spawn(async move {
            let mut is_told = false;
            loop {
                let change = receivers.next().await;
                if let Change::Failed(failure) = &change
                    && failure.is_forbidden()
                    && !std::mem::replace(&mut is_told, true)
                {
                    tracing::error!(
                        logger = "setup",
                        error = failure.reason,
                        "Receivers cannot be read: events are taken and sent as ever, but every \
                         webhook is answered 503 until the ServiceAccount may list and watch \
                         receivers.notification.toolkit.fluxcd.io"
                    );
                }
                if to.send(Input::Receivers(change)).await.is_err() {
                    return;
                }
            }
        });
        if self.watch_secrets {
            watches.spawn(secret_watch::run(
                self.client.clone(),
                self.scope.clone(),
                self.secrets.clone(),
                self.world.subscribe(),
                sender.clone(),
            ));
        }
    }

    /// Takes in what else there is until nothing happens for a while.
    async fn settle(
        &self,
        inputs: &mut mpsc::Receiver<Input>,
        world: &mut World,
        effects: &mut Effects,
    ) {
        let last = Instant::now() + self.timing.patience;
        loop {
            let quiet = Instant::now() + self.timing.quiet;
            match timeout_at(quiet.min(last), inputs.recv()).await {
                Ok(Some(input)) => note(world, input, effects),
                Ok(None) | Err(_) => return,
            }
            if Instant::now() >= last {
                return;
            }
        }
    }
}

fn note(world: &mut World, input: Input, effects: &mut Effects) {
    match input {
        Input::Providers(change) => world.note_providers(change, effects),
        Input::Alerts(change) => world.note_alerts(change, effects),
        Input::Receivers(change) => world.note_receivers(change, effects),
        Input::Served { updates, in_force } => {
            effects.served.extend(updates);
            effects.in_force.push(in_force);
        }
        Input::Secret(key) => world.note_secret(&key, effects),
    }
}
