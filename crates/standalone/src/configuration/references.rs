//! Problems between objects: who needs what is not there, or reads it under a name of old.

use api::{ObjectKey, Problem, SecretData};
use domain::catalog::ProviderEntry;

use super::{Configuration, Entry, FileProblem, Reference};

/// Most names that a hint lists.
const NAMES_SHOWN: usize = 10;

/// Keys of TLS material under their names of old, and what they are called now
/// (`providers-common.md` C4.2).
const RENAMED: [(&str, &str); 3] = [
    ("caFile", "ca.crt"),
    ("certFile", "tls.crt"),
    ("keyFile", "tls.key"),
];

impl Configuration {
    pub(super) fn reference_problems(&self) -> Vec<FileProblem> {
        let mut problems = Vec::new();
        for (key, entry) in &self.alerts {
            for reference in &entry.references {
                if !self.providers.contains_key(&reference.target) {
                    let names = names_in(self.providers.keys(), &key.namespace);
                    let problem = missing(reference, "Provider").with_hint(match names {
                        Some(names) => format!("providers in {}: {names}", key.namespace),
                        None => format!("there is no Provider in namespace {}", key.namespace),
                    });
                    problems.push(at("Alert", key, entry, reference, problem));
                }
            }
        }
        for (key, entry) in &self.providers {
            self.missing_secrets("Provider", key, entry, &mut problems);
            for reference in &entry.references {
                let secret = self.secrets.get(&reference.target);
                let data = secret.and_then(|secret| secret.value.as_ref());
                let deprecated =
                    data.map(|secret| deprecated_keys(reference, &secret.data, &entry.value));
                for problem in deprecated.into_iter().flatten() {
                    problems.push(at("Provider", key, entry, reference, problem));
                }
            }
        }
        for (key, entry) in &self.receivers {
            self.missing_secrets("Receiver", key, entry, &mut problems);
            for reference in &entry.references {
                if let Some(problem) = self.token_problem(reference) {
                    problems.push(at("Receiver", key, entry, reference, problem));
                }
            }
        }
        problems
    }

    fn missing_secrets<T>(
        &self,
        kind: &str,
        key: &ObjectKey,
        entry: &Entry<T>,
        problems: &mut Vec<FileProblem>,
    ) {
        for reference in &entry.references {
            if !self.secrets.contains_key(&reference.target) {
                let names = names_in(self.secrets.keys(), &key.namespace);
                let problem = missing(reference, "Secret").with_hint(match names {
                    Some(names) => format!("secrets in {}: {names}", key.namespace),
                    None => "add it as a manifest, or as files in the secrets folder: \
                             NAMESPACE/NAME/KEY"
                        .to_owned(),
                });
                problems.push(at(kind, key, entry, reference, problem));
            }
        }
    }

    /// What is wrong with the token of a Receiver.
    fn token_problem(&self, reference: &Reference) -> Option<Problem> {
        let target = &reference.target;
        let token = self.secret(target)?.get("token");
        match token.map(|token| token.expose().as_slice()) {
            None => Some(
                Problem::error(
                    reference.path,
                    format!("the Secret {target} has no key `token`"),
                )
                .with_hint("the token makes the path, and for most types it is what callers sign with"),
            ),
            Some([]) => Some(
                Problem::error(
                    reference.path,
                    format!("the token in the Secret {target} is empty and proves nothing"),
                )
                .with_hint("`openssl rand -hex 32` makes one"),
            ),
            Some([.., b'\n' | b'\r']) => Some(
                Problem::warning(
                    reference.path,
                    format!("the token in the Secret {target} ends with a line break"),
                )
                .with_hint(
                    "it counts as part of the token, and senders can rarely be given one; remove it",
                ),
            ),
            Some(_) => None,
        }
    }
}

fn missing(reference: &Reference, kind: &str) -> Problem {
    let message = format!("there is no {kind} {}", reference.target);
    Problem::error(reference.path, message)
}

/// Keys that still work and should not be used any more, as far as this reference reads them.
fn deprecated_keys(
    reference: &Reference,
    data: &SecretData,
    provider: &ProviderEntry,
) -> Vec<Problem> {
    let is_read = |key: &str| data.get(key).is_some();
    let warning = |key: &str, advice: String| {
        let message = format!("key `{key}` of Secret {} is deprecated", reference.target);
        Problem::warning(reference.path, message).with_hint(advice)
    };
    let mut problems = Vec::new();
    let holds_tls = match reference.path {
        "spec.certSecretRef.name" => true,
        // Only these types look for TLS material among their credentials.
        "spec.secretRef.name" => {
            if is_read("proxy") {
                problems.push(warning("proxy", "use `proxySecretRef`".to_owned()));
            }
            provider.valid().is_some_and(|provider| {
                provider.capabilities.commit_status && provider.spec.certificate_secret.is_none()
            })
        }
        _ => false,
    };
    if holds_tls {
        // A key of the new name wins, so that the old one is not read.
        let renamed = RENAMED.iter();
        let renamed = renamed.filter(|(old, new)| is_read(old) && !is_read(new));
        problems.extend(renamed.map(|(old, new)| warning(old, format!("call it `{new}`"))));
    }
    problems
}

fn at<T>(
    kind: &str,
    key: &ObjectKey,
    entry: &Entry<T>,
    reference: &Reference,
    problem: Problem,
) -> FileProblem {
    FileProblem {
        file: entry.origin.file.clone(),
        position: Some(reference.position),
        object: Some(format!("{kind} {key}")),
        problem,
    }
}

/// The names of one namespace as a text; `None` if there are none. Keys come in order.
fn names_in<'a>(keys: impl Iterator<Item = &'a ObjectKey>, namespace: &str) -> Option<String> {
    let mut names: Vec<_> = keys
        .filter(|key| key.namespace == namespace)
        .map(|key| key.name.as_str())
        .take(NAMES_SHOWN + 1)
        .collect();
    if names.len() > NAMES_SHOWN {
        names.truncate(NAMES_SHOWN);
        names.push("…");
    }
    (!names.is_empty()).then(|| names.join(", "))
}
