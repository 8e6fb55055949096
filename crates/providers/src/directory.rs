//! Answers what validation asks about types, from the list.

use api::{Problem, Provider};
use domain::Capabilities;
use domain::ports::KindDirectory;

use crate::identity::GATE_IS_OFF;
use crate::kinds;

/// The list of types as a port; `spec.serviceAccountName` is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Directory;

/// The same where the feature gate `ObjectLevelWorkloadIdentity` is on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObjectLevelDirectory;

impl KindDirectory for ObjectLevelDirectory {
    fn names(&self) -> Vec<&'static str> {
        Directory.names()
    }

    fn capabilities(&self, kind: &str) -> Option<Capabilities> {
        Directory.capabilities(kind)
    }

    fn check(&self, provider: &Provider) -> Vec<Problem> {
        kinds::find(&provider.kind)
            .map(|kind| (kind.check)(provider))
            .unwrap_or_default()
    }
}

impl KindDirectory for Directory {
    fn names(&self) -> Vec<&'static str> {
        kinds::ALL.iter().map(|kind| kind.name).collect()
    }

    fn capabilities(&self, kind: &str) -> Option<Capabilities> {
        kinds::find(kind).map(|kind| kind.capabilities)
    }

    fn check(&self, provider: &Provider) -> Vec<Problem> {
        let mut problems = ObjectLevelDirectory.check(provider);
        if provider.service_account.is_some() && kinds::find(&provider.kind).is_some() {
            problems.push(
                Problem::error("spec.serviceAccountName", GATE_IS_OFF)
                    .with_hint("or use spec.secretRef"),
            );
        }
        problems
    }
}
