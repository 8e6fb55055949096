//! Builds the object graph; the only place that names concrete types.

pub(crate) mod on_reconcile;
pub(crate) mod standalone;
pub(crate) mod webhooks;

use anyhow::Context as _;
use http::HeaderValue;
use outbound::{Client, ClientSettings, EgressPolicy};
use prometheus_client::registry::Registry;

use crate::settings;

/// Idle connections that are kept per destination: as many as a Provider usually has attempts at once,
/// so that a busy one need not open any.
const MOST_IDLE: usize = 64;

/// The way out.
pub(crate) fn client(egress: EgressPolicy, registry: &mut Registry) -> anyhow::Result<Client> {
    let agent = concat!("fanfare/", env!("CARGO_PKG_VERSION"));
    let settings = ClientSettings {
        egress,
        environment: settings::proxy_environment()
            .map_err(anyhow::Error::msg)
            .context("reading the proxy settings of the environment")?,
        max_idle_per_host: MOST_IDLE,
        ..ClientSettings::new(HeaderValue::from_static(agent))
    };
    Ok(Client::new(settings, registry))
}
