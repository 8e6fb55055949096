//! What is measured, by name.

mod accept;
mod alertmanager;
mod alerts;
mod deliver;
mod depth;
mod fan_out;
mod instructions;
mod queue;
mod resident;
mod rig;
mod size;
mod soak;
mod webhooks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::event;
use crate::figure::Figure;
use crate::floor::Floors;
use crate::load::{Security, Target};
use crate::peer;

use rig::Rig;

/// The fixed rate, in events per second.
pub(crate) const RATE: u32 = 5000;
/// How many connections the product opens to one destination by default.
pub(crate) const PROVIDER_CONNECTIONS: u32 = 32;

/// Where and how long to measure.
#[derive(Clone, Debug)]
pub(crate) struct Laboratory {
    /// The binary.
    pub(crate) fanfare: PathBuf,
    /// Program and arguments to run the binary under; empty for nothing.
    pub(crate) wrapper: Vec<String>,
    /// Folder for configuration, data and logs.
    pub(crate) work: PathBuf,
    /// How long a load lasts.
    pub(crate) seconds: u64,
    /// Connections of the load generator.
    pub(crate) connections: u16,
    /// How long the soak lasts.
    pub(crate) soak: Duration,
    /// Alertmanager's binary.
    pub(crate) alertmanager: PathBuf,
    /// Further arguments of the binary.
    pub(crate) arguments: Vec<String>,
    /// Start of this program.
    pub(crate) epoch: Instant,
}

impl Laboratory {
    /// A load on `address` over plain HTTP; the first event of each object went to the probe that
    /// found the product ready.
    pub(crate) fn target(&self, address: SocketAddr) -> Target {
        Target {
            address,
            security: Security::Plain,
            requests: event::requests(event::PREFIX),
            connections: u32::from(self.connections),
            epoch: self.epoch,
            first_number: 1,
            accepted: None,
        }
    }
}

/// Something to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Time to ready.
    Ready,
    /// Memory without work.
    IdleMemory,
    /// Accepts per second.
    AcceptSaturated,
    /// Acceptance at a fixed rate.
    AcceptScheduled,
    /// Deliveries per second over HTTP.
    DeliverHttp,
    /// Deliveries per second over TLS.
    DeliverTls,
    /// A long queue, and how it drains.
    Queue,
    /// A kill with a long queue.
    Restart,
    /// A kill with a very long queue.
    RestartWithMany,
    /// Costs while a queue grows.
    Depth,
    /// One event for many Providers.
    FanOut,
    /// Many Alerts that name objects.
    AlertsByName,
    /// Many Alerts with regular expressions.
    AlertsByRegex,
    /// Genuine webhooks.
    Webhooks,
    /// Webhooks that are refused.
    WebhooksRefused,
    /// A flood of webhooks that are refused.
    WebhooksFlood,
    /// The size of the binary.
    BinarySize,
    /// What is executed per event and call.
    Instructions,
    /// The same loads on Alertmanager.
    Alertmanager,
    /// Memory over a long time.
    Soak,
}

const ALL: [Scenario; 20] = [
    Scenario::Ready,
    Scenario::IdleMemory,
    Scenario::AcceptSaturated,
    Scenario::AcceptScheduled,
    Scenario::DeliverHttp,
    Scenario::DeliverTls,
    Scenario::Queue,
    Scenario::Restart,
    Scenario::RestartWithMany,
    Scenario::Depth,
    Scenario::FanOut,
    Scenario::AlertsByName,
    Scenario::AlertsByRegex,
    Scenario::Webhooks,
    Scenario::WebhooksRefused,
    Scenario::WebhooksFlood,
    Scenario::BinarySize,
    Scenario::Instructions,
    Scenario::Alertmanager,
    Scenario::Soak,
];

impl Scenario {
    /// Its name on the command line and in figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::IdleMemory => "idle-memory",
            Self::AcceptSaturated => "accept-saturated",
            Self::AcceptScheduled => "accept-5000",
            Self::DeliverHttp => "deliver-http",
            Self::DeliverTls => "deliver-tls",
            Self::Queue => "queue-100k",
            Self::Restart => "restart-100k",
            Self::RestartWithMany => "restart-1m",
            Self::Depth => "depth",
            Self::FanOut => "fan-out",
            Self::AlertsByName => "alerts-name",
            Self::AlertsByRegex => "alerts-regex",
            Self::Webhooks => "webhooks",
            Self::WebhooksRefused => "webhooks-refused",
            Self::WebhooksFlood => "webhooks-flood",
            Self::BinarySize => "binary-size",
            Self::Instructions => "instructions",
            Self::Alertmanager => "alertmanager",
            Self::Soak => "soak",
        }
    }

    /// What it needs that is not there; it is skipped then.
    pub(crate) fn lacks(self, laboratory: &Laboratory) -> Option<&'static str> {
        match self {
            Self::Instructions if !instructions::can_count() => {
                Some("counting instructions needs Valgrind (apt-get install valgrind)")
            }
            Self::Alertmanager if peer::version(&laboratory.alertmanager).is_none() => Some(
                "there is no Alertmanager to put beside (apt-get install prometheus-alertmanager, or --alertmanager FILE)",
            ),
            _ => None,
        }
    }

    /// Whether its figures stand beside floors.
    fn has_floors(self) -> bool {
        !matches!(
            self,
            Self::Instructions | Self::Alertmanager | Self::BinarySize | Self::Soak
        )
    }

    /// Whether it runs only when it is named.
    fn is_long(self) -> bool {
        self == Self::Soak
    }

    /// Runs it once.
    pub(crate) async fn run(
        self,
        laboratory: &Laboratory,
        floors: &Floors,
    ) -> anyhow::Result<Vec<Figure>> {
        match self {
            Self::Ready => resident::ready(laboratory, floors).await,
            Self::IdleMemory => resident::idle(laboratory, floors).await,
            Self::AcceptSaturated => accept::saturated(laboratory, floors).await,
            Self::AcceptScheduled => accept::on_schedule(laboratory, floors).await,
            Self::DeliverHttp => deliver::run(laboratory, floors, deliver::Over::Http).await,
            Self::DeliverTls => deliver::run(laboratory, floors, deliver::Over::Tls).await,
            Self::Queue => queue::drain(laboratory, floors).await,
            Self::Restart => queue::restart(laboratory, floors).await,
            Self::RestartWithMany => queue::restart_with_many(laboratory, floors).await,
            Self::Depth => depth::run(laboratory).await,
            Self::FanOut => fan_out::run(laboratory).await,
            Self::AlertsByName => alerts::by_name(laboratory).await,
            Self::AlertsByRegex => alerts::by_regex(laboratory).await,
            Self::Webhooks => webhooks::run(laboratory, floors).await,
            Self::WebhooksRefused => webhooks::refused::run(laboratory).await,
            Self::WebhooksFlood => webhooks::flood(laboratory).await,
            Self::BinarySize => size::run(laboratory),
            Self::Instructions => instructions::run(laboratory).await,
            Self::Alertmanager => alertmanager::run(laboratory).await,
            Self::Soak => soak::run(laboratory).await,
        }
    }
}

/// Whether floors must be measured: not for scenarios that stand beside none.
pub(crate) fn need_floors(chosen: &[Scenario]) -> bool {
    chosen.is_empty() || chosen.iter().any(|scenario| scenario.has_floors())
}

/// The scenarios whose names begin with one of `names`; without any, all that are not long.
pub(crate) fn choose(names: &[String]) -> anyhow::Result<Vec<Scenario>> {
    for name in names {
        anyhow::ensure!(
            ALL.iter()
                .any(|scenario| scenario.name().starts_with(name.as_str()))
                || name == "floors",
            "no scenario `{name}`; there are floors, {}",
            ALL.map(Scenario::name).join(", ")
        );
    }
    let is_wanted = |scenario: &Scenario| {
        (names.is_empty() && !scenario.is_long())
            || names
                .iter()
                .any(|name| scenario.name().starts_with(name.as_str()))
    };
    Ok(ALL.into_iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_chosen_by_the_beginning_of_their_names() {
        let chosen = |name: &str| choose(&[name.to_owned()]).unwrap();
        assert_eq!(choose(&[]).unwrap().len(), ALL.len() - 1);
        assert_eq!(chosen("soak"), [Scenario::Soak]);
        assert_eq!(
            chosen("deliver"),
            [Scenario::DeliverHttp, Scenario::DeliverTls]
        );
        assert!(chosen("floors").is_empty());
        assert!(choose(&["elsewhere".to_owned()]).is_err());
    }
}
