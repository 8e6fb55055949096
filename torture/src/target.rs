//! What the harness needs to know about a notification system: the adapters.
//!
//! An adapter describes; processes, faults, load and accounts are the harness' own. To measure another
//! system implement [`Target`] in a file of its own and add it to [`named`].

pub(crate) mod alertmanager;
pub(crate) mod controller;
pub(crate) mod fanfare;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use tokio::process::Command;

use crate::client;
use crate::destination::Role;
use crate::door::Door;
use crate::ledger::Settled;
use crate::place::Place;
use crate::process::Process;
use crate::stalls::Stalls;
use crate::stamp::Stamp;

/// How long a target may take to become ready before that is an error.
const START: Duration = Duration::from_mins(1);

/// Between two looks at a target that starts.
const LOOK: Duration = Duration::from_millis(3);

/// What a positive answer of a target promises; only broken promises are failures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    /// What was accepted survives the end of the process.
    pub(crate) is_durable: bool,
    /// Events of one object arrive at a destination in order.
    pub(crate) is_ordered: bool,
    /// The promise in one sentence, for the report.
    pub(crate) words: &'static str,
}

/// What a status means that an event was answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It is owed to every destination from now on.
    Accepted,
    /// Not now; the same event is to be sent again.
    Later,
    /// It is no event.
    Refused,
}

/// A destination as the target is told about it.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// Which.
    pub(crate) role: Role,
    /// Where.
    pub(crate) url: String,
    /// Authority to trust, in PEM.
    pub(crate) authority: Option<String>,
    /// Longest attempt.
    pub(crate) timeout: Duration,
}

/// A request with an event in it.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) path: &'static str,
    pub(crate) body: Vec<u8>,
}

/// A notification system.
pub(crate) trait Target: Send + Sync {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// Its version.
    fn version(&self) -> String;

    /// What its positive answer means.
    fn promise(&self) -> Promise;

    /// Writes a configuration that sends every event to every route.
    fn configure(&self, place: &Place, routes: &[Route]) -> anyhow::Result<()>;

    /// Tells a running process that its configuration changed; nothing where it sees that itself.
    fn reload<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, anyhow::Result<()>> {
        let _ = place;
        Box::pin(async { Ok(()) })
    }

    /// The command that starts it; it stays in the foreground.
    fn command(&self, place: &Place) -> Command;

    /// Path on [`Place::health`] that answers 200 once it is ready.
    fn ready_path(&self) -> &'static str;

    /// Whether readiness is asked for where events go, because there is one port for everything.
    fn has_one_port(&self) -> bool {
        false
    }

    /// The request for an event.
    fn request(&self, stamp: Stamp) -> Outgoing;

    /// What an answer to it means.
    fn reply(&self, status: u16) -> Reply;

    /// Everything that it gave up and why, of a running process; empty where it cannot say.
    fn settled<'a>(
        &'a self,
        place: &'a Place,
        routes: &'a [Route],
    ) -> BoxFuture<'a, anyhow::Result<Vec<Settled>>> {
        let _ = (place, routes);
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Whether a running process has nothing to do any more; `None` where it cannot say.
    fn is_idle<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Option<bool>> {
        let _ = place;
        Box::pin(async { None })
    }

    /// How long nothing may arrive, at the end of a round, before what is missing counts as lost.
    fn patience(&self) -> Duration;

    /// Longest orderly stop.
    fn longest_stop(&self) -> Duration;

    /// The same target in a cluster, with files of its own in a folder; an error where there is no such
    /// thing.
    fn in_cluster<'a>(
        &'a self,
        folder: &'a Path,
    ) -> BoxFuture<'a, anyhow::Result<Arc<dyn Target>>> {
        let _ = folder;
        Box::pin(async { anyhow::bail!("{} does not run in a cluster", self.name()) })
    }

    /// What is between it and the API server; only in a cluster.
    fn door(&self) -> Option<&Door> {
        None
    }
}

/// The target of a name.
pub(crate) fn named(name: &str, binary: Option<&Path>) -> anyhow::Result<Arc<dyn Target>> {
    Ok(match name {
        "fanfare" => Arc::new(fanfare::Fanfare::find(binary)?),
        "alertmanager" => Arc::new(alertmanager::Alertmanager::find(binary)?),
        _ => anyhow::bail!("there is no target `{name}`; there are fanfare and alertmanager"),
    })
}

/// Whether a process is ready.
pub(crate) async fn is_ready(target: &dyn Target, place: &Place) -> bool {
    client::get(place.health, target.ready_path())
        .await
        .is_ok_and(|(status, _)| status == 200)
}

/// Starts a process and waits until it is ready. One that ends instead of becoming ready is a restart
/// loop, and an error. So is another program on one of its ports, whose answers would pass for its own.
pub(crate) async fn start(
    target: &dyn Target,
    place: &Place,
    command: Command,
) -> anyhow::Result<Process> {
    place.expect_silence()?;
    let stalls = Stalls::watch();
    let mut process = Process::start(command, &place.folder.join("log"))?;
    loop {
        let is_ready = is_ready(target, place).await;
        if let Some(status) = process.ended()? {
            anyhow::bail!(
                "it does not start any more, it ends with {status}: {}",
                process.last_words()
            );
        }
        if is_ready {
            return Ok(process);
        }
        anyhow::ensure!(
            process.started().elapsed() < START + stalls.total(),
            "it was not ready after {START:?}: {}",
            process.last_words()
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// What a binary says when asked for its version; the first line.
fn version_of(binary: &Path, argument: &str) -> String {
    std::process::Command::new(binary)
        .arg(argument)
        .output()
        .ok()
        .and_then(|output| {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.lines().next().map(str::to_owned)
        })
        .unwrap_or_else(|| "unknown".to_owned())
}

/// An absolute path to a binary that is there.
fn existing(binary: &Path, hint: &str) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(binary)?;
    anyhow::ensure!(path.is_file(), "there is no {}: {hint}", path.display());
    Ok(path)
}

/// Writes a file at once, as an editor or a volume of Kubernetes does, so that nobody reads half of it.
pub(crate) fn write_whole(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    std::fs::create_dir_all(folder)?;
    let beside = folder.join(".being-written");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use testkit::{Answer, HttpSink};

    use super::*;

    #[tokio::test]
    async fn a_stranger_that_says_it_is_ready_does_not_pass_for_the_target() {
        let folder = tempfile::tempdir().unwrap();
        // It ends at once, whatever it is told.
        let target = fanfare::Fanfare::find(Some(Path::new("/bin/true"))).unwrap();
        let stranger = HttpSink::start().await;
        stranger.answer(Answer::status(200));
        let mut place = Place::make(&target, folder.path().to_owned()).unwrap();
        place.health = stranger.address();
        assert!(is_ready(&target, &place).await);
        let started = start(&target, &place, target.command(&place)).await;
        let error = started.err().unwrap().to_string();
        assert!(error.contains("used by another program"), "{error}");
    }
}
