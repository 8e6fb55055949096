//! Puts one manifest into the configuration, or says why it has no place there.

use std::path::Path;
use std::sync::Arc;

use api::manifest::Manifest;
use api::schema::{self, Shape, TextFormat, TextRules};
use api::{Alert, GROUP, ObjectKey, ObjectMeta, Problem, Provider, Receiver};
use domain::catalog::ProviderEntry;
use domain::{ValidAlert, ValidProvider, ValidReceiver};
use serde_json::Value;

use super::{Reading, identity, secret};
use crate::configuration::{Described, Entry, ObjectIdentity, Origin, Reference};

/// Namespace of objects that name none, as with `kubectl`.
const DEFAULT_NAMESPACE: &str = "default";
/// Served versions of Providers and Alerts.
const VERSIONS: [&str; 3] = ["v1beta3", "v1beta2", "v1beta1"];
/// Versions of Receivers.
const RECEIVER_VERSIONS: [&str; 3] = ["v1", "v1beta2", "v1beta1"];

const TEXT: Shape = Shape::Text(TextRules {
    min_length: 0,
    max_length: None,
    format: TextFormat::Any,
});

/// Most problems that are listed of one object.
const PROBLEMS_LIMIT: usize = 100;

/// What we make of a kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Provider,
    Alert,
    Receiver,
    Secret,
    /// Only its metadata matters.
    Other,
}

/// A manifest on its way in.
struct Candidate<'file> {
    manifest: Manifest,
    file: &'file Arc<Path>,
    key: ObjectKey,
    title: String,
}

impl Candidate<'_> {
    fn entry<T>(&self, value: T, references: Vec<Reference>) -> Entry<T> {
        Entry {
            value,
            origin: Origin {
                file: self.file.clone(),
                position: Some(self.manifest.positions.root()),
            },
            references,
        }
    }

    fn reference(&self, path: &'static str, name: &str) -> Reference {
        Reference {
            path,
            position: self.manifest.positions.of(path),
            target: ObjectKey::new(&self.key.namespace, name),
        }
    }
}

impl Reading<'_> {
    pub(super) fn admit(&mut self, mut manifest: Manifest, file: &Arc<Path>) {
        let (group, kind, role) = match role(&manifest.object) {
            Ok(found) => found,
            Err(problem) => {
                let position = manifest.positions.of(&problem.path);
                return self.broken(file, position, None, problem);
            }
        };
        default_namespace(&mut manifest.object);
        let meta = ObjectMeta::from_object(&manifest.object);
        if role == Role::Other && meta.key.name.is_empty() {
            // Such as `kustomization.yaml`: no object of a cluster.
            return;
        }
        let identity = ObjectIdentity {
            group,
            kind,
            key: meta.key.clone(),
        };
        let candidate = Candidate {
            manifest,
            file,
            key: meta.key.clone(),
            title: identity.title(),
        };
        let problems = metadata_problems(&candidate.manifest.object, role);
        let is_refused = problems.iter().any(Problem::is_error);
        self.problems_of(&candidate, problems);
        if is_refused {
            self.configuration.damaged.push(file.clone());
            return;
        }
        if role != Role::Secret {
            let described = Described::of(&candidate.manifest.object, meta);
            let entry = candidate.entry(described, Vec::new());
            if let Some(first) = self.configuration.objects.get(&identity) {
                let origin = first.origin.clone();
                return self.duplicate(&candidate, &origin, role);
            }
            self.configuration.objects.insert(identity, entry);
        }
        match role {
            Role::Provider => self.provider(candidate),
            Role::Alert => self.alert(candidate),
            Role::Secret => self.secret(&candidate),
            Role::Receiver => self.receiver(candidate),
            Role::Other => {}
        }
    }

    fn provider(&mut self, mut candidate: Candidate<'_>) {
        let object = Arc::new(candidate.manifest.object.take());
        let provider = Provider::from_object(object);
        let validated = ValidProvider::validate(&provider, self.kinds);
        let references = [
            ("spec.secretRef.name", &provider.secret),
            ("spec.certSecretRef.name", &provider.certificate_secret),
            ("spec.proxySecretRef.name", &provider.proxy_secret),
        ]
        .into_iter()
        .filter_map(|(path, name)| Some(candidate.reference(path, name.as_deref()?)))
        .collect();
        self.problems_of(&candidate, validated.problems.clone());
        let value = match validated.value {
            Some(value) => ProviderEntry::Valid(Arc::new(value)),
            None => ProviderEntry::Invalid(Arc::new(validated.problems)),
        };
        let entry = candidate.entry(value, references);
        self.configuration.providers.insert(candidate.key, entry);
    }

    fn alert(&mut self, mut candidate: Candidate<'_>) {
        let object = Arc::new(candidate.manifest.object.take());
        let alert = Alert::from_object(object);
        let mut validated = ValidAlert::validate(&alert);
        if validated.value.is_some() && alert.sources.is_empty() {
            validated.problems.push(Problem::warning(
                "spec.eventSources",
                "is empty, so that the Alert matches nothing",
            ));
        }
        let references = if alert.provider.is_empty() && validated.value.is_none() {
            Vec::new()
        } else {
            vec![candidate.reference("spec.providerRef.name", &alert.provider)]
        };
        self.problems_of(&candidate, validated.problems);
        let entry = candidate.entry(validated.value.map(Arc::new), references);
        self.configuration.alerts.insert(candidate.key, entry);
    }

    fn receiver(&mut self, mut candidate: Candidate<'_>) {
        let object = Arc::new(candidate.manifest.object.take());
        let receiver = Receiver::from_object(object);
        let validated = ValidReceiver::validate(&receiver, self.rules).validated;
        let reference = |name: &str| candidate.reference("spec.secretRef.name", name);
        let references = receiver.secret.as_deref().map(reference);
        let references = references.into_iter().collect();
        self.problems_of(&candidate, validated.problems);
        let entry = candidate.entry(validated.value.map(Arc::new), references);
        self.configuration.receivers.insert(candidate.key, entry);
    }

    fn secret(&mut self, candidate: &Candidate<'_>) {
        if let Some(first) = self.configuration.secrets.get(&candidate.key) {
            let origin = first.origin.clone();
            return self.duplicate(candidate, &origin, Role::Secret);
        }
        let mut problems = Vec::new();
        let data = secret::data(&candidate.manifest.object, &mut problems);
        let value = problems.is_empty().then(|| secret::versioned(data));
        self.problems_of(candidate, problems);
        let entry = candidate.entry(value, Vec::new());
        self.configuration
            .secrets
            .insert(candidate.key.clone(), entry);
    }

    fn duplicate(&mut self, candidate: &Candidate<'_>, first: &Origin, role: Role) {
        let place = match first.position {
            Some(position) => format!("{}:{position}", first.file.display()),
            None => first.file.display().to_string(),
        };
        let message = format!("is defined twice; the one at {place} is in force");
        // Of other kinds only the labels are used, and copies of them are nothing unusual.
        let problem = if role == Role::Other {
            Problem::warning("", message)
        } else {
            Problem::error("", message)
        };
        self.problems_of(
            candidate,
            vec![problem.with_hint("remove or rename one of them")],
        );
    }

    fn problems_of(&mut self, candidate: &Candidate<'_>, mut problems: Vec<Problem>) {
        if problems.len() > PROBLEMS_LIMIT {
            let message = format!("{} problems, of which the first are listed", problems.len());
            // Errors first: they must not be cut off.
            problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
            problems.truncate(PROBLEMS_LIMIT);
            problems.push(Problem::warning("", message));
        }
        for problem in problems {
            let position = candidate.manifest.positions.of(&problem.path);
            let object = Some(candidate.title.clone());
            self.problem(candidate.file, Some(position), object, problem);
        }
    }
}

/// Group, kind, and what we make of it.
fn role(object: &Value) -> Result<(String, String, Role), Problem> {
    let text = |field: &'static str| match object.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
        None | Some(Value::Null | Value::String(_)) => {
            let problem = Problem::error(field, "is required");
            Err(problem.with_hint("is this a Kubernetes manifest?"))
        }
        Some(_) => Err(Problem::error(field, "expected a string")),
    };
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let role = match (group, kind) {
        (GROUP, "Provider") => Role::Provider,
        (GROUP, "Alert") => Role::Alert,
        (GROUP, "Receiver") => Role::Receiver,
        (GROUP, kind) => {
            let shown: String = kind.chars().take(64).collect();
            let message = format!("there is no kind `{shown}` in {GROUP}");
            return Err(
                Problem::error("kind", message).with_hint("known kinds: Provider, Alert, Receiver")
            );
        }
        ("", "Secret") => Role::Secret,
        _ => Role::Other,
    };
    let served: &[&str] = match role {
        Role::Provider | Role::Alert => &VERSIONS,
        Role::Receiver => &RECEIVER_VERSIONS,
        Role::Secret => &["v1"],
        Role::Other => &[],
    };
    if !served.is_empty() && !served.contains(&version) {
        let shown: String = version.chars().take(64).collect();
        let message = format!("version `{shown}` of {kind} is not served");
        return Err(Problem::error("apiVersion", message)
            .with_hint(format!("served versions: {}", served.join(", "))));
    }
    Ok((group.to_owned(), kind.to_owned(), role))
}

fn default_namespace(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    if matches!(metadata.get("namespace"), None | Some(Value::Null))
        || metadata.get("namespace").and_then(Value::as_str) == Some("")
    {
        metadata.insert("namespace".to_owned(), DEFAULT_NAMESPACE.into());
    }
}

fn metadata_problems(object: &Value, role: Role) -> Vec<Problem> {
    let mut problems = Vec::new();
    // Other kinds have rules of their own.
    if role == Role::Other {
        return problems;
    }
    let metadata = object.get("metadata");
    for (field, shape) in [
        ("name", &TEXT),
        ("namespace", &TEXT),
        ("uid", &TEXT),
        ("labels", &Shape::TextMap),
        ("annotations", &Shape::TextMap),
    ] {
        match metadata.and_then(|metadata| metadata.get(field)) {
            None | Some(Value::Null) => {}
            Some(value) => {
                schema::check(value, shape, &format!("metadata.{field}"), &mut problems);
            }
        }
    }
    if !problems.is_empty() {
        return problems;
    }
    let key = ObjectMeta::from_object(object).key;
    if key.name.is_empty() {
        problems.push(Problem::error("metadata.name", "is required"));
    } else if let Some(message) = identity::name_problem(&key.name) {
        problems.push(Problem::error("metadata.name", message));
    }
    if metadata.is_some_and(Value::is_object)
        && let Some(message) = identity::namespace_problem(&key.namespace)
    {
        problems.push(Problem::error("metadata.namespace", message));
    }
    problems
}
