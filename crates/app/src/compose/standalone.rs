//! The object graph of the standalone mode: configuration from a folder, the embedded store.

use std::sync::Arc;

use delivery::{Engine, Handle};
use domain::Catalog;
use domain::ports::KindDirectory;
use prometheus_client::registry::Registry;
use providers::Directory;
use standalone::{Configuration, Current, Source, Timing, Watch, directory};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Sources;
use super::identities;
use crate::settings::{ConfigurationArguments, RunArguments};

/// What runs.
pub(crate) struct Standalone {
    pub(crate) engine: Engine,
    pub(crate) reload: Reloading,
}

/// Where the arguments say configuration is.
pub(crate) fn source(arguments: &ConfigurationArguments) -> Source {
    Source {
        secrets: arguments.secrets_dir.clone(),
        ..Source::new(&arguments.config)
    }
}

/// Reads the configuration, opens the store, starts the engine.
pub(crate) async fn start(
    arguments: &RunArguments,
    registry: &mut Registry,
) -> anyhow::Result<Standalone> {
    let kinds: Arc<dyn KindDirectory> = Arc::new(Directory);
    let source = source(&arguments.configuration);
    let configuration = directory::read(&source, &*kinds);
    report(&configuration);
    let catalog = Arc::new(Catalog::new(configuration.catalog()));
    let current = Arc::new(Current::new(configuration));
    let (engine, _) = super::engine(
        &arguments.serve,
        &arguments.data_dir,
        Sources {
            catalog: catalog.clone(),
            configured: watch::channel(true).1,
            secrets: current.clone(),
            objects: current.clone(),
            notices: None,
            refuse_loopback: false,
            is_alone: watch::channel(true).1,
            identities: identities::of_process(&arguments.serve.egress.egress_deny),
        },
        registry,
    )
    .await?;
    let watch = Watch::new(source, kinds, current, Timing::default());
    Ok(Standalone {
        engine,
        reload: Reloading { watch, catalog },
    })
}

/// Follows changes of the folder.
pub(crate) struct Reloading {
    watch: Watch,
    catalog: Arc<Catalog>,
}

impl Reloading {
    /// Puts each new configuration in force until told to stop.
    pub(crate) async fn run(self, engine: Handle, shutdown: CancellationToken) {
        let catalog = self.catalog;
        let stop = async move { shutdown.cancelled().await };
        self.watch
            .run(stop, move |reload| {
                report(&reload.configuration);
                for object in &reload.kept {
                    tracing::warn!(
                        logger = "setup",
                        object,
                        "its last good version stays in force"
                    );
                }
                catalog.swap(reload.catalog);
                let engine = engine.clone();
                Box::pin(async move { engine.changed(reload.changed).await })
            })
            .await;
    }
}

/// Says what was read and everything that is wrong with it.
fn report(configuration: &Configuration) {
    for problem in configuration.problems() {
        if problem.problem.is_error() {
            tracing::error!(logger = "setup", "{problem}");
        } else {
            tracing::warn!(logger = "setup", "{problem}");
        }
    }
    let counts = configuration.counts();
    tracing::info!(
        logger = "setup",
        files = counts.files,
        providers = counts.providers,
        alerts = counts.alerts,
        secrets = counts.secrets,
        "configuration in force"
    );
}
