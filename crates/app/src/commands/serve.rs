//! Serving, whatever the configuration comes from: ports, signals, an orderly stop.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use delivery::{Engine, Handle};
use domain::ports::SenderCheck;
use futures::future::BoxFuture;
use prometheus_client::registry::Registry;
use receivers::Hooks;
use server::control::ControlSocket;
use server::{Admin, CommonRoom, Control, Events, EventsSettings, HookPort, Listener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::descriptors::{self, Shares};
use crate::lifecycle::{self, Signals};
use crate::process_metrics;
use crate::runtime::{self, SystemClock};
use crate::settings::ServeArguments;

use super::version::VERSION;

/// What to serve.
pub(super) struct Plan<'a> {
    pub(super) arguments: &'a ServeArguments,
    pub(super) data_dir: &'a Path,
    /// Where configuration comes from, for the log.
    pub(super) configuration: String,
}

/// What was started.
pub(super) struct Running {
    pub(super) engine: Engine,
    /// Who may send events; anybody if there is no check.
    pub(super) senders: Option<Arc<dyn SenderCheck>>,
    /// What answers webhooks.
    pub(super) hooks: Arc<Hooks>,
    /// What else runs until the token is cancelled.
    pub(super) background: Background,
}

type Background = Box<dyn FnOnce(Handle, CancellationToken) -> BoxFuture<'static, ()> + Send>;

/// Serves until a signal comes. `start` is called when the ports are open.
pub(super) fn execute(
    plan: &Plan<'_>,
    start: impl AsyncFnOnce(&mut Registry) -> anyhow::Result<Running>,
) -> anyhow::Result<ExitCode> {
    let shares = descriptors::shares(plan.arguments.delivery_concurrency);
    let runtime = runtime::full()?;
    let code = runtime.block_on(serve(plan, shares, start));
    // Attempts that were abandoned must not hold the process up.
    runtime.shutdown_background();
    code
}

/// Ports, bound before anything else so that a mistake shows at once.
struct Ports {
    events: Listener,
    webhooks: Listener,
    health: Listener,
    metrics: Option<Listener>,
}

impl Ports {
    async fn bind(arguments: &ServeArguments) -> anyhow::Result<Self> {
        Ok(Self {
            events: Listener::bind(&arguments.events_addr)
                .await
                .context("opening the event port")?,
            webhooks: Listener::bind(&arguments.receiver_addr)
                .await
                .context("opening the webhook port")?,
            health: Listener::bind(&arguments.health_addr)
                .await
                .context("opening the health port")?,
            metrics: match arguments.metrics_addr.as_str() {
                "0" => None,
                address => Some(
                    Listener::bind(address)
                        .await
                        .context("opening the metrics port")?,
                ),
            },
        })
    }

    fn announce(&self, plan: &Plan<'_>) {
        let address = |listener: &Listener| {
            listener
                .local_address()
                .map(|address| address.to_string())
                .unwrap_or_default()
        };
        tracing::info!(
            logger = "setup",
            version = VERSION,
            events = address(&self.events),
            webhooks = address(&self.webhooks),
            health = address(&self.health),
            metrics = self.metrics.as_ref().map(address).unwrap_or_default(),
            config = plan.configuration,
            data = %plan.data_dir.display(),
            "fanfare is ready"
        );
    }
}

async fn serve(
    plan: &Plan<'_>,
    shares: Shares,
    start: impl AsyncFnOnce(&mut Registry) -> anyhow::Result<Running>,
) -> anyhow::Result<ExitCode> {
    let arguments = plan.arguments;
    let mut signals = Signals::listen()?;
    let ports = Ports::bind(arguments).await?;
    let mut registry = Registry::default();
    process_metrics::register(&mut registry);
    let Running {
        engine,
        senders,
        hooks,
        background,
    } = start(&mut registry).await?;
    let events = Events::new(
        engine.intake().clone(),
        EventsSettings {
            export_path_metrics: arguments.export_http_path_metrics,
        },
        &mut registry,
    );
    let events = Arc::new(match senders {
        Some(senders) => events.only_from(senders),
        None => events,
    });
    let webhooks = HookPort::new(hooks.clone(), runtime::random_bytes(), &mut registry);
    let registry = Arc::new(Mutex::new(registry));
    let is_ready = Arc::new(AtomicBool::new(true));
    let socket = ControlSocket::of(plan.data_dir);
    let control = socket
        .bind()
        .with_context(|| format!("opening the control socket `{socket}`"))?;
    ports.announce(plan);

    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    let grace = lifecycle::REQUEST_GRACE;
    let common = CommonRoom::new(shares.common);
    let listener = ports.events.within(common.with(shares.events));
    tasks.spawn(listener.serve(events, shutdown.clone(), grace));
    let listener = ports.webhooks.within(common.with(shares.webhooks));
    tasks.spawn(listener.serve(Arc::new(webhooks), shutdown.clone(), grace));
    let stop_trying = shutdown.clone().cancelled_owned();
    tasks.spawn(hooks.clone().try_kept_calls(stop_trying));
    let probes = Arc::new(Admin::probes(
        engine.handle(),
        is_ready.clone(),
        hooks.clone(),
    ));
    let listener = ports.health.within(common.with(shares.health));
    tasks.spawn(listener.serve(probes, shutdown.clone(), grace));
    if let Some(listener) = ports.metrics {
        let listener = listener.within(common.with(shares.metrics));
        let metrics = Arc::new(Admin::metrics(engine.handle(), registry));
        tasks.spawn(listener.serve(metrics, shutdown.clone(), grace));
    }
    let commands = Arc::new(Control::new(engine.handle(), Arc::new(SystemClock)));
    let listener = Listener::unix(control).within(common.with(shares.control));
    tasks.spawn(listener.serve(commands, shutdown.clone(), grace));
    tasks.spawn(background(engine.handle(), shutdown.clone()));
    tasks.close();

    signals.received().await;
    tracing::info!(
        logger = "setup",
        "stopping: no new events, running attempts may end"
    );
    is_ready.store(false, Ordering::Relaxed);
    shutdown.cancel();
    tokio::select! {
        () = stop(engine, hooks, tasks, plan.data_dir) => {
            tracing::info!(logger = "setup", "stopped");
            Ok(ExitCode::SUCCESS)
        }
        () = signals.received() => {
            tracing::warn!(logger = "setup", "second signal: stopping at once");
            Ok(lifecycle::aborted())
        }
    }
}

async fn stop(engine: Engine, hooks: Arc<Hooks>, tasks: TaskTracker, data_dir: &Path) {
    // Events that are being received are stored before the store closes.
    tasks.wait().await;
    // What ends a burst of webhooks goes out, too.
    let _ = tokio::time::timeout(lifecycle::REQUEST_GRACE, hooks.finish()).await;
    engine.stop(lifecycle::ATTEMPT_GRACE).await;
    ControlSocket::of(data_dir).remove();
}
