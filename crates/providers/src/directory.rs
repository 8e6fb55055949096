//! Answers what validation asks about types, from the list.

use api::{Problem, Provider};
use domain::Capabilities;
use domain::ports::KindDirectory;

use crate::kinds;

/// The list of types as a port.
#[derive(Clone, Copy, Debug, Default)]
pub struct Directory;

impl KindDirectory for Directory {
    fn names(&self) -> Vec<&'static str> {
        kinds::ALL.iter().map(|kind| kind.name).collect()
    }

    fn capabilities(&self, kind: &str) -> Option<Capabilities> {
        kinds::find(kind).map(|kind| kind.capabilities)
    }

    fn check(&self, provider: &Provider) -> Vec<Problem> {
        kinds::find(&provider.kind).map_or_else(Vec::new, |kind| (kind.check)(provider))
    }
}
