//! The object graph of the Kubernetes mode: configuration from the API server, the embedded store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use cluster::{
    AllowedAccount, Client, Cluster, Companions, MetadataReader, ReconcileRequests, Scope,
    ServiceAccounts, Timing, TokenReviewer, Update,
};
use delivery::{Engine, Handle};
use domain::Catalog;
use domain::ports::{Clock as _, KindDirectory, SenderCheck};
use http::HeaderValue;
use prometheus_client::registry::Registry;
use providers::{Courier, Directory, Identities, ObjectLevelDirectory};
use receivers::{Hooks, HooksPorts, Table};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::api_metrics::ApiMetrics;
use super::identities;
use super::replicas::Replicas;
use super::{Sources, Started, webhooks};
use crate::hints::Hinted;
use crate::runtime::SystemClock;
use crate::settings::{self, ControllerArguments, EventsAuth, FeatureGates};

/// The namespace that this runs in, if the Deployment says so.
const RUNTIME_NAMESPACE: &str = "RUNTIME_NAMESPACE";

/// The folder under the temporary directory, for want of a better one.
const DATA: &str = "fanfare";

/// What runs.
pub(crate) struct InCluster {
    pub(crate) engine: Engine,
    pub(crate) senders: Option<Arc<dyn SenderCheck>>,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) following: Following,
}

/// Where accepted events and deliveries are kept. Says once what a folder for want of a better one is
/// worth.
pub(crate) fn data_dir(arguments: &ControllerArguments) -> PathBuf {
    if let Some(directory) = &arguments.data_dir {
        return directory.clone();
    }
    let directory = std::env::temp_dir().join(DATA);
    tracing::info!(
        logger = "setup",
        data = %directory.display(),
        "no --data-dir: accepted events survive a restart of this container, but not of its pod; \
         mount a PersistentVolumeClaim and name it with --data-dir to change that"
    );
    directory
}

/// Makes the connection to the API server, opens the store, starts the engine. Asks the API server
/// nothing, so it works while that is down.
pub(crate) async fn start(
    arguments: &ControllerArguments,
    gates: FeatureGates,
    data_dir: &Path,
    registry: &mut Registry,
) -> anyhow::Result<InCluster> {
    let scope = scope(arguments.watch_all_namespaces)?;
    let metrics = Arc::new(ApiMetrics::new(registry));
    let client = client(metrics.clone()).await?;
    let kinds: Arc<dyn KindDirectory> = if gates.object_level_workload_identity {
        Arc::new(ObjectLevelDirectory)
    } else {
        Arc::new(Directory)
    };
    let cluster = Cluster::new(cluster::Settings {
        client: client.clone(),
        scope,
        kinds,
        no_cross_namespace_references: arguments.serve.no_cross_namespace_refs,
        watch_secrets: !gates.disable_config_watchers,
        timing: Timing::default(),
    });
    let catalog = Arc::new(Catalog::default());
    let namespace = runtime_namespace().unwrap_or_else(|| client.default_namespace().to_owned());
    let (replicas, standing) = Replicas::new(arguments, &client, &namespace, registry)?;
    let senders = senders(arguments, &client, &namespace);
    let identities = Identities {
        object_level: gates.object_level_workload_identity,
        default_service_account: Some(arguments.default_service_account.clone())
            .filter(|name| !name.is_empty()),
        issuer: Arc::new(ServiceAccounts::new(client.clone())),
        ..identities::of_process(&arguments.serve.egress.egress_deny)
    };
    let (configured, is_configured) = watch::channel(false);
    let Started {
        engine,
        courier,
        store,
        transport,
    } = super::engine(
        &arguments.serve,
        data_dir,
        Sources {
            catalog: catalog.clone(),
            configured: is_configured,
            secrets: cluster.secrets(),
            objects: cluster.labels(),
            notices: Some(cluster.notices()),
            refuse_loopback: true,
            is_alone: standing.is_alone,
            identities,
        },
        registry,
    )
    .await?;
    let table = webhooks::table_to_be_filled(&arguments.serve.receivers);
    let objects = MetadataReader::new(client);
    let requester = Arc::new(ReconcileRequests::new(&objects));
    let hook_ports = HooksPorts {
        table: table.clone(),
        resources: Arc::new(objects),
        requester,
        kept: store,
        transport,
        clock: Arc::new(SystemClock),
    };
    let hooks = webhooks::hooks(hook_ports, &arguments.serve.receivers, registry);
    Ok(InCluster {
        engine,
        senders,
        hooks,
        following: Following {
            cluster,
            catalog,
            table,
            configured,
            courier,
            is_leader: standing.leads,
            metrics,
            replicas,
        },
    })
}

async fn client(metrics: Arc<ApiMetrics>) -> anyhow::Result<Client> {
    let agent = HeaderValue::from_static(concat!("fanfare/", env!("CARGO_PKG_VERSION")));
    let kubeconfig = settings::environment("KUBECONFIG");
    cluster::connect(kubeconfig.as_deref(), agent, metrics)
        .await
        .context("finding the API server")
}

fn scope(watch_all_namespaces: bool) -> anyhow::Result<Scope> {
    if watch_all_namespaces {
        return Ok(Scope::All);
    }
    let namespace = runtime_namespace().ok_or_else(|| {
        Hinted::error(
            "--watch-all-namespaces=false needs RUNTIME_NAMESPACE, which is not set or empty",
            "set it from the pod's metadata.namespace, as Flux's Deployment does",
        )
    })?;
    Ok(Scope::Namespace(namespace))
}

fn runtime_namespace() -> Option<String> {
    settings::environment(RUNTIME_NAMESPACE)
        .and_then(|namespace| namespace.into_string().ok())
        .filter(|namespace| !namespace.is_empty())
}

/// The check of senders that the arguments ask for.
fn senders(
    arguments: &ControllerArguments,
    client: &Client,
    namespace: &str,
) -> Option<Arc<dyn SenderCheck>> {
    if arguments.events_auth == EventsAuth::None {
        return None;
    }
    let mut allowed = arguments.events_allow.clone();
    if allowed.is_empty() {
        allowed.push(AllowedAccount::all_of(namespace));
    }
    Some(Arc::new(TokenReviewer::new(client.clone(), allowed)))
}

/// Follows the objects of the cluster.
pub(crate) struct Following {
    cluster: Cluster,
    catalog: Arc<Catalog>,
    table: Arc<Table>,
    configured: watch::Sender<bool>,
    courier: Arc<Courier>,
    is_leader: watch::Receiver<bool>,
    metrics: Arc<ApiMetrics>,
    replicas: Replicas,
}

impl Following {
    /// Puts each change in force until told to stop.
    pub(crate) async fn run(self, engine: Handle, shutdown: CancellationToken) {
        let (catalog, table, configured) = (self.catalog, self.table, self.configured);
        let companions = Companions {
            check: self.courier,
            tallies: Arc::new(engine.clone()),
            clock: Arc::new(SystemClock),
            is_leader: self.is_leader,
            looks: self.metrics,
        };
        let replicas_shutdown = shutdown.clone();
        let stop = async move { shutdown.cancelled().await };
        let apply = move |update: Update| {
            webhooks::apply(&table, update.receivers, SystemClock.now());
            // What was heard of Receivers alone is no reason to plan events yet.
            if let Some(snapshot) = update.catalog {
                catalog.swap(snapshot);
                if !configured.send_replace(true) {
                    let snapshot = catalog.snapshot();
                    tracing::info!(
                        logger = "setup",
                        providers = snapshot.providers().count(),
                        alerts = snapshot.alerts().len(),
                        "configuration in force"
                    );
                }
            }
            let engine = engine.clone();
            Box::pin(async move { engine.changed(update.changed).await }) as _
        };
        tokio::join!(
            self.cluster.run(companions, stop, apply),
            self.replicas.run(replicas_shutdown),
        );
    }
}
