//! Who this process is in clouds, and the one client that may ask their metadata services.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use outbound::{Client, ClientSettings, EgressPolicy};
use prometheus_client::registry::Registry;
use providers::Identities;

use super::AGENT;
use crate::settings;

/// The address of the metadata services of Azure and Google Cloud.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Who this process is in clouds by its environment and its machine. ServiceAccounts and the gate for
/// them are the cluster mode's to add. The metadata services get a client of their own
/// that reaches nothing else, so that the guard of the other one stays whole; no proxy has a part in it.
pub(crate) fn of_process(denied: &[IpNet]) -> Identities {
    let mut egress = EgressPolicy {
        allow: vec![Ipv4Net::from(METADATA).into()],
        deny: all_but(METADATA),
        refuse_loopback: true,
    };
    // Never to dial means never.
    egress.deny.extend(denied);
    let agent = HeaderValue::from_static(AGENT);
    let settings = ClientSettings {
        egress,
        // An answer comes at once or never: there is none outside a cloud.
        connect_timeout: Duration::from_secs(2),
        ..ClientSettings::new(agent)
    };
    // Its requests are not those that the metrics of the other client count.
    let client = Client::new(settings, &mut Registry::default());
    Identities {
        metadata: Some(Arc::new(client)),
        azure: settings::azure_environment(),
        google: settings::google_environment(),
        ..Identities::default()
    }
}

/// All networks without one address.
fn all_but(address: Ipv4Addr) -> Vec<IpNet> {
    let everything_newer: IpNet = Ipv6Net::default().into();
    let bits = u32::from(address);
    let siblings = (1..=32_u8).filter_map(|length| {
        let sibling = bits ^ (1 << (32 - length));
        let network = Ipv4Net::new(Ipv4Addr::from(sibling), length).ok()?;
        Some(network.trunc().into())
    });
    std::iter::once(everything_newer).chain(siblings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_metadata_service_is_left() {
        let policy = EgressPolicy {
            allow: vec![Ipv4Net::from(METADATA).into()],
            deny: all_but(METADATA),
            refuse_loopback: true,
        };
        assert!(policy.permits(METADATA.into()).is_ok());
        for other in [
            "0.0.0.0",
            "10.0.0.1",
            "127.0.0.1",
            "169.254.169.253",
            "169.254.169.255",
            "169.254.170.2",
            "255.255.255.255",
            "::1",
            "::ffff:10.0.0.1",
            "fd00:ec2::254",
        ] {
            assert!(policy.permits(other.parse().unwrap()).is_err(), "{other}");
        }
    }
}
