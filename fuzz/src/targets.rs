//! What is fuzzed, each with the promises that must hold for any input.

mod address;
mod answer;
mod arrivals;
mod cel;
mod command;
mod duration;
mod event;
mod kept;
mod manifest;
mod objects;
mod oidc;
mod pem;
mod proxy;
mod records;
mod regex;
mod render;
mod secret;
mod stores;
mod stream;
mod webhook;

/// One target.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Words of the notation, for mutations.
    pub(crate) words: &'static [&'static str],
    /// Runs one input; an error is a broken promise.
    pub(crate) run: fn(&[u8]) -> Result<(), String>,
}

/// All targets.
pub(crate) const ALL: &[&Target] = &[
    &event::TARGET,
    &manifest::TARGET,
    &cel::TARGET,
    &regex::TARGET,
    &render::TARGET,
    &address::TARGET,
    &webhook::TARGET,
    &oidc::TARGET,
    &objects::TARGET,
    &duration::TARGET,
    &records::TARGET,
    &arrivals::TARGET,
    &kept::TARGET,
    &command::TARGET,
    &answer::TARGET,
    &secret::TARGET,
    &stream::TARGET,
    &proxy::TARGET,
    &pem::TARGET,
];

/// The target of a name.
pub(crate) fn find(name: &str) -> Option<&'static Target> {
    ALL.iter().copied().find(|target| target.name == name)
}

/// The first line and the rest.
fn first_line(input: &str) -> (&str, &str) {
    input.split_once('\n').unwrap_or((input, ""))
}
