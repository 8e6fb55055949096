//! Builds the object graph; the only place that names concrete types.

pub(crate) mod standalone;

use anyhow::Context as _;
use http::HeaderValue;
use outbound::{Client, ClientSettings, EgressPolicy};
use prometheus_client::registry::Registry;

use crate::settings;

/// The way out.
pub(crate) fn client(egress: EgressPolicy, registry: &mut Registry) -> anyhow::Result<Client> {
    let agent = concat!("fanfare/", env!("CARGO_PKG_VERSION"));
    let settings = ClientSettings {
        egress,
        environment: settings::proxy_environment()
            .map_err(anyhow::Error::msg)
            .context("reading the proxy settings of the environment")?,
        ..ClientSettings::new(HeaderValue::from_static(agent))
    };
    Ok(Client::new(settings, registry))
}
