//! Builds the object graph; the only place that names concrete types.

pub(crate) mod cluster;
pub(crate) mod on_reconcile;
pub(crate) mod standalone;
pub(crate) mod webhooks;

mod api_metrics;
mod identities;
mod memory;
mod replicas;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use delivery::store::Retention;
use delivery::store::open::{QueueLimit, StoreSettings, open};
use delivery::{Engine, Limits, Ports, Settings, Store, StoreMemory};
use domain::Catalog;
use domain::delivery::retry::Policy;
use domain::plan::Rules;
use domain::ports::{NoticeSink, ObjectReader, SecretReader};
use http::HeaderValue;
use outbound::{Client, ClientSettings, EgressPolicy};
use prometheus_client::registry::Registry;
use providers::{Courier, CourierSettings, Identities};
use tokio::sync::watch;

use crate::runtime::{SystemClock, SystemRandom};
use crate::settings::{self, ServeArguments};

use memory::MemoryWhileAlone;

/// How long a start waits for another process to let go of the data directory; a little more than a
/// stop takes.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Notifiers that are kept.
const MOST_NOTIFIERS: usize = 1000;

/// Where an engine gets its configuration from, and what goes with that.
pub(crate) struct Sources {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) configured: watch::Receiver<bool>,
    pub(crate) secrets: Arc<dyn SecretReader>,
    pub(crate) objects: Arc<dyn ObjectReader>,
    pub(crate) notices: Option<Arc<dyn NoticeSink>>,
    /// Whether Providers may not send to this machine itself.
    pub(crate) refuse_loopback: bool,
    /// Whether this process is known to be the only one that delivers.
    pub(crate) is_alone: watch::Receiver<bool>,
    /// Who this process is in clouds.
    pub(crate) identities: Identities,
}

/// A running engine, and what others may use of it.
pub(crate) struct Started {
    pub(crate) engine: Engine,
    /// What makes its attempts.
    pub(crate) courier: Arc<Courier>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) transport: Arc<Client>,
}

/// Opens the store and starts the engine.
pub(crate) async fn engine(
    arguments: &ServeArguments,
    data_dir: &Path,
    sources: Sources,
    registry: &mut Registry,
) -> anyhow::Result<Started> {
    let clock = Arc::new(SystemClock);
    let store = open(StoreSettings {
        directory: data_dir.to_owned(),
        queue_limit: QueueLimit {
            deliveries: arguments.queue_limit,
            bytes: arguments.queue_size_limit,
        },
        lock_wait: LOCK_WAIT,
    })?;
    let egress = EgressPolicy {
        allow: arguments.egress.egress_allow.clone(),
        deny: arguments.egress.egress_deny.clone(),
        refuse_loopback: sources.refuse_loopback,
    };
    let client = Arc::new(client(egress, registry)?);
    let courier = Arc::new(Courier::new(CourierSettings {
        catalog: sources.catalog.clone(),
        secrets: sources.secrets,
        transport: client.clone(),
        streams: client.clone(),
        memory: Arc::new(MemoryWhileAlone {
            memory: StoreMemory(store.clone()),
            is_alone: sources.is_alone,
        }),
        clock: clock.clone(),
        max_tokens: arguments.tokens.most(),
        longest_token_life: arguments.tokens.longest_life(),
        identities: sources.identities,
        max_notifiers: MOST_NOTIFIERS,
    }));
    let ports = Ports {
        store: store.clone(),
        catalog: sources.catalog,
        configured: sources.configured,
        courier: courier.clone(),
        objects: sources.objects,
        clock,
        random: Arc::new(SystemRandom),
        notices: sources.notices,
    };
    let engine = Engine::start(engine_settings(arguments), ports, registry)
        .await
        .context("starting the engine")?;
    Ok(Started {
        engine,
        courier,
        store,
        transport: client,
    })
}

fn engine_settings(arguments: &ServeArguments) -> Settings {
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

/// Idle connections that are kept per destination: as many as a Provider usually has attempts at once,
/// so that a busy one need not open any.
const MOST_IDLE: usize = 64;

/// How we introduce ourselves.
const AGENT: &str = concat!("fanfare/", env!("CARGO_PKG_VERSION"));

/// The way out.
pub(crate) fn client(egress: EgressPolicy, registry: &mut Registry) -> anyhow::Result<Client> {
    let settings = ClientSettings {
        egress,
        environment: settings::proxy_environment()
            .map_err(anyhow::Error::msg)
            .context("reading the proxy settings of the environment")?,
        max_idle_per_host: MOST_IDLE,
        ..ClientSettings::new(HeaderValue::from_static(AGENT))
    };
    Ok(Client::new(settings, registry))
}
