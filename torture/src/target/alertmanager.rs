//! Prometheus Alertmanager (Debian's `prometheus-alertmanager`).
//!
//! It is configured to be as close to one notification per event as it can be: every alert is a group of
//! its own (`group_by: ['...']`), nothing waits to be grouped, nothing is sent about resolved alerts, and
//! a notification that failed is tried again after the shortest interval that is sensible. Alerts end in
//! a day, so that none resolves before it was delivered. Its chat receiver is Slack's.
//!
//! Its 200 does not say that anything is on disk: alerts are held in memory, and Prometheus sends those
//! that still fire again every minute or so. Here each is sent once, like an event.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;
use tokio::process::Command;

use super::{Outgoing, Promise, Reply, Route, Target};
use crate::client::Client;
use crate::destination::Role;
use crate::place::Place;
use crate::stamp::Stamp;

/// Names of the binary: Debian's and upstream's.
const NAMES: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

/// The adapter.
pub(crate) struct Alertmanager {
    binary: PathBuf,
}

impl Alertmanager {
    /// With the given binary, else the one in `PATH`.
    pub(crate) fn find(binary: Option<&Path>) -> anyhow::Result<Self> {
        let hint = "install it (Debian and Ubuntu: apt-get install prometheus-alertmanager), or \
                    name one with --alertmanager";
        let binary = match binary {
            Some(binary) => super::existing(binary, hint)?,
            None => in_path().with_context(|| format!("no Alertmanager found: {hint}"))?,
        };
        Ok(Self { binary })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where programs are is a matter of the machine"
)]
fn in_path() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let candidates = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// The configuration file.
fn configuration(place: &Place, routes: &[Route]) -> anyhow::Result<String> {
    let mut text = String::from(
        "global:\n  resolve_timeout: 24h\n  http_config: {follow_redirects: true}\n\
         route:\n  receiver: nobody\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 5s\n  \
         repeat_interval: 24h\n  routes:\n",
    );
    for route in routes {
        writeln!(
            text,
            "    - {{receiver: {}, continue: true}}",
            route.role.name()
        )?;
    }
    text.push_str("receivers:\n  - name: nobody\n");
    for route in routes {
        let name = route.role.name();
        let http = if route.authority.is_some() {
            let file = authority_file(place, name).display().to_string();
            json!({"tls_config": {"ca_file": file}})
        } else {
            json!({})
        };
        let (kind, settings) = if route.role == Role::Chat {
            let settings = json!({
                "api_url": route.url,
                "channel": "#alerts",
                "text": "{{ .CommonLabels.stamp }}",
                "title": "",
                "send_resolved": false,
            });
            ("slack_configs", settings)
        } else {
            let settings = json!({
                "url": route.url, "send_resolved": false, "http_config": http,
            });
            ("webhook_configs", settings)
        };
        writeln!(text, "  - name: {name}\n    {kind}: [{settings}]")?;
    }
    Ok(text)
}

fn authority_file(place: &Place, name: &str) -> PathBuf {
    place.configuration().join(format!("{name}-ca.crt"))
}

fn configuration_file(place: &Place) -> PathBuf {
    place.configuration().join("alertmanager.yml")
}

impl Target for Alertmanager {
    fn name(&self) -> &'static str {
        "alertmanager"
    }

    fn version(&self) -> String {
        super::version_of(&self.binary, "--version")
    }

    fn promise(&self) -> Promise {
        Promise {
            is_durable: false,
            is_ordered: false,
            words: "200: the alert is in memory; whoever sent it has to send it again while it fires",
        }
    }

    fn configure(&self, place: &Place, routes: &[Route]) -> anyhow::Result<()> {
        for route in routes {
            if let Some(authority) = &route.authority {
                super::write_whole(&authority_file(place, route.role.name()), authority)?;
            }
        }
        super::write_whole(&configuration_file(place), &configuration(place, routes)?)
    }

    fn reload<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let mut client = Client::connect(place.events).await?;
            let (status, _) = client.send("POST", "/-/reload", Bytes::new()).await?;
            anyhow::ensure!(status == 200, "/-/reload answered {status}");
            Ok(())
        })
    }

    fn command(&self, place: &Place) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg(format!(
                "--config.file={}",
                configuration_file(place).display()
            ))
            .arg(format!("--storage.path={}", place.data().display()))
            .arg(format!("--web.listen-address={}", place.events))
            // Alone: no cluster.
            .arg("--cluster.listen-address=");
        command
    }

    fn ready_path(&self) -> &'static str {
        "/-/ready"
    }

    fn has_one_port(&self) -> bool {
        true
    }

    fn request(&self, stamp: Stamp) -> Outgoing {
        let alert = json!([{
            "labels": {
                "alertname": "Applied",
                "object": format!("lane-{:03}", stamp.lane),
                "stamp": stamp.to_string(),
            },
            "endsAt": "2999-01-01T00:00:00Z",
        }]);
        Outgoing {
            path: "/api/v2/alerts",
            body: alert.to_string().into_bytes(),
        }
    }

    fn reply(&self, status: u16) -> Reply {
        match status {
            200 => Reply::Accepted,
            429 | 500..=599 => Reply::Later,
            _ => Reply::Refused,
        }
    }

    fn patience(&self) -> Duration {
        // Several intervals after which it tries again.
        Duration::from_secs(30)
    }

    fn longest_stop(&self) -> Duration {
        Duration::from_secs(20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_a_receiver_that_gets_everything() {
        let place = Place::claim(PathBuf::from("/place"), true).unwrap();
        let route = |role, authority: Option<&str>| Route {
            role,
            url: format!("https://127.0.0.1:1/{}", Role::name(role)),
            authority: authority.map(str::to_owned),
            timeout: Duration::from_secs(2),
        };
        let routes = [
            route(Role::Steady, None),
            route(Role::Chat, None),
            route(Role::Secure, Some("PEM")),
        ];
        let text = configuration(&place, &routes).unwrap();
        assert_eq!(text.matches("continue: true").count(), 3);
        assert_eq!(text.matches("webhook_configs").count(), 2);
        assert_eq!(text.matches("slack_configs").count(), 1);
        assert!(text.contains("/place/config/secure-ca.crt"));
    }
}
