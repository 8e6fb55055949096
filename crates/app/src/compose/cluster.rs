//! The object graph of the Kubernetes mode: configuration from the API server, the embedded store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use cluster::{Client, Cluster, Scope, Timing, Update};
use delivery::{Engine, Handle};
use domain::Catalog;
use domain::ports::KindDirectory;
use http::HeaderValue;
use prometheus_client::registry::Registry;
use providers::Directory;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Sources;
use crate::hints::Hinted;
use crate::settings::{self, ControllerArguments};

/// The namespace that this runs in, if the Deployment says so.
const RUNTIME_NAMESPACE: &str = "RUNTIME_NAMESPACE";

/// The folder under the temporary directory, for want of a better one.
const DATA: &str = "fanfare";

/// What runs.
pub(crate) struct InCluster {
    pub(crate) engine: Engine,
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
    data_dir: &Path,
    registry: &mut Registry,
) -> anyhow::Result<InCluster> {
    let scope = scope(arguments.watch_all_namespaces)?;
    let client = client().await?;
    let kinds: Arc<dyn KindDirectory> = Arc::new(Directory);
    let cluster = Cluster::new(cluster::Settings {
        client,
        scope,
        kinds,
        timing: Timing::default(),
    });
    let catalog = Arc::new(Catalog::default());
    let (configured, is_configured) = watch::channel(false);
    let (engine, _courier) = super::engine(
        &arguments.serve,
        data_dir,
        Sources {
            catalog: catalog.clone(),
            configured: is_configured,
            secrets: cluster.secrets(),
            objects: cluster.labels(),
            notices: None,
            refuse_loopback: true,
            is_alone: watch::channel(true).1,
            most_tokens: usize::try_from(arguments.token_cache_max_size).unwrap_or(0),
        },
        registry,
    )
    .await?;
    Ok(InCluster {
        engine,
        following: Following {
            cluster,
            catalog,
            configured,
        },
    })
}

async fn client() -> anyhow::Result<Client> {
    let agent = HeaderValue::from_static(concat!("fanfare/", env!("CARGO_PKG_VERSION")));
    let kubeconfig = settings::environment("KUBECONFIG");
    cluster::connect(kubeconfig.as_deref(), agent)
        .await
        .context("finding the API server")
}

fn scope(watch_all_namespaces: bool) -> anyhow::Result<Scope> {
    if watch_all_namespaces {
        return Ok(Scope::All);
    }
    let namespace = settings::environment(RUNTIME_NAMESPACE)
        .and_then(|namespace| namespace.into_string().ok())
        .ok_or_else(|| {
            Hinted::error(
                "--watch-all-namespaces=false needs RUNTIME_NAMESPACE, which is not set or empty",
                "set it from the pod's metadata.namespace, as Flux's Deployment does",
            )
        })?;
    Ok(Scope::Namespace(namespace))
}

/// Follows the objects of the cluster.
pub(crate) struct Following {
    cluster: Cluster,
    catalog: Arc<Catalog>,
    configured: watch::Sender<bool>,
}

impl Following {
    /// Puts each change in force until told to stop.
    pub(crate) async fn run(self, engine: Handle, shutdown: CancellationToken) {
        let (catalog, configured) = (self.catalog, self.configured);
        let stop = async move { shutdown.cancelled().await };
        let apply = move |update: Update| {
            if let Some(snapshot) = update.catalog {
                catalog.swap(snapshot);
            }
            if !configured.send_replace(true) {
                let snapshot = catalog.snapshot();
                tracing::info!(
                    logger = "setup",
                    providers = snapshot.providers().count(),
                    alerts = snapshot.alerts().len(),
                    "configuration in force"
                );
            }
            let engine = engine.clone();
            Box::pin(async move { engine.changed(update.changed).await }) as _
        };
        self.cluster.run(stop, apply).await;
    }
}
