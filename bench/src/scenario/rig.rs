//! A running product with its configuration, its data and its destination.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::manifests::{self, Alerts, Destination};
use crate::product::{Product, Startup};
use crate::sink::Sink;

use super::Laboratory;

/// How long a Provider waits for an answer by default.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);

/// Product, destination and folder; the folder is removed by [`Rig::end`] only, so that the logs of
/// a scenario that failed stay.
pub(crate) struct Rig {
    pub(crate) product: Product,
    pub(crate) sink: Sink,
    /// How long the start took.
    pub(crate) startup: Startup,
    folder: PathBuf,
    arguments: Vec<String>,
}

impl Rig {
    /// Starts the product on an empty data directory, with one Provider for the sink.
    pub(crate) async fn start(
        laboratory: &Laboratory,
        name: &str,
        sink: Sink,
        alerts: Alerts,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        Self::configured(laboratory, name, sink, &[], |folder, sink| {
            manifests::write(folder, &destination(sink, timeout), alerts)
        })
        .await
    }

    /// Starts the product on an empty data directory, with further arguments and with what
    /// `configure` writes into its folder.
    pub(crate) async fn configured(
        laboratory: &Laboratory,
        name: &str,
        sink: Sink,
        arguments: &[&str],
        configure: impl FnOnce(&Path, &Sink) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let folder = laboratory.work.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("emptying {}", folder.display()))?;
        }
        configure(&folder.join("config"), &sink)?;
        let further = arguments.iter().map(|argument| (*argument).to_owned());
        let arguments: Vec<String> = further.chain(laboratory.arguments.clone()).collect();
        let (product, startup) = launch(laboratory, &folder, &arguments, 0).await?;
        Ok(Self {
            product,
            sink,
            startup,
            folder,
            arguments,
        })
    }

    /// Kills the product and starts it again on the same data; `probe` is the number of an event
    /// that was not sent before.
    pub(crate) async fn kill_and_start(
        self,
        laboratory: &Laboratory,
        probe: u64,
    ) -> anyhow::Result<Self> {
        self.product.process.kill().await?;
        let (product, startup) = launch(laboratory, &self.folder, &self.arguments, probe).await?;
        Ok(Self {
            product,
            startup,
            ..self
        })
    }

    /// Waits until all accepted events are planned, as far as the product tells.
    pub(crate) async fn planned(&self, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            match self.product.metric("fanfare_journal_unplanned").await? {
                Some(unplanned) if unplanned > 0.0 => {}
                _ => break,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Kills the product and removes its folder.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.product.process.kill().await?;
        std::fs::remove_dir_all(&self.folder)
            .with_context(|| format!("removing {}", self.folder.display()))
    }
}

/// A sink as a destination.
pub(crate) fn destination(sink: &Sink, timeout: Duration) -> Destination<'_> {
    Destination {
        url: sink.url(),
        authority: sink.authority(),
        timeout,
    }
}

async fn launch(
    laboratory: &Laboratory,
    folder: &Path,
    arguments: &[String],
    probe: u64,
) -> anyhow::Result<(Product, Startup)> {
    let data = folder.join("data");
    std::fs::create_dir_all(&data)?;
    let config = folder.join("config");
    let (wrapper, binary) = (&laboratory.wrapper, &laboratory.fanfare);
    let mut product = Product::start(wrapper, binary, &config, &data, arguments)?;
    let startup = product.started(probe).await?;
    Ok((product, startup))
}
