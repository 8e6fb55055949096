//! The object graph of the standalone mode: configuration from a folder, the embedded store.

use std::sync::Arc;

use anyhow::Context as _;
use delivery::{Engine, Handle};
use domain::Catalog;
use domain::ports::{Clock as _, KindDirectory};
use domain::receiver::ReceiverRules;
use prometheus_client::registry::Registry;
use providers::Directory;
use receivers::{Hooks, HooksPorts, Table};
use standalone::{Configuration, Current, Source, Timing, Watch, directory};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::on_reconcile::OnReconcile;
use super::{Sources, Started, identities, webhooks};
use crate::runtime::SystemClock;
use crate::settings::{ConfigurationArguments, RunArguments};

/// What runs.
pub(crate) struct Standalone {
    pub(crate) engine: Engine,
    pub(crate) reload: Reloading,
    pub(crate) hooks: Arc<Hooks>,
}

/// Where the arguments say configuration is.
pub(crate) fn source(arguments: &ConfigurationArguments) -> Source {
    Source {
        secrets: arguments.secrets_dir.clone(),
        ..Source::new(&arguments.config)
    }
}

/// The same, with the rules that a running process enforces.
fn source_of(arguments: &RunArguments) -> Source {
    Source {
        receivers: ReceiverRules {
            no_cross_namespace_references: arguments.serve.no_cross_namespace_refs,
        },
        ..source(&arguments.configuration)
    }
}

/// Reads the configuration, opens the store, starts the engine.
pub(crate) async fn start(
    arguments: &RunArguments,
    registry: &mut Registry,
) -> anyhow::Result<Standalone> {
    let kinds: Arc<dyn KindDirectory> = Arc::new(Directory);
    let source = source_of(arguments);
    let configuration = directory::read(&source, &*kinds);
    report(&configuration);
    let catalog = Arc::new(Catalog::new(configuration.catalog()));
    let current = Arc::new(Current::new(configuration));
    let started = super::engine(
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
    let Started {
        engine,
        store,
        transport,
        ..
    } = started;
    let table = webhooks::table(&arguments.serve.receivers);
    webhooks::update(&table, &current.configuration(), SystemClock.now());
    let intake = engine.intake().clone();
    let requester = OnReconcile::new(&arguments.on_reconcile, intake, transport.clone());
    let hook_ports = HooksPorts {
        table: table.clone(),
        resources: current.clone(),
        requester: Arc::new(requester.context("reading --on-reconcile")?),
        kept: store,
        transport,
        clock: Arc::new(SystemClock),
    };
    let hooks = webhooks::hooks(hook_ports, &arguments.serve.receivers, registry);
    let watch = Watch::new(source, kinds, current, Timing::default());
    Ok(Standalone {
        engine,
        reload: Reloading {
            watch,
            catalog,
            table,
        },
        hooks,
    })
}

/// Follows changes of the folder.
pub(crate) struct Reloading {
    watch: Watch,
    catalog: Arc<Catalog>,
    table: Arc<Table>,
}

impl Reloading {
    /// Puts each new configuration in force until told to stop.
    pub(crate) async fn run(self, engine: Handle, shutdown: CancellationToken) {
        let (catalog, table) = (self.catalog, self.table);
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
                webhooks::update(&table, &reload.configuration, SystemClock.now());
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
        receivers = counts.receivers,
        secrets = counts.secrets,
        "configuration in force"
    );
}
