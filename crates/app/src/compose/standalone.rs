//! The object graph of the standalone mode: configuration from a folder, the embedded store.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use delivery::store::Retention;
use delivery::store::open::{QueueLimit, StoreSettings, open};
use delivery::{Engine, Handle, Limits, Ports, Settings, StoreMemory};
use domain::Catalog;
use domain::delivery::retry::Policy;
use domain::plan::Rules;
use domain::ports::{Clock as _, KindDirectory};
use domain::receiver::ReceiverRules;
use outbound::EgressPolicy;
use prometheus_client::registry::Registry;
use providers::{Courier, CourierSettings, Directory};
use receivers::{Hooks, HooksPorts, Table};
use server::control;
use standalone::{Configuration, Current, Source, Timing, Watch, directory};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::on_reconcile::OnReconcile;
use super::webhooks;
use crate::runtime::{SystemClock, SystemRandom};
use crate::settings::{ConfigurationArguments, RunArguments};

/// How long a start waits for another process to let go of the data directory; a little more than a
/// stop takes.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Minted tokens that are kept, as in the reference.
const MOST_TOKENS: usize = 100;

/// Notifiers that are kept.
const MOST_NOTIFIERS: usize = 1000;

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
            no_cross_namespace_references: arguments.no_cross_namespace_refs,
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
    let clock = Arc::new(SystemClock);
    let store = open(StoreSettings {
        directory: arguments.data_dir.clone(),
        queue_limit: QueueLimit {
            deliveries: arguments.queue_limit,
            bytes: arguments.queue_size_limit,
        },
        lock_wait: LOCK_WAIT,
    })?;
    let egress = EgressPolicy {
        allow: arguments.egress.egress_allow.clone(),
        deny: arguments.egress.egress_deny.clone(),
    };
    let transport = Arc::new(super::client(egress, registry)?);
    let table = webhooks::table(&arguments.receivers);
    webhooks::update(&table, &current.configuration(), clock.now());
    let courier = Courier::new(CourierSettings {
        catalog: catalog.clone(),
        secrets: current.clone(),
        transport: transport.clone(),
        memory: Arc::new(StoreMemory(store.clone())),
        clock: clock.clone(),
        max_tokens: MOST_TOKENS,
        max_notifiers: MOST_NOTIFIERS,
    });
    let ports = Ports {
        store: store.clone(),
        catalog: catalog.clone(),
        courier: Arc::new(courier),
        objects: current.clone(),
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
    };
    let engine = Engine::start(settings(arguments), ports, registry)
        .await
        .context("starting the engine")?;
    let intake = engine.intake().clone();
    let requester = OnReconcile::new(&arguments.receivers.on_reconcile, intake, transport.clone());
    let hook_ports = HooksPorts {
        table: table.clone(),
        resources: current.clone(),
        requester: Arc::new(requester.context("reading --on-reconcile")?),
        kept: store,
        transport,
        clock,
    };
    let hooks = webhooks::hooks(hook_ports, &arguments.receivers, registry);
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

fn settings(arguments: &RunArguments) -> Settings {
    Settings {
        duplicate_interval: arguments.rate_limit_interval,
        policy: Policy {
            max_age: arguments.delivery_max_age,
            stale_after: arguments.stale_after,
        },
        retention: Retention {
            age: arguments.history,
            bytes: arguments.history_size,
        },
        limits: Limits {
            attempts: arguments.delivery_concurrency,
            attempts_per_provider: arguments.provider_concurrency,
        },
        rules: Rules {
            no_cross_namespace_references: arguments.no_cross_namespace_refs,
        },
    }
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

/// Binds the control socket in the data directory, which is locked by now; one that a killed process
/// left behind is replaced.
pub(crate) fn control_socket(directory: &Path) -> anyhow::Result<UnixListener> {
    let path = directory.join(control::SOCKET);
    remove_control_socket(directory);
    let socket = UnixListener::bind(&path)
        .with_context(|| format!("opening the control socket `{}`", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("closing the control socket `{}` to others", path.display()))?;
    Ok(socket)
}

/// Removes the control socket.
pub(crate) fn remove_control_socket(directory: &Path) {
    // Usually there is none.
    let _ = std::fs::remove_file(directory.join(control::SOCKET));
}
