//! Answers what validation asks about types, from the list.

use api::{Problem, Provider};
use domain::Capabilities;
use domain::ports::KindDirectory;

use crate::identity::GATE_IS_OFF;
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
        let Some(kind) = kinds::find(&provider.kind) else {
            return Vec::new();
        };
        let mut problems = (kind.check)(provider);
        if provider.service_account.is_some() {
            problems.push(
                Problem::error("spec.serviceAccountName", GATE_IS_OFF)
                    .with_hint("or use spec.secretRef"),
            );
        }
        problems
    }
}
