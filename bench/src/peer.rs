//! Alertmanager, alone on loopback, as what the product is put beside.
//!
//! It takes alerts over HTTP and tells receivers, as the product does with events. It keeps them in
//! memory only: its 200 comes before anything is on disk. What is sent carries the same message.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio::process::Command;

use crate::event::{BODY, NAMESPACE, OBJECTS, message};
use crate::product::{free_address, poll};
use crate::request::{self, NUMBER_SLOT, Requests, SOURCE_SLOT};
use crate::running::Running;

const START: Duration = Duration::from_mins(1);
const GET_READY: &[u8] = b"GET /-/ready HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// How alerts become notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// One notification for all alerts of an object.
    ByObject,
    /// One for each alert, at once: what the product does.
    None,
}

/// A running Alertmanager.
pub(crate) struct Peer {
    /// Its process.
    pub(crate) process: Running,
    /// Where alerts go.
    pub(crate) address: SocketAddr,
    /// From its start until it said that it is ready.
    pub(crate) ready: Duration,
    folder: PathBuf,
}

/// Its version, if it is there.
pub(crate) fn version(binary: &Path) -> Option<String> {
    let output = std::process::Command::new(binary)
        .arg("--version")
        .output()
        .ok()?;
    // Older ones write it to standard error.
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().next().map(str::to_owned)
}

impl Peer {
    /// Starts one on an empty folder; it tells `webhook`, or nobody.
    pub(crate) async fn start(
        binary: &Path,
        folder: &Path,
        grouping: Grouping,
        webhook: Option<&str>,
    ) -> anyhow::Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let configuration = folder.join("alertmanager.yml");
        std::fs::write(&configuration, configure(grouping, webhook))?;
        let address = free_address()?;
        let mut command = Command::new(binary);
        command
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            // Alone: no cluster.
            .args(["--cluster.listen-address=", "--log.level=error"]);
        let mut process = Running::start(command, &folder.join("log"))?;
        let started = process.started;
        let polling = poll(address, GET_READY, started, started + START);
        let ready = process.until(polling).await?;
        Ok(Self {
            process,
            address,
            ready: ready.context("waiting for /-/ready")?,
            folder: folder.to_owned(),
        })
    }

    /// Kills it and removes its folder.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.process.kill().await?;
        std::fs::remove_dir_all(&self.folder)
            .with_context(|| format!("removing {}", self.folder.display()))
    }
}

/// Alerts with labels of their own from all objects, one per request, as long as our events.
pub(crate) fn alerts() -> Requests {
    let with = |padding: &str| {
        let message = message(padding);
        format!(
            r#"[{{"labels":{{"alertname":"Progressing","severity":"info","namespace":"{NAMESPACE}","kind":"Kustomization","object":"app-{SOURCE_SLOT}","number":"{NUMBER_SLOT}"}},"annotations":{{"message":"{message}","revision":"main@sha1:1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c"}}}}]"#
        )
    };
    let missing = BODY.saturating_sub(with("").len());
    let body = with(&".".repeat(missing));
    Requests::numbered(request::post("/api/v2/alerts", "", &body), OBJECTS)
}

fn configure(grouping: Grouping, webhook: Option<&str>) -> String {
    let by = match grouping {
        Grouping::ByObject => "[object]",
        Grouping::None => "['...']",
    };
    let webhooks = webhook.map_or_else(String::new, |url| {
        format!("    webhook_configs:\n      - url: {url}\n        send_resolved: false\n")
    });
    format!(
        "global:\n  resolve_timeout: 1h\nroute:\n  receiver: sink\n  group_by: {by}\n  \
         group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 24h\nreceivers:\n  - name: sink\n{webhooks}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stamp;

    #[test]
    fn alerts_are_as_long_as_our_events_and_carry_the_same_stamp() {
        let stamp = Stamp {
            object: 3,
            number: 9,
            sent: Duration::from_micros(11),
        };
        let mut request = Vec::new();
        alerts().write(stamp, &mut request);
        let text = String::from_utf8(request).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), BODY);
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(value[0]["labels"]["object"], "app-003");
        assert_eq!(Stamp::read(body.as_bytes()), Some(stamp));
    }

    #[test]
    fn only_a_webhook_that_was_named_is_told() {
        let told = configure(Grouping::None, Some("http://127.0.0.1:1/"));
        assert!(told.contains("group_by: ['...']") && told.contains("url: http://127.0.0.1:1/"));
        assert!(!configure(Grouping::ByObject, None).contains("webhook_configs"));
    }
}
