//! Fanfare in a cluster: objects in a namespace of a real API server, a door in front of it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use testkit::ControlPlane;
use testkit::control_plane::{Assets, Namespace};
use tokio::process::Command;

use super::fanfare::{Fanfare, manifests};
use super::{Outgoing, Promise, Reply, Route, Target};
use crate::client;
use crate::door::Door;
use crate::ledger::Settled;
use crate::place::Place;
use crate::stamp::Stamp;

/// Definitions of our objects.
const DEFINITIONS: [&str; 3] = [
    include_str!("../../../deploy/crds/notification.toolkit.fluxcd.io_alerts.yaml"),
    include_str!("../../../deploy/crds/notification.toolkit.fluxcd.io_providers.yaml"),
    include_str!("../../../deploy/crds/notification.toolkit.fluxcd.io_receivers.yaml"),
];

/// Leader election in seconds, so that a run sees some of it.
const QUICK: [&str; 4] = [
    "--enable-leader-election",
    "--leader-election-lease-duration=4s",
    "--leader-election-renew-deadline=3s",
    "--leader-election-retry-period=500ms",
];

/// The adapter; one per round, since each has a namespace of its own.
pub(crate) struct Controller {
    fanfare: Fanfare,
    namespace: Namespace<'static>,
    door: Door,
    kubeconfig: PathBuf,
}

/// Whether there is an API server to be had; if not, how to get one.
pub(crate) fn is_possible() -> Result<(), String> {
    if environment("KUBEBUILDER_ASSETS").is_none() {
        return Err(
            "it needs an API server: set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd \
             and kubectl; `e2e/build control-plane` makes one and prints its name"
                .to_owned(),
        );
    }
    Assets::find().map(|_| ())
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is installed is a matter of the machine"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The one control plane of this program; it ends with it.
fn plane() -> anyhow::Result<&'static ControlPlane> {
    static PLANE: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
    let plane = PLANE.get_or_init(|| {
        let plane = ControlPlane::start(Assets::find()?);
        plane.apply_definitions(&DEFINITIONS.join("\n---\n"));
        Ok(plane)
    });
    plane
        .as_ref()
        .map_err(|reason| anyhow::anyhow!("no API server: {reason}"))
}

impl Controller {
    /// A namespace for a round whose files are in `folder`; starts the API server if it is the first.
    pub(crate) async fn start(fanfare: Fanfare, folder: &std::path::Path) -> anyhow::Result<Self> {
        let set_up = || anyhow::Ok((plane()?, plane()?.namespace()));
        let (plane, namespace) = tokio::task::spawn_blocking(set_up)
            .await
            .context("starting the API server")??;
        let door = Door::before(plane).await?;
        let kubeconfig = folder.join("kubeconfig");
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "torture", "cluster": {"server": door.url()}}],
            "users": [{"name": "torture", "user": {}}],
            "contexts": [{"name": "torture", "context": {"cluster": "torture", "user": "torture"}}],
            "current-context": "torture",
        });
        std::fs::write(&kubeconfig, config.to_string())?;
        Ok(Self {
            fanfare,
            namespace,
            door,
            kubeconfig,
        })
    }
}

/// Whether the process of a place says that it leads.
pub(crate) async fn is_leader(place: &Place) -> bool {
    let [_, metrics] = place.other;
    let Ok((200, page)) = client::get(metrics, "/metrics").await else {
        return false;
    };
    String::from_utf8_lossy(&page)
        .lines()
        .any(|line| line.starts_with("leader_election_master_status{") && line.ends_with("} 1"))
}

impl Target for Controller {
    fn name(&self) -> &'static str {
        self.fanfare.name()
    }

    fn version(&self) -> String {
        self.fanfare.version()
    }

    fn promise(&self) -> Promise {
        self.fanfare.promise()
    }

    fn configure(&self, _: &Place, routes: &[Route]) -> anyhow::Result<()> {
        let documents: Vec<String> = routes
            .iter()
            .flat_map(|route| manifests(route, self.namespace.name()))
            .map(|manifest| format!("---\n{manifest}\n"))
            .collect();
        tokio::task::block_in_place(|| self.namespace.apply(&documents.concat()));
        Ok(())
    }

    fn command(&self, place: &Place) -> Command {
        let mut command = self.fanfare.run();
        command
            .arg("controller")
            .arg("--watch-all-namespaces=false")
            .arg("--egress-allow=127.0.0.0/8")
            .args(QUICK)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("RUNTIME_NAMESPACE", self.namespace.name());
        Fanfare::place(&mut command, place);
        command
    }

    fn ready_path(&self) -> &'static str {
        self.fanfare.ready_path()
    }

    fn request(&self, stamp: Stamp) -> Outgoing {
        self.fanfare.request(stamp)
    }

    fn reply(&self, status: u16) -> Reply {
        self.fanfare.reply(status)
    }

    fn settled<'a>(
        &'a self,
        place: &'a Place,
        routes: &'a [Route],
    ) -> BoxFuture<'a, anyhow::Result<Vec<Settled>>> {
        self.fanfare.settled(place, routes)
    }

    fn is_idle<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Option<bool>> {
        self.fanfare.is_idle(place)
    }

    fn patience(&self) -> Duration {
        self.fanfare.patience()
    }

    fn longest_stop(&self) -> Duration {
        self.fanfare.longest_stop()
    }

    fn door(&self) -> Option<&Door> {
        Some(&self.door)
    }
}
