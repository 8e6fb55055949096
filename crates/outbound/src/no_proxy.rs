//! Which targets go without the environment's proxy: the rules of `NO_PROXY`, as Go reads them
//! (`golang.org/x/net/http/httpproxy`), because those are the ones that cluster operators rely on.

use std::net::IpAddr;

use ipnet::IpNet;

/// The parsed list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NoProxy {
    everything: bool,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// Every address of a network, whatever the port.
    Network(IpNet),
    /// One address, on one port or all.
    Address(IpAddr, Option<u16>),
    /// A name and all names below it, or only those below it; on one port or all.
    Domain {
        /// With a leading dot.
        suffix: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl NoProxy {
    /// Reads the comma-separated list. Entries that mean nothing are skipped, as in Go.
    pub(crate) fn parse(list: &str) -> Self {
        let mut parsed = Self::default();
        for entry in list.split(',') {
            let entry = entry.trim().to_ascii_lowercase();
            if entry == "*" {
                parsed.everything = true;
            } else {
                parsed.rules.extend(rule(&entry));
            }
        }
        parsed
    }

    /// Whether the target goes without proxy. `host` has no brackets.
    pub(crate) fn covers(&self, host: &str, port: u16) -> bool {
        if self.everything {
            return true;
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        self.rules
            .iter()
            .any(|rule| rule.covers(&host, address, port))
    }
}

impl Rule {
    fn covers(&self, host: &str, target: Option<IpAddr>, target_port: u16) -> bool {
        let port_fits = |port: &Option<u16>| port.is_none_or(|port| port == target_port);
        match self {
            Self::Network(network) => target.is_some_and(|address| network.contains(&address)),
            Self::Address(address, port) => target == Some(*address) && port_fits(port),
            Self::Domain {
                suffix,
                itself,
                port,
            } => {
                let same = *itself && suffix.strip_prefix('.') == Some(host);
                target.is_none() && (same || host.ends_with(suffix.as_str())) && port_fits(port)
            }
        }
    }
}

fn rule(entry: &str) -> Option<Rule> {
    if let Ok(network) = entry.parse::<IpNet>() {
        return Some(Rule::Network(network));
    }
    if let Ok(address) = entry.parse::<IpAddr>() {
        return Some(Rule::Address(address.to_canonical(), None));
    }
    let (host, port) = split_port(entry)?;
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(Rule::Address(address.to_canonical(), port));
    }
    let host = host
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(host);
    let (itself, name) = match host.strip_prefix('.') {
        Some(name) => (false, name),
        None => (true, host),
    };
    // Names in URLs are in ASCII form, so the rule's is brought into it too.
    let name = url::Host::parse(name).ok()?.to_string();
    Some(Rule::Domain {
        suffix: format!(".{name}"),
        itself,
        port,
    })
}

/// Splits `host:port`, `[v6]:port` and `[v6]`; `None` when there is no host or the port is no port.
fn split_port(entry: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = entry.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None if after.is_empty() => Some((host, None)),
            None => None,
        };
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (entry, None),
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(list: &str, host: &str, port: u16) -> bool {
        NoProxy::parse(list).covers(host, port)
    }

    #[test]
    fn a_name_covers_itself_and_everything_below_it() {
        assert!(covers("example.com", "example.com", 443));
        assert!(covers("example.com", "a.b.example.com", 443));
        assert!(covers("EXAMPLE.com", "Example.COM", 443));
        assert!(!covers("example.com", "badexample.com", 443));
        assert!(!covers("example.com", "example.com.evil.test", 443));
    }

    #[test]
    fn a_leading_dot_or_star_covers_only_what_is_below() {
        for list in [".example.com", "*.example.com"] {
            assert!(covers(list, "a.example.com", 443), "{list}");
            assert!(!covers(list, "example.com", 443), "{list}");
        }
    }

    #[test]
    fn ports_narrow_names_and_addresses() {
        assert!(covers("example.com:8443", "a.example.com", 8443));
        assert!(!covers("example.com:8443", "example.com", 443));
        assert!(covers("192.0.2.1:80", "192.0.2.1", 80));
        assert!(!covers("192.0.2.1:80", "192.0.2.1", 81));
        assert!(covers("[2001:db8::1]:80", "2001:db8::1", 80));
        assert!(!covers("[2001:db8::1]:80", "2001:db8::1", 81));
    }

    #[test]
    fn addresses_and_networks_cover_literal_addresses_only() {
        assert!(covers("10.0.0.0/8", "10.255.0.1", 443));
        assert!(covers("10.0.0.0/8", "::ffff:10.255.0.1", 443));
        assert!(!covers("10.0.0.0/8", "11.0.0.1", 443));
        assert!(!covers("10.0.0.0/8", "ten.example", 443));
        assert!(covers("fd00::/8", "fd12::1", 443));
        assert!(covers("192.0.2.1", "192.0.2.1", 9));
        assert!(covers("2001:db8::1", "2001:db8::1", 9));
    }

    #[test]
    fn a_star_covers_everything_wherever_it_stands() {
        assert!(covers("*", "example.com", 443));
        assert!(covers("a.example, *", "192.0.2.1", 443));
    }

    #[test]
    fn spaces_and_entries_that_mean_nothing_are_skipped() {
        assert!(covers(" , :80, a:b:c, example.com ,", "example.com", 443));
        assert!(!covers(" , :80, a:b:c,[::1", "example.com", 80));
        assert!(!covers("", "example.com", 443));
    }
}
