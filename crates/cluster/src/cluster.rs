//! The Kubernetes mode put together: what follows the cluster, and what answers for it.

use std::sync::Arc;

use api::ObjectKey;
use domain::ports::{Clock, DeliveryTallies, KindDirectory, Notice, NoticeSink, ProviderCheck};
use domain::receiver::ReceiverRules;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::Client;
use crate::finalizers;
use crate::follower::{BACKLOG, Follower, Timing, Update};
use crate::labels::{Labels, following};
use crate::looks::LookObserver;
use crate::receivers;
use crate::recorder::{self, Recorder, Report, Reporter};
use crate::resource::Scope;
use crate::secrets::Secrets;
use crate::status::facts::Facts;
use crate::status::{Inspector, Keeper, Parts};
use crate::suspects::Suspects;

/// How to follow a cluster.
pub struct Settings {
    /// The API server.
    pub client: Client,
    /// Which namespaces count.
    pub scope: Scope,
    /// The provider types.
    pub kinds: Arc<dyn KindDirectory>,
    /// Alerts only take events of objects in their own namespace, and Receivers only name such.
    pub no_cross_namespace_references: bool,
    /// Whether to watch which Secrets change. If not, Secrets are read again every half minute while
    /// they are needed, which takes no permission but to get them.
    pub watch_secrets: bool,
    /// How soon changes are acted upon.
    pub timing: Timing,
}

/// What running needs of the rest of the program.
pub struct Companions {
    /// Prepares attempts without making them.
    pub check: Arc<dyn ProviderCheck>,
    /// Counts deliveries.
    pub tallies: Arc<dyn DeliveryTallies>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Whether this process holds the lease: only then it writes to our objects.
    pub is_leader: watch::Receiver<bool>,
    /// Hears how looks at objects went.
    pub looks: Arc<dyn LookObserver>,
}

/// A cluster that is followed.
pub struct Cluster {
    settings: Settings,
    secrets: Arc<Secrets>,
    labels: Arc<Labels>,
    facts: Arc<Facts>,
    reporter: Reporter,
    recorder: Recorder,
}

/// Hears what becomes of deliveries, for status and Kubernetes Events.
struct Notices {
    facts: Arc<Facts>,
    reporter: Reporter,
}

impl NoticeSink for Notices {
    fn settled(&self, notice: Notice<'_>) {
        self.facts.settled(&notice);
        if let Some(report) = Report::of(&notice) {
            self.reporter.tell(report);
        }
    }

    fn paused(&self, provider: &ObjectKey, until: Option<Timestamp>) {
        self.facts.paused(provider, until);
    }
}

impl Cluster {
    /// Asks nothing yet.
    pub fn new(settings: Settings) -> Self {
        let (reporter, recorder) = recorder::channel();
        Self {
            reporter,
            recorder,
            secrets: Arc::new(Secrets::new(settings.client.clone())),
            labels: Arc::default(),
            facts: Arc::default(),
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

    /// Wants to hear what becomes of deliveries.
    pub fn notices(&self) -> Arc<dyn NoticeSink> {
        Arc::new(Notices {
            facts: self.facts.clone(),
            reporter: self.reporter.clone(),
        })
    }

    /// Follows the cluster until `shutdown` is done; `apply` hears what is in force: of Receivers
    /// as soon as they are known, and the catalog when all of it was listed once.
    pub async fn run<S, F>(self, companions: Companions, shutdown: S, apply: F)
    where
        S: Future<Output = ()>,
        F: FnMut(Update) -> BoxFuture<'static, ()>,
    {
        let settings = self.settings;
        let world = watch::Sender::default();
        let suspects: Arc<Suspects> = Arc::default();
        let suspect_receivers: Arc<Suspects> = Arc::default();
        let (sender, inputs) = mpsc::channel(BACKLOG);
        let receivers = receivers::Keeper::new(receivers::Parts {
            client: settings.client.clone(),
            secrets: self.secrets.clone(),
            clock: companions.clock.clone(),
            world: world.subscribe(),
            suspects: suspect_receivers.clone(),
            inputs: sender.clone(),
            is_leader: companions.is_leader.clone(),
            reporter: self.reporter.clone(),
            looks: companions.looks.clone(),
        });
        let keeper = Keeper::new(Parts {
            client: settings.client.clone(),
            inspector: Inspector {
                check: companions.check,
                secrets: self.secrets.clone(),
                looks: companions.looks,
            },
            labels: self.labels.clone(),
            facts: self.facts,
            tallies: companions.tallies,
            clock: companions.clock.clone(),
            no_cross_namespace_references: settings.no_cross_namespace_references,
            world: world.subscribe(),
            suspects: suspects.clone(),
            inputs: sender.clone(),
            is_leader: companions.is_leader.clone(),
        });
        let recorder =
            self.recorder
                .run(settings.client.clone(), companions.clock, world.subscribe());
        let finalizers = finalizers::run(
            settings.client.clone(),
            self.reporter,
            world.subscribe(),
            companions.is_leader,
        );
        let labels = following::run(
            settings.client.clone(),
            settings.scope.clone(),
            self.labels,
            world.subscribe(),
        );
        let follower = Follower {
            client: settings.client,
            scope: settings.scope,
            kinds: settings.kinds,
            secrets: self.secrets,
            watch_secrets: settings.watch_secrets,
            timing: settings.timing,
            world,
            suspects,
            suspect_receivers,
            receiver_rules: ReceiverRules {
                no_cross_namespace_references: settings.no_cross_namespace_references,
            },
        };
        tokio::select! {
            () = shutdown => {}
            () = follower.run(sender, inputs, apply) => {}
            () = labels => {}
            () = keeper.run() => {}
            () = receivers.run().boxed() => {}
            () = recorder => {}
            () = finalizers => {}
        }
    }
}
