//! The list of provider types, and nothing else. Both lists are alphabetical.

use crate::ProviderKind;

mod discord;
mod generic;
mod ms_teams;
mod rocket;
mod slack;

/// All types, sorted by name.
pub const ALL: &[&ProviderKind] = &[
    &discord::KIND,
    &generic::KIND,
    &generic::KIND_HMAC,
    &ms_teams::KIND,
    &rocket::KIND,
    &slack::KIND,
];

/// The type of a name.
pub fn find(name: &str) -> Option<&'static ProviderKind> {
    let found = ALL.binary_search_by(|kind| kind.name.cmp(name)).ok()?;
    ALL.get(found).copied()
}
