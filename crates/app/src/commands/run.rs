//! `fanfare run`: the standalone mode.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use delivery::Engine;
use prometheus_client::registry::Registry;
use receivers::Hooks;
use server::{Admin, Control, Events, EventsSettings, HookPort, Listener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::compose::standalone::{self, Standalone};
use crate::lifecycle::{self, Signals};
use crate::runtime::{self, SystemClock};
use crate::settings::RunArguments;
use crate::telemetry;

use super::version::VERSION;

pub(super) fn execute(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    telemetry::start(arguments.log)?;
    runtime::raise_descriptor_limit();
    let runtime = runtime::full()?;
    let code = runtime.block_on(serve(arguments));
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
    async fn bind(arguments: &RunArguments) -> anyhow::Result<Self> {
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

    fn announce(&self, arguments: &RunArguments) {
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
            config = %arguments.configuration.config.display(),
            data = %arguments.data_dir.display(),
            "fanfare is ready"
        );
    }
}

async fn serve(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let ports = Ports::bind(&arguments).await?;
    let mut registry = Registry::default();
    let Standalone {
        engine,
        reload,
        hooks,
    } = standalone::start(&arguments, &mut registry).await?;
    let events = Arc::new(Events::new(
        engine.intake().clone(),
        EventsSettings {
            export_path_metrics: arguments.export_http_path_metrics,
        },
        &mut registry,
    ));
    let webhooks = HookPort::new(hooks.clone(), runtime::random_bytes(), &mut registry);
    let registry = Arc::new(Mutex::new(registry));
    let is_ready = Arc::new(AtomicBool::new(true));
    let control = standalone::control_socket(&arguments.data_dir)?;
    ports.announce(&arguments);

    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    let grace = lifecycle::REQUEST_GRACE;
    tasks.spawn(ports.events.serve(events, shutdown.clone(), grace));
    tasks.spawn(
        ports
            .webhooks
            .serve(Arc::new(webhooks), shutdown.clone(), grace),
    );
    let stop_trying = shutdown.clone().cancelled_owned();
    tasks.spawn(hooks.clone().try_kept_calls(stop_trying));
    let probes = Arc::new(Admin::probes(engine.handle(), is_ready.clone()));
    tasks.spawn(ports.health.serve(probes, shutdown.clone(), grace));
    if let Some(listener) = ports.metrics {
        let metrics = Arc::new(Admin::metrics(engine.handle(), registry));
        tasks.spawn(listener.serve(metrics, shutdown.clone(), grace));
    }
    let commands = Arc::new(Control::new(engine.handle(), Arc::new(SystemClock)));
    tasks.spawn(Listener::unix(control).serve(commands, shutdown.clone(), grace));
    tasks.spawn(reload.run(engine.handle(), shutdown.clone()));
    tasks.close();

    signals.received().await;
    tracing::info!(
        logger = "setup",
        "stopping: no new events, running attempts may end"
    );
    is_ready.store(false, Ordering::Relaxed);
    shutdown.cancel();
    tokio::select! {
        () = stop(engine, hooks, tasks, &arguments) => {
            tracing::info!(logger = "setup", "stopped");
            Ok(ExitCode::SUCCESS)
        }
        () = signals.received() => {
            tracing::warn!(logger = "setup", "second signal: stopping at once");
            Ok(lifecycle::aborted())
        }
    }
}

async fn stop(engine: Engine, hooks: Arc<Hooks>, tasks: TaskTracker, arguments: &RunArguments) {
    // Events that are being received are stored before the store closes.
    tasks.wait().await;
    // What ends a burst of webhooks goes out, too.
    let _ = tokio::time::timeout(lifecycle::REQUEST_GRACE, hooks.finish()).await;
    engine.stop(lifecycle::ATTEMPT_GRACE).await;
    standalone::remove_control_socket(&arguments.data_dir);
}
