//! What the product executes for an event or a call, counted by Valgrind.
//!
//! A count does not depend on the clock, on the disk or on what else the machine does, so a change of
//! it is a change of the program. One request at a time, so that batches are the same every time.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::process::Command;

use crate::event;
use crate::figure::Figure;
use crate::load::{self, Target};
use crate::manifests::{self, Alerts};
use crate::request::Requests;
use crate::sink::{Mode, Sink};
use crate::webhook::{Hook, Kind, Proof};

use super::accept::count;
use super::rig::destination;
use super::webhooks::refused;
use super::{Laboratory, Rig};

/// Requests that are counted, and the same number before them.
const REQUESTS: u64 = 100;
/// Receivers that genuine calls spread over, so that none is called too often.
const RECEIVERS: u32 = 2;
/// Everything is some fifty times slower.
const PATIENCE: Duration = Duration::from_mins(10);
/// What is counted, as Valgrind writes it.
const TOTAL: &str = "totals: ";

/// Whether Valgrind is there.
pub(crate) fn can_count() -> bool {
    let answers = |program: &str, argument: &str| {
        let output = std::process::Command::new(program).arg(argument).output();
        output.is_ok_and(|output| output.status.success())
    };
    answers("valgrind", "--version") && answers("vgdb", "--help")
}

/// Counts for events that no Alert wants, for events that are delivered, for genuine calls, and for
/// calls that are refused.
pub(crate) async fn run(laboratory: &Laboratory) -> anyhow::Result<Vec<Figure>> {
    let folder = laboratory.work.join("instructions-counts");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let out = folder.join("callgrind.out");
    let laboratory = Laboratory {
        wrapper: [
            "env",
            "TOKIO_WORKER_THREADS=1",
            "valgrind",
            "--tool=callgrind",
            "--vgdb-poll=500",
            &format!("--callgrind-out-file={}", out.display()),
        ]
        .map(str::to_owned)
        .to_vec(),
        ..laboratory.clone()
    };
    let genuine = Hook::several(Kind::GitHub, RECEIVERS);
    let refusing = [Kind::GenericHmac, Kind::GitLab, Kind::Harbor]
        .into_iter()
        .flat_map(|kind| Hook::several(kind, 1));
    let hooks: Vec<Hook> = genuine.iter().cloned().chain(refusing).collect();
    let sink = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
    let asked = Sink::plain(Mode::Healthy, laboratory.epoch).await?;
    let arguments = ["--on-reconcile", &asked.url()];
    let rig = Rig::configured(
        &laboratory,
        "instructions",
        sink,
        &arguments,
        |folder, sink| {
            // An attempt must not time out only because it is counted.
            manifests::write(folder, &destination(sink, PATIENCE), Alerts::ByName(1))?;
            manifests::write_receivers(folder, &hooks)
        },
    )
    .await?;
    rig.sink.wait_for(1, PATIENCE).await;

    let mut counter = Counter {
        laboratory: &laboratory,
        rig: &rig,
        out,
        dumps: 0,
        number: 1,
        delivered: 1,
    };
    let mut figures = Vec::new();
    let mut add = |what: String, count: f64| {
        figures.push(Figure::lower(
            format!("instructions/{what}"),
            count,
            "instructions",
        ));
    };
    let unwanted = event::requests(event::OTHER_PREFIX);
    add("accept".to_owned(), counter.events(&unwanted, 0).await?);
    let wanted = event::requests(event::PREFIX);
    add("deliver".to_owned(), counter.events(&wanted, 1).await?);
    let calls = Hook::calls(&genuine, Proof::Genuine);
    add(
        "webhook/github".to_owned(),
        counter.calls(&calls, 200).await?,
    );
    for hook in hooks.iter().skip(genuine.len().saturating_sub(1)) {
        let kind = hook.kind.name();
        for (way, calls) in refused::WAYS.into_iter().zip(refused::calls(hook)) {
            let refused = counter.calls(&calls, 400).await?;
            add(format!("refused/{kind}/{way}"), refused);
        }
    }
    rig.end().await?;
    std::fs::remove_dir_all(&folder)?;
    Ok(figures)
}

struct Counter<'a> {
    laboratory: &'a Laboratory,
    rig: &'a Rig,
    out: PathBuf,
    dumps: u32,
    number: u64,
    delivered: u64,
}

impl Counter<'_> {
    /// Instructions per event, each of which makes so many deliveries.
    async fn events(&mut self, requests: &Requests, deliveries: u64) -> anyhow::Result<f64> {
        for _ in 0..2 {
            self.dump().await?;
            let target = self.target(requests, self.rig.product.events);
            let outcome = load::saturate(&target, REQUESTS, PATIENCE).await?;
            anyhow::ensure!(
                outcome.accepted == REQUESTS,
                "of {REQUESTS} events {} were accepted",
                outcome.accepted
            );
            self.delivered += REQUESTS * deliveries;
            let all = self.rig.sink.wait_for(self.delivered, PATIENCE).await;
            anyhow::ensure!(all, "not all events were delivered");
            if deliveries == 0 {
                self.rig.planned(PATIENCE).await?;
            }
        }
        Ok(self.dump().await? / count(REQUESTS))
    }

    /// Instructions per call, each of which is answered with 200, 404 or this status.
    async fn calls(&mut self, requests: &Requests, status: u16) -> anyhow::Result<f64> {
        for _ in 0..2 {
            self.dump().await?;
            let target = self.target(requests, self.rig.product.hooks);
            let outcome = load::saturate(&target, REQUESTS, PATIENCE).await?;
            let refused = outcome.with_status(400) + outcome.with_status(404);
            let wanted = if status == 200 {
                outcome.accepted
            } else {
                refused
            };
            anyhow::ensure!(
                wanted == REQUESTS,
                "of {REQUESTS} calls {wanted} were answered as expected"
            );
        }
        Ok(self.dump().await? / count(REQUESTS))
    }

    fn target(&mut self, requests: &Requests, address: std::net::SocketAddr) -> Target {
        let first_number = self.number;
        self.number += REQUESTS;
        Target {
            requests: requests.clone(),
            connections: 1,
            first_number,
            ..self.laboratory.target(address)
        }
    }

    /// Instructions since the last time.
    ///
    /// Valgrind could be made to answer at once, by interrupting the program in a call of the system;
    /// what such a call was about to report may be lost then. So it is let come to the question by
    /// itself, and given a little to do.
    async fn dump(&mut self) -> anyhow::Result<f64> {
        let mut asking = Command::new("vgdb")
            .arg(format!("--pid={}", self.rig.product.process.pid))
            .args(["--max-invoke-ms=0", "dump"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("asking Valgrind for its count")?;
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = asking.try_wait()? {
                break status;
            }
            anyhow::ensure!(Instant::now() < until, "Valgrind does not tell its count");
            self.rig.product.ask().await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        anyhow::ensure!(status.success(), "vgdb ended with {status}");
        self.dumps += 1;
        let mut path = self.out.clone().into_os_string();
        path.push(format!(".{}", self.dumps));
        let path = PathBuf::from(path);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        text.lines()
            .find_map(|line| line.strip_prefix(TOTAL)?.trim().parse().ok())
            .with_context(|| format!("no count in {}", path.display()))
    }
}
