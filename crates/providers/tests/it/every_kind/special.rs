//! Types that a rule is not for. The only way to be left out of a rule is a line in this table, with
//! a reason that somebody who writes another type can judge.

use providers::{ProviderKind, kinds};

/// What the rules of this folder demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It speaks HTTP, so statuses, `Retry-After`, HTTP proxies and TLS mean what they mean there.
    Http,
    /// Its address, in the Provider or in the Secret, says where messages go.
    Address,
    /// White space around a token means nothing.
    TrimmedToken,
}

/// Type, rule, reason.
const SPECIAL: [(&str, Rule, &str); 2] = [
    (
        "generic-hmac",
        Rule::TrimmedToken,
        "receivers were given the bytes of the key as they are stored, and the reference signs with those",
    ),
    (
        "telegram",
        Rule::Address,
        "Telegram has one API, and the reference ignores the address, so a Provider may have any",
    ),
];

/// Types that always call one host, whatever their address says: type, host, reason.
///
/// They cannot be led to a server of a test, so they are reached through a proxy there.
const FIXED_HOSTS: [(&str, &str, &str); 4] = [
    (
        "azureeventhub",
        "fleet.servicebus.windows.net",
        "the address is a connection string, which names no port, and hubs are reached at https only",
    ),
    (
        "bitbucket",
        "api.bitbucket.org",
        "the address is that of a repository; Bitbucket Cloud has one API",
    ),
    (
        "googlepubsub",
        "pubsub.googleapis.com",
        "the address is the id of a project; Google Cloud has one API",
    ),
    (
        "telegram",
        "api.telegram.org",
        "the token decides on the bot; Telegram has one API",
    ),
];

/// Where some types log in before they send.
pub(super) const LOGIN_HOST: &str = "oauth2.googleapis.com";

/// The types that a rule is for.
pub(super) fn kinds_for(rule: Rule) -> impl Iterator<Item = &'static ProviderKind> {
    // A type that speaks another protocol says so itself; `streams.rs` has the rules for those.
    super::http_kinds().filter(move |kind| {
        !SPECIAL
            .iter()
            .any(|(name, of, _)| *name == kind.name && *of == rule)
    })
}

/// The one host that a type always calls.
pub(super) fn fixed_host_of(kind: &str) -> Option<&'static str> {
    let found = FIXED_HOSTS.iter().find(|(name, ..)| *name == kind);
    found.map(|(_, host, _)| *host)
}

#[test]
fn special_types_exist_and_have_a_reason() {
    let special = SPECIAL.iter().map(|(name, _, reason)| (name, reason));
    let fixed = FIXED_HOSTS.iter().map(|(name, _, reason)| (name, reason));
    for (name, reason) in special.chain(fixed) {
        assert!(kinds::find(name).is_some(), "no type {name}");
        assert!(reason.len() > 40, "{name}: {reason}");
    }
}
