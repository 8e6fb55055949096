//! Which addresses may be dialled.
//!
//! Pure: an address in, a verdict out. The dialler asks for every resolved address, the proxy's
//! included, and then dials exactly the address it asked about, so a name that changes its mind
//! between check and use gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Link-local addresses and the fixed addresses of cloud metadata services. These answer to whoever
/// can send a packet from this machine, often with credentials.
const METADATA_V4: [Ipv4Net; 2] = [
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 100, 100, 200), 32),
];
const METADATA_V6: [Ipv6Net; 2] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128),
];

/// Which addresses may be dialled: everything but link-local and metadata addresses, adjusted by
/// two lists of networks.
///
/// A network in `deny` is never dialled, whatever `allow` says. A network in `allow` is an exception
/// from the built-in refusals; it does not refuse what is outside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    /// Exceptions from the built-in refusals.
    pub allow: Vec<IpNet>,
    /// Networks refused in addition.
    pub deny: Vec<IpNet>,
    /// Whether this machine itself is refused, too: where tenants choose addresses, loopback leads to
    /// what only listens for its neighbours in the pod.
    pub refuse_loopback: bool,
}

/// A refused address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address {address} {reason}")]
pub struct Denied {
    /// The address as it was resolved.
    pub address: IpAddr,
    /// By which rule.
    pub reason: DeniedReason,
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeniedReason {
    /// Link-local or a cloud metadata service, and not allowed explicitly.
    #[error("is link-local or belongs to a cloud metadata service")]
    LinkLocalOrMetadata,
    /// This machine itself, and not allowed explicitly.
    #[error("is a loopback address; --egress-allow makes an exception")]
    Loopback,
    /// In one of the operator's denied networks.
    #[error("is in a denied network")]
    DeniedNetwork,
}

impl EgressPolicy {
    /// Says whether `address` may be dialled.
    ///
    /// IPv4 addresses in IPv6 clothes (`::ffff:a.b.c.d`, `::a.b.c.d`, `64:ff9b::a.b.c.d`) are judged
    /// by both forms.
    pub fn permits(&self, address: IpAddr) -> Result<(), Denied> {
        let inner = embedded(address);
        let within = |networks: &[IpNet]| {
            networks
                .iter()
                .any(|network| network.contains(&address) || network.contains(&inner))
        };
        let denied = |reason| Err(Denied { address, reason });
        if within(&self.deny) {
            return denied(DeniedReason::DeniedNetwork);
        }
        if (is_metadata(address) || is_metadata(inner)) && !within(&self.allow) {
            return denied(DeniedReason::LinkLocalOrMetadata);
        }
        let is_here = is_this_machine(address) || is_this_machine(inner);
        if self.refuse_loopback && is_here && !within(&self.allow) {
            return denied(DeniedReason::Loopback);
        }
        Ok(())
    }
}

fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => METADATA_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => METADATA_V6.iter().any(|network| network.contains(&address)),
    }
}

/// Loopback and unspecified addresses; connecting to the latter reaches the former.
fn is_this_machine(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || matches!(address.octets(), [0, ..]),
        IpAddr::V6(address) => address.is_loopback() || address.is_unspecified(),
    }
}

/// The IPv4 address inside an IPv6 one, where there is one; otherwise the address itself.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(wide) = address else {
        return address;
    };
    let [high @ .., seventh, eighth] = wide.segments();
    let [a, b] = seventh.to_be_bytes();
    let [c, d] = eighth.to_be_bytes();
    match high {
        // Mapped; NAT64's well-known prefix (RFC 6052); the old compatible form.
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Ipv4Addr::new(a, b, c, d).into(),
        [0, 0, 0, 0, 0, 0] if seventh != 0 => Ipv4Addr::new(a, b, c, d).into(),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(policy: &EgressPolicy, address: &str) -> Result<(), DeniedReason> {
        policy
            .permits(address.parse().unwrap())
            .map_err(|denied| denied.reason)
    }

    #[test]
    fn loopback_is_refused_in_every_form_where_that_is_wanted() {
        let policy = EgressPolicy {
            refuse_loopback: true,
            ..EgressPolicy::default()
        };
        for address in [
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "64:ff9b::127.0.0.1",
        ] {
            assert_eq!(
                verdict(&policy, address),
                Err(DeniedReason::Loopback),
                "{address}"
            );
            assert_eq!(verdict(&EgressPolicy::default(), address), Ok(()));
        }
        assert_eq!(verdict(&policy, "10.0.0.1"), Ok(()));
        let policy = EgressPolicy {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            ..policy
        };
        assert_eq!(verdict(&policy, "127.0.0.1"), Ok(()));
        assert_eq!(verdict(&policy, "::1"), Err(DeniedReason::Loopback));
    }

    #[test]
    fn link_local_and_metadata_addresses_are_refused_in_every_form() {
        let policy = EgressPolicy::default();
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "::ffff:100.100.100.200",
        ] {
            assert_eq!(
                verdict(&policy, address),
                Err(DeniedReason::LinkLocalOrMetadata),
                "{address}"
            );
        }
    }

    #[test]
    fn ordinary_addresses_are_permitted() {
        let policy = EgressPolicy::default();
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "100.100.100.201",
            "169.253.255.255",
            "192.0.2.1",
            "::1",
            "2001:db8::1",
            "fec0::1",
            "fd00:ec2::253",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(verdict(&policy, address), Ok(()), "{address}");
        }
    }

    #[test]
    fn an_allowed_network_is_an_exception_and_a_denied_one_wins() {
        let policy = EgressPolicy {
            allow: vec![
                "169.254.20.0/24".parse().unwrap(),
                "10.0.0.0/8".parse().unwrap(),
            ],
            deny: vec!["10.1.0.0/16".parse().unwrap()],
            refuse_loopback: false,
        };
        assert_eq!(verdict(&policy, "169.254.20.10"), Ok(()));
        assert_eq!(
            verdict(&policy, "169.254.21.10"),
            Err(DeniedReason::LinkLocalOrMetadata)
        );
        assert_eq!(verdict(&policy, "10.2.0.1"), Ok(()));
        assert_eq!(
            verdict(&policy, "10.1.2.3"),
            Err(DeniedReason::DeniedNetwork)
        );
        assert_eq!(
            verdict(&policy, "::ffff:10.1.2.3"),
            Err(DeniedReason::DeniedNetwork)
        );
    }
}
