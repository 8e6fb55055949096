//! The list of receiver types, and nothing else. Both lists are alphabetical.

use crate::kind::ReceiverKind;

mod acr;
mod bitbucket;
mod cdevents;
mod dockerhub;
mod gcr;
mod generic;
mod generic_hmac;
mod generic_oidc;
mod github;
mod gitlab;
mod harbor;
mod nexus;
mod quay;

/// All types, sorted by name.
pub const ALL: &[&ReceiverKind] = &[
    &acr::KIND,
    &bitbucket::KIND,
    &cdevents::KIND,
    &dockerhub::KIND,
    &gcr::KIND,
    &generic::KIND,
    &generic_hmac::KIND,
    &generic_oidc::KIND,
    &github::KIND,
    &gitlab::KIND,
    &harbor::KIND,
    &nexus::KIND,
    &quay::KIND,
];

/// The type of a name.
pub fn find(name: &str) -> Option<&'static ReceiverKind> {
    let found = ALL.binary_search_by(|kind| kind.name.cmp(name)).ok()?;
    ALL.get(found).copied()
}
