//! Whether an object is in use, and if not, what is wrong and how to fix it: pure.

use api::{ObjectKey, Problem};
use domain::catalog::ProviderEntry;

use crate::world::{AlertRecord, ProviderRecord};

/// The longest message of ours; the API takes more, people do not.
const LONGEST_MESSAGE: usize = 2048;

/// So many problems are named; how many more there are is said.
const MOST_NAMED: usize = 3;

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

    fn of_problem(problem: &Problem) -> Self {
        let message = match &problem.hint {
            Some(hint) => format!("{problem} ({hint})"),
            None => problem.to_string(),
        };
        Self {
            reason: "ValidationFailed",
            message,
            is_final: true,
        }
    }

    /// All of them as one, with the first one's reason; `None` if there are none.
    pub(crate) fn together(faults: Vec<Self>) -> Option<Self> {
        let count = faults.len();
        let mut texts = faults.iter().take(MOST_NAMED).map(|fault| &*fault.message);
        let mut message = texts.next()?.to_owned();
        for text in texts {
            message.push_str("; ");
            message.push_str(text);
        }
        if count > MOST_NAMED {
            message = format!("{}; and {} more", cut(&message), count - MOST_NAMED);
        }
        let first = faults.into_iter().next()?;
        Some(Self {
            message: cut(&message),
            ..first
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
        ProviderEntry::Invalid(problems) => verdict(faults_of(problems)),
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

/// Whether an Alert is in use; everything that says no is named, what only a change of the Alert heals
/// first.
pub(crate) fn alert(record: &AlertRecord, around: &Surroundings<'_>) -> Verdict {
    let mut faults = faults_of(&record.problems);
    let Some(alert) = &record.alert else {
        return verdict(faults);
    };
    let namespace = &record.observed.key.namespace;
    if around.no_cross_namespace_references {
        let sources = alert.sources.iter().enumerate();
        let foreign = sources.filter(|(_, source)| source.namespace != *namespace);
        faults.extend(foreign.map(|(index, _)| {
            let message = format!(
                "spec.eventSources[{index}]: references to other namespaces are not permitted here \
                 (--no-cross-namespace-refs); put an Alert into the namespace of the objects instead"
            );
            Fault {
                is_final: true,
                ..Fault::heals("AccessDenied", message)
            }
        }));
    }
    match (around.provider)(&alert.provider) {
        None => {
            let message = format!(
                "provider `{}` does not exist; create it in this namespace, or correct \
                 spec.providerRef.name",
                alert.provider
            );
            faults.push(Fault::heals("ProviderNotFound", message));
        }
        Some(Err(fault)) => {
            let message = format!(
                "provider `{}` is not ready: {}",
                alert.provider, fault.message
            );
            faults.push(Fault::heals("ProviderNotReady", message));
        }
        Some(Ok(())) => {}
    }
    let unlabelled = alert
        .sources
        .iter()
        .enumerate()
        .filter(|(_, source)| !alert.suspend && source.match_labels.is_some())
        .filter_map(|(index, source)| Some((index, (around.labels)(&source.kind)?)));
    faults.extend(unlabelled.map(|(index, reason)| {
        let message =
            format!("spec.eventSources[{index}].matchLabels: labels cannot be looked up: {reason}");
        Fault::heals("LabelsUnavailable", message)
    }));
    verdict(faults)
}

fn faults_of(problems: &[Problem]) -> Vec<Fault> {
    let errors = problems.iter().filter(|problem| problem.is_error());
    errors.map(Fault::of_problem).collect()
}

/// That of everything that says no.
pub(crate) fn verdict(faults: Vec<Fault>) -> Verdict {
    Fault::together(faults).map_or(Ok(()), Err)
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
