//! Builds the object graph; the only place that names concrete types.

pub(crate) mod identities;
pub(crate) mod standalone;

use anyhow::Context as _;
use http::HeaderValue;
use outbound::{Client, ClientSettings, EgressPolicy};
use prometheus_client::registry::Registry;

use crate::settings;

/// Idle connections that are kept per destination: as many as a Provider usually has attempts at once,
/// so that a busy one need not open any.
const MOST_IDLE: usize = 64;

/// How we introduce ourselves.
const AGENT: &str = concat!("fanfare/", env!("CARGO_PKG_VERSION"));

/// The way out.
pub(crate) fn client(egress: EgressPolicy, registry: &mut Registry) -> anyhow::Result<Client> {
    let settings = ClientSettings {
        egress,
        environment: settings::proxy_environment()
            .map_err(anyhow::Error::msg)
            .context("reading the proxy settings of the environment")?,
        max_idle_per_host: MOST_IDLE,
        ..ClientSettings::new(HeaderValue::from_static(AGENT))
    };
    Ok(Client::new(settings, registry))
}
