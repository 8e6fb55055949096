//! A server process under measurement: started, watched, killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::process::{Child, Command};

use crate::process;

/// How long a process that was asked to end may take.
const END: Duration = Duration::from_secs(30);

/// A running process; killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// Its number.
    pub(crate) pid: u32,
    /// When it was started.
    pub(crate) started: Instant,
    log: PathBuf,
}

impl Running {
    /// Starts it; what it says goes to the end of `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", command.as_std().get_program().display()))?;
        let pid = child.id().context("the process ended at once")?;
        Ok(Self {
            child,
            pid,
            started,
            log: log.to_owned(),
        })
    }

    /// Waits for something that comes true while the process runs; an error if it ends before.
    pub(crate) async fn until<T>(&mut self, waiting: impl Future<Output = T>) -> anyhow::Result<T> {
        tokio::select! {
            come = waiting => Ok(come),
            status = self.child.wait() => {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let lines: Vec<&str> = log.lines().rev().take(5).collect();
                anyhow::bail!("the process ended with {}: {}", status?, lines.join(" / "));
            }
        }
    }

    /// Memory now.
    pub(crate) fn memory(&self) -> anyhow::Result<process::Memory> {
        process::memory(self.pid)
    }

    /// Processor time so far.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        process::processor_time(self.pid)
    }

    /// Kills it as a power cut would, and waits for its end.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.start_kill()?;
        tokio::time::timeout(END, self.child.wait())
            .await
            .context("a killed process does not end")??;
        Ok(())
    }
}
