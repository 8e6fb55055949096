//! A process of the target: started, signalled, watched.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// A running process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pid: u32,
    started: Instant,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it says is added to the log.
    pub(crate) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env_remove(variable);
        }
        let started = Instant::now();
        let child = command.spawn().context("starting the target")?;
        let pid = child.id().context("the target ended at once")?;
        Ok(Self {
            child,
            pid,
            started,
            log: log.to_owned(),
        })
    }

    /// When it was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("killing the target")
    }

    /// SIGTERM; waits for its end. It is killed, and that is an error, when that takes too long.
    pub(crate) async fn terminate(&mut self, longest: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        if let Ok(status) = tokio::time::timeout(longest, self.child.wait()).await {
            return Ok(status?);
        }
        self.kill().await?;
        anyhow::bail!("it did not stop within {longest:?} of SIGTERM");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process has a number")?, signal).context("sending a signal")
    }

    /// Bytes of it in memory now.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.pid);
        let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        resident(&status).with_context(|| format!("no VmRSS in {path}"))
    }

    /// The last lines that it said.
    pub(crate) fn last_words(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let mut lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.reverse();
        lines.join(" / ")
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read() {
        assert_eq!(resident("VmHWM:\t 9 kB\nVmRSS:\t     7 kB\n"), Some(7168));
        assert_eq!(resident("Name: x\n"), None);
    }

    #[tokio::test]
    async fn a_process_that_ended_is_noticed_and_its_last_words_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo goodbye; exit 3"]);
        let mut process = Process::start(command, &log).unwrap();
        let status = process.child.wait().await.unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(process.ended().unwrap().is_some());
        assert_eq!(process.last_words(), "goodbye");
    }

    #[tokio::test]
    async fn a_process_that_ignores_sigterm_is_killed_and_that_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"]);
        let mut process = Process::start(command, &folder.path().join("log")).unwrap();
        while process.last_words() != "up" {
            tokio::task::yield_now().await;
        }
        let error = process.terminate(Duration::from_millis(50)).await;
        assert!(error.unwrap_err().to_string().contains("did not stop"));
        assert!(process.ended().unwrap().is_some());
    }
}
