//! Whether an object is in use, and if not, what is wrong and how to fix it: pure.

use api::{ObjectKey, Problem};
use domain::catalog::ProviderEntry;

use crate::world::{AlertRecord, ProviderRecord};

/// The longest message of ours; the API takes more, people do not.
const LONGEST_MESSAGE: usize = 2048;

/// What is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// One word for programs.
    pub(crate) reason: &'static str,
    /// What is wrong and how to fix it.
    pub(crate) message: String,
    /// Only a change of the object itself heals it.
    pub(crate) is_final: bool,
}

/// Whether an object is in use.
pub(crate) type Verdict = Result<(), Fault>;

impl Fault {
    /// Something outside the object heals it.
    pub(crate) fn heals(reason: &'static str, message: impl AsRef<str>) -> Self {
        Self {
            reason,
            message: cut(message.as_ref()),
            is_final: false,
        }
    }

    fn of_problems<'a>(problems: impl Iterator<Item = &'a Problem>) -> Option<Self> {
        let texts: Vec<String> = problems
            .filter(|problem| problem.is_error())
            .map(|problem| match &problem.hint {
                Some(hint) => format!("{problem} ({hint})"),
                None => problem.to_string(),
            })
            .collect();
        (!texts.is_empty()).then(|| Self {
            reason: "ValidationFailed",
            message: cut(&texts.join("; ")),
            is_final: true,
        })
    }

    /// A Secret that a Provider names and that is not there.
    pub(crate) fn secret_missing(secret: &ObjectKey) -> Self {
        Self::heals(
            "SecretNotFound",
            format!(
                "secret `{secret}` does not exist; create it, or correct the reference in the spec"
            ),
        )
    }
}

/// What a Provider's own text says about it.
pub(crate) fn provider(record: &ProviderRecord) -> Verdict {
    match &record.entry {
        ProviderEntry::Valid(_) => Ok(()),
        ProviderEntry::Invalid(problems) => match Fault::of_problems(problems.iter()) {
            Some(fault) => Err(fault),
            None => Ok(()),
        },
    }
}

/// What surrounds an Alert.
pub(crate) struct Surroundings<'a> {
    /// Sources in other namespaces are refused.
    pub(crate) no_cross_namespace_references: bool,
    /// The verdict on a Provider; `None` if there is no such Provider.
    pub(crate) provider: &'a dyn Fn(&ObjectKey) -> Option<Verdict>,
    /// Why labels of a kind cannot be known.
    pub(crate) labels: &'a dyn Fn(&str) -> Option<String>,
}

/// Whether an Alert is in use; the first rule that says no wins.
pub(crate) fn alert(record: &AlertRecord, around: &Surroundings<'_>) -> Verdict {
    if let Some(fault) = Fault::of_problems(record.problems.iter()) {
        return Err(fault);
    }
    let Some(alert) = &record.alert else {
        return Ok(());
    };
    let namespace = &record.observed.key.namespace;
    if around.no_cross_namespace_references {
        let foreign = alert
            .sources
            .iter()
            .position(|source| source.namespace != *namespace);
        if let Some(index) = foreign {
            let message = format!(
                "spec.eventSources[{index}]: references to other namespaces are not permitted here \
                 (--no-cross-namespace-refs); put an Alert into the namespace of the objects instead"
            );
            return Err(Fault {
                is_final: true,
                ..Fault::heals("AccessDenied", message)
            });
        }
    }
    match (around.provider)(&alert.provider) {
        None => {
            let message = format!(
                "provider `{}` does not exist; create it in this namespace, or correct \
                 spec.providerRef.name",
                alert.provider
            );
            return Err(Fault::heals("ProviderNotFound", message));
        }
        Some(Err(fault)) => {
            let message = format!(
                "provider `{}` is not ready: {}",
                alert.provider, fault.message
            );
            return Err(Fault::heals("ProviderNotReady", message));
        }
        Some(Ok(())) => {}
    }
    let unlabelled = alert
        .sources
        .iter()
        .enumerate()
        .filter(|(_, source)| !alert.suspend && source.match_labels.is_some())
        .find_map(|(index, source)| Some((index, (around.labels)(&source.kind)?)));
    if let Some((index, reason)) = unlabelled {
        let message =
            format!("spec.eventSources[{index}].matchLabels: labels cannot be looked up: {reason}");
        return Err(Fault::heals("LabelsUnavailable", message));
    }
    Ok(())
}

fn cut(text: &str) -> String {
    if text.len() <= LONGEST_MESSAGE {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST_MESSAGE);
    let mut short = text.get(..end).unwrap_or_default().to_owned();
    short.push('…');
    short
}

#[cfg(test)]
mod tests;
