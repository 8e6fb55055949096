//! Builds the `fanfare` binary, runs it, and stops it again.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::tree;

/// How long a start may take.
const LONGEST_START: Duration = Duration::from_secs(30);

/// How long a stop may take; `fanfare` itself promises 8 s.
const LONGEST_STOP: Duration = Duration::from_secs(10);

/// The binary.
pub(crate) struct Fanfare {
    path: PathBuf,
}

impl Fanfare {
    /// Builds it; cargo shows its progress.
    pub(crate) fn build() -> Result<Self> {
        let status = Command::new("cargo")
            .args(["build", "--package", "app"])
            .current_dir(tree::root())
            .status()
            .context("running cargo build")?;
        if !status.success() {
            bail!("building fanfare failed");
        }
        let name = format!("fanfare{}", std::env::consts::EXE_SUFFIX);
        Ok(Self {
            path: target_folder()?.join("debug").join(name),
        })
    }

    /// Runs a command to its end.
    pub(crate) fn output(&self, arguments: &[&str]) -> Result<Output> {
        // Neither a terminal's width nor somebody's settings may show in the output.
        let mut command = Command::new(&self.path);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FANFARE_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("running {}", self.path.display()))
    }

    /// Runs a command that has to succeed and gives what it prints.
    pub(crate) fn text(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(arguments)?;
        if !output.status.success() {
            bail!(
                "fanfare {} failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        String::from_utf8(output.stdout).context("fanfare printed something that is not UTF-8")
    }

    /// Starts `fanfare run` and waits until it is ready. Its log goes to a file in `data`.
    pub(crate) fn start(&self, config: &Path, data: &Path) -> Result<Running> {
        let events = address(9090)?;
        let metrics = address(8080)?;
        let health = address(9440)?;
        std::fs::create_dir_all(data)?;
        let log = data.with_extension("log");
        let child = Command::new(&self.path)
            .arg("run")
            .arg("--config")
            .arg(config)
            .arg("--data-dir")
            .arg(data)
            .args(["--events-addr", &events.to_string()])
            .args(["--metrics-addr", &metrics.to_string()])
            .args(["--health-addr", &health.to_string()])
            .args(["--receiverAddr", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .with_context(|| format!("starting {}", self.path.display()))?;
        let mut running = Running {
            child,
            events,
            metrics,
            log,
        };
        running.wait_until_ready(health)?;
        Ok(running)
    }
}

/// A `fanfare run` that is ready; stopped when dropped.
pub(crate) struct Running {
    child: Child,
    /// Where it takes events.
    pub(crate) events: SocketAddr,
    /// Where its metrics are.
    pub(crate) metrics: SocketAddr,
    log: PathBuf,
}

impl Running {
    fn wait_until_ready(&mut self, health: SocketAddr) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < LONGEST_START {
            if let Some(status) = self.child.try_wait()? {
                bail!("fanfare run ended with {status}:\n{}", self.log());
            }
            if get(health, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "fanfare run is not ready after {LONGEST_START:?}:\n{}",
            self.log()
        );
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn stop(&mut self) {
        // As an init system would; only if that does not help, the hard way.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let started = Instant::now();
        while started.elapsed() < LONGEST_STOP {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The answer to a GET, head and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// An address with the usual port, or with another one if that is taken.
fn address(usual: u16) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, usual))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("finding a free port")?;
    Ok(listener.local_addr()?)
}

fn target_folder() -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(tree::root())
        .output()
        .context("running cargo metadata")?;
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("parsing cargo metadata")?;
    Ok(metadata.target_directory)
}

/// A folder of its own for one run, removed when dropped.
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it. The path is short, because a Unix socket in it must fit into 108 bytes.
    pub(crate) fn new(purpose: &str) -> Result<Self> {
        let name = format!("fanfare-{purpose}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path)
            .with_context(|| format!("making folder {}", path.display()))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_replaced() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(address(port).unwrap().port(), port);
    }

    #[test]
    fn a_scratch_folder_is_removed() {
        let scratch = Scratch::new("test").unwrap();
        let path = scratch.path().to_owned();
        assert!(path.is_dir());
        drop(scratch);
        assert!(!path.exists());
    }
}
