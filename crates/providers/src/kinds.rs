//! The list of provider types, and nothing else. Both lists are alphabetical.

use crate::ProviderKind;

mod generic;

/// All types, sorted by name.
pub const ALL: &[&ProviderKind] = &[&generic::KIND, &generic::KIND_HMAC];

/// The type of a name.
pub fn find(name: &str) -> Option<&'static ProviderKind> {
    let found = ALL.binary_search_by(|kind| kind.name.cmp(name)).ok()?;
    ALL.get(found).copied()
}
