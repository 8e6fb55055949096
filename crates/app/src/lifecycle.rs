//! Start order, readiness, drain order, second-signal abort.

use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long attempts may still run after a signal. With what follows a stop takes at most 8 s; the
/// usual Deployment grants 10.
pub(crate) const ATTEMPT_GRACE: Duration = Duration::from_secs(5);

/// How long requests may still run after a signal.
pub(crate) const REQUEST_GRACE: Duration = Duration::from_secs(2);

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for either.
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The exit code of a stop that a second signal cut short.
pub(crate) fn aborted() -> ExitCode {
    ExitCode::FAILURE
}
