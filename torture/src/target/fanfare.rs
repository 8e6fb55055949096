//! Fanfare, standalone: manifests in a folder, its own queue for what it gave up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::process::Command;

use super::controller::Controller;
use super::{Outgoing, Promise, Reply, Route, Target};
use crate::client::Client;
use crate::destination::Role;
use crate::ledger::Settled;
use crate::place::Place;
use crate::stamp::Stamp;

/// Namespace of all objects that send events, and of the others where there is no cluster.
pub(crate) const NAMESPACE: &str = "apps";

const API_VERSION: &str = "notification.toolkit.fluxcd.io/v1beta3";

/// Deliveries asked for at once.
const PAGE: usize = 10_000;

/// The adapter.
#[derive(Clone)]
pub(crate) struct Fanfare {
    binary: PathBuf,
}

impl Fanfare {
    /// With the given binary, else the one that `cargo build -p app` makes.
    pub(crate) fn find(binary: Option<&Path>) -> anyhow::Result<Self> {
        let binary = match binary {
            Some(binary) => binary.to_owned(),
            None => built_binary()?,
        };
        let hint = "build it with `cargo build -p app`, or name one with --fanfare";
        Ok(Self {
            binary: super::existing(&binary, hint)?,
        })
    }

    /// A command of the binary.
    pub(crate) fn run(&self) -> Command {
        Command::new(&self.binary)
    }

    /// Adds where it stores and listens.
    pub(crate) fn place(command: &mut Command, place: &Place) {
        let [webhooks, metrics] = place.other;
        command
            .arg("--data-dir")
            .arg(place.data())
            .arg(format!("--events-addr={}", place.events))
            .arg(format!("--health-addr={}", place.health))
            .arg(format!("--receiverAddr={webhooks}"))
            .arg(format!("--metrics-addr={metrics}"));
    }
}

/// The binary beside this program, which is where cargo puts both.
fn built_binary() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("looking for this program")?;
    // Tests are one folder deeper.
    let mut folders = this.ancestors().skip(1).take(2);
    folders
        .clone()
        .map(|folder| folder.join("fanfare"))
        .find(|path| path.is_file())
        .or_else(|| folders.next().map(|folder| folder.join("fanfare")))
        .context("this program is in no folder")
}

/// A manifest; JSON is YAML.
pub(crate) fn manifest(kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

/// Manifests of a destination: a Provider, an Alert that takes every event, and the CA if there is one.
pub(crate) fn manifests(route: &Route, namespace: &str) -> Vec<Value> {
    let name = route.role.name();
    let mut provider = json!({
        "type": if route.role == Role::Chat { "slack" } else { "generic" },
        "address": route.url,
        "timeout": format!("{}ms", route.timeout.as_millis()),
    });
    let mut manifests = Vec::new();
    if let Some(authority) = &route.authority
        && let Some(fields) = provider.as_object_mut()
    {
        let secret = format!("{name}-ca");
        fields.insert("certSecretRef".to_owned(), json!({"name": secret}));
        manifests.push(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret, "namespace": namespace},
            "stringData": {"ca.crt": authority},
        }));
    }
    manifests.push(manifest("Provider", namespace, name, &provider));
    let alert = json!({
        "providerRef": {"name": name},
        "eventSeverity": "info",
        "eventSources": [{"kind": "Kustomization", "name": "*", "namespace": NAMESPACE}],
    });
    manifests.push(manifest("Alert", namespace, name, &alert));
    manifests
}

/// The event of a stamp.
pub(crate) fn event(stamp: Stamp) -> Value {
    json!({
        "involvedObject": {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "namespace": NAMESPACE,
            "name": format!("lane-{:03}", stamp.lane),
        },
        "severity": "info",
        "timestamp": "2026-08-07T16:01:35Z",
        "message": format!("{stamp} applied"),
        "reason": "ReconciliationSucceeded",
        "reportingController": "kustomize-controller",
    })
}

impl Target for Fanfare {
    fn name(&self) -> &'static str {
        "fanfare"
    }

    fn version(&self) -> String {
        super::version_of(&self.binary, "version")
    }

    fn promise(&self) -> Promise {
        Promise {
            is_durable: true,
            is_ordered: true,
            words: "202: the event is on disk; it is delivered at least once, in order per object, \
                    or settled with a reason",
        }
    }

    fn configure(&self, place: &Place, routes: &[Route]) -> anyhow::Result<()> {
        for route in routes {
            let documents: Vec<String> = manifests(route, NAMESPACE)
                .iter()
                .map(|manifest| format!("---\n{manifest}\n"))
                .collect();
            let file = format!("{}.yaml", route.role.name());
            super::write_whole(&place.configuration().join(file), &documents.concat())?;
        }
        Ok(())
    }

    fn command(&self, place: &Place) -> Command {
        let mut command = self.run();
        command
            .arg("run")
            .arg("--config")
            .arg(place.configuration());
        Self::place(&mut command, place);
        command
    }

    fn ready_path(&self) -> &'static str {
        "/readyz"
    }

    fn request(&self, stamp: Stamp) -> Outgoing {
        Outgoing {
            path: "/",
            body: event(stamp).to_string().into_bytes(),
        }
    }

    fn reply(&self, status: u16) -> Reply {
        match status {
            // 429: this very event was accepted before, which is what a sender hears that did not get
            // the first answer.
            202 | 429 => Reply::Accepted,
            503 => Reply::Later,
            _ => Reply::Refused,
        }
    }

    fn settled<'a>(
        &'a self,
        place: &'a Place,
        routes: &'a [Route],
    ) -> BoxFuture<'a, anyhow::Result<Vec<Settled>>> {
        Box::pin(async move {
            let mut settled = Vec::new();
            let mut before = Value::Null;
            loop {
                let states = json!(["failed", "expired", "superseded", "dropped"]);
                let command = json!({"list": {
                    "selection": {"states": states}, "before": before, "limit": PAGE,
                }});
                let reply = ask(place, &command).await?;
                let page = reply.get("list").and_then(Value::as_array);
                let page = page.with_context(|| format!("no list of deliveries: {reply}"))?;
                settled.extend(page.iter().filter_map(|view| settled_from(view, routes)));
                match page.last().and_then(|view| view.get("id")) {
                    Some(id) if page.len() == PAGE => before = id.clone(),
                    _ => return Ok(settled),
                }
            }
        })
    }

    fn is_idle<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async move {
            let reply = ask(place, &json!("summary")).await.ok()?;
            let backlog = reply.get("summary")?.get("backlog")?;
            let count = |name: &str| backlog.get(name).and_then(Value::as_u64);
            Some(count("unplanned")? + count("live")? == 0)
        })
    }

    fn patience(&self) -> Duration {
        // A destination that is down is tried again after a minute and a bit, at the latest.
        Duration::from_secs(100)
    }

    fn longest_stop(&self) -> Duration {
        // Eight by its own word, and two for a machine that is busy.
        Duration::from_secs(10)
    }

    fn in_cluster<'a>(
        &'a self,
        folder: &'a Path,
    ) -> BoxFuture<'a, anyhow::Result<Arc<dyn Target>>> {
        Box::pin(async move {
            let controller = Controller::start(self.clone(), folder).await?;
            Ok(Arc::new(controller) as Arc<dyn Target>)
        })
    }
}

/// Asks a running process through its control socket, as `fanfare queue` does.
pub(crate) async fn ask(place: &Place, command: &Value) -> anyhow::Result<Value> {
    let socket = place.data().join("control.sock");
    let mut client = Client::connect_unix(&socket).await?;
    let body = Bytes::from(command.to_string());
    let (_, reply) = client.send("POST", "/", body).await?;
    serde_json::from_slice(&reply).context("reading what the control socket says")
}

fn settled_from(view: &Value, routes: &[Route]) -> Option<Settled> {
    let provider = view.get("provider")?.get("name")?.as_str()?;
    let stamp = Stamp::find_all(view.get("message")?.as_str()?.as_bytes());
    let state = view.get("state")?.as_str()?;
    let class = view.get("last").and_then(|last| last.get("class"));
    Some(Settled {
        destination: routes
            .iter()
            .position(|route| route.role.name() == provider)?,
        stamp: *stamp.first()?,
        disposition: match class.and_then(Value::as_str) {
            Some(class) => format!("{state}: {class}"),
            None => state.to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(role: Role) -> Route {
        Route {
            role,
            url: "http://127.0.0.1:1/hook".to_owned(),
            authority: None,
            timeout: Duration::from_secs(2),
        }
    }

    #[test]
    fn a_settled_delivery_names_destination_event_and_disposition() {
        let routes = [route(Role::Steady), route(Role::Chat)];
        let stamp = Stamp { lane: 1, number: 2 };
        let view = json!({
            "provider": {"namespace": "apps", "name": "chat"},
            "state": "failed",
            "message": format!("{stamp} applied"),
            "last": {"class": "rejected"},
        });
        let expected = Settled {
            destination: 1,
            stamp,
            disposition: "failed: rejected".to_owned(),
        };
        assert_eq!(settled_from(&view, &routes), Some(expected));
        assert_eq!(settled_from(&view, &routes[..1]), None);
    }

    #[test]
    fn the_event_shows_its_stamp_and_a_secure_route_its_authority() {
        let stamp = Stamp { lane: 1, number: 2 };
        let body = event(stamp).to_string();
        assert_eq!(Stamp::find_all(body.as_bytes()), [stamp]);
        let mut secure = route(Role::Secure);
        secure.authority = Some("PEM".to_owned());
        let manifests = manifests(&secure, NAMESPACE);
        assert_eq!(manifests[0]["stringData"]["ca.crt"], "PEM");
        assert_eq!(manifests[1]["spec"]["certSecretRef"]["name"], "secure-ca");
        assert_eq!(manifests[2]["spec"]["providerRef"]["name"], "secure");
    }
}
