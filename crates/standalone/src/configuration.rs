//! Everything that a set of folders says, checked: what is in force and what is wrong.

mod changes;
mod last_good;
mod problem;
mod references;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use api::manifest::Position;
use api::{ObjectKey, ObjectMeta, ObjectReference, SecretData};
use domain::catalog::ProviderEntry;
use domain::ports::VersionedSecret;
use domain::{CatalogSnapshot, ValidAlert, ValidReceiver};
use serde_json::{Value, json};

pub(crate) use changes::changed_providers;
pub use problem::FileProblem;

/// Most problems that are listed.
const PROBLEMS_LIMIT: usize = 10_000;

/// What was read from the folders of a [`crate::Source`].
#[derive(Default)]
pub struct Configuration {
    pub(crate) providers: BTreeMap<ObjectKey, Entry<ProviderEntry>>,
    /// `None` for Alerts that exist and cannot be used.
    pub(crate) alerts: BTreeMap<ObjectKey, Entry<Option<Arc<ValidAlert>>>>,
    /// `None` for Secrets that exist and cannot be used.
    pub(crate) secrets: BTreeMap<ObjectKey, Entry<Option<VersionedSecret>>>,
    /// `None` for Receivers that exist and cannot be used.
    pub(crate) receivers: BTreeMap<ObjectKey, Entry<Option<Arc<ValidReceiver>>>>,
    pub(crate) objects: HashMap<ObjectIdentity, Entry<Described>>,
    /// Files and folders of which something could not be read.
    pub(crate) damaged: Vec<Arc<Path>>,
    /// Problems of single objects and files.
    pub(crate) found: Vec<FileProblem>,
    /// The above and those between objects, in order.
    pub(crate) problems: Vec<FileProblem>,
    pub(crate) files: usize,
    /// Digest of everything that was read.
    pub(crate) content: [u8; 32],
    /// State of the file system right before it was read.
    pub(crate) fingerprint: u64,
}

/// One object with the place it was read from.
#[derive(Clone)]
pub(crate) struct Entry<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
    /// The objects it needs.
    pub(crate) references: Vec<Reference>,
}

/// Where an object was read from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) file: Arc<Path>,
    pub(crate) position: Option<Position>,
}

/// One object's mention of another.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) path: &'static str,
    pub(crate) position: Position,
    pub(crate) target: ObjectKey,
}

/// What tells objects of all kinds apart; versions of a group are the same object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectIdentity {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) key: ObjectKey,
}

/// What is known of an object of any kind.
#[derive(Clone)]
pub(crate) struct Described {
    pub(crate) labels: BTreeMap<String, String>,
    /// `apiVersion`, `kind` and `metadata`.
    pub(crate) summary: Arc<Value>,
}

impl Described {
    pub(crate) fn of(object: &Value, meta: ObjectMeta) -> Self {
        let field = |name: &str| object.get(name).cloned().unwrap_or_default();
        let summary = json!({
            "apiVersion": field("apiVersion"),
            "kind": field("kind"),
            "metadata": field("metadata"),
        });
        Self {
            labels: meta.labels,
            summary: Arc::new(summary),
        }
    }
}

/// How much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Manifest files.
    pub files: usize,
    /// Providers, those with problems included.
    pub providers: usize,
    /// Alerts, those with problems included.
    pub alerts: usize,
    /// Receivers, those with problems included.
    pub receivers: usize,
    /// Secrets, those with problems included.
    pub secrets: usize,
    /// Objects of any other kind.
    pub others: usize,
}

impl Configuration {
    /// The Alerts and Providers as a view for planning. Objects with problems are in it as far as
    /// they can be used.
    pub fn catalog(&self) -> CatalogSnapshot {
        let alerts = self
            .alerts
            .values()
            .filter_map(|entry| entry.value.clone())
            .collect();
        let providers = self
            .providers
            .iter()
            .map(|(key, entry)| (key.clone(), entry.value.clone()))
            .collect();
        CatalogSnapshot::new(alerts, providers)
    }

    /// All problems, in order of file and line; of very many, the worst.
    pub fn problems(&self) -> &[FileProblem] {
        &self.problems
    }

    /// How much was read.
    pub fn counts(&self) -> Counts {
        Counts {
            files: self.files,
            providers: self.providers.len(),
            alerts: self.alerts.len(),
            receivers: self.receivers.len(),
            secrets: self.secrets.len(),
            others: self.objects.len(),
        }
    }

    /// The labels of an object. Group, kind, namespace and name must be the same, the version may
    /// differ; an event that names no `apiVersion` finds nothing, as in the reference.
    pub fn labels(&self, object: &ObjectReference) -> Option<&BTreeMap<String, String>> {
        self.described(object).map(|described| &described.labels)
    }

    /// `apiVersion`, `kind` and `metadata` of an object, found as [`Self::labels`] finds it.
    pub fn summary(&self, object: &ObjectReference) -> Option<&Arc<Value>> {
        self.described(object).map(|described| &described.summary)
    }

    /// The objects of the group, kind and namespace of `like` that carry all labels, in order of
    /// their names, at most `limit`.
    pub fn select(
        &self,
        like: &ObjectReference,
        labels: &BTreeMap<String, String>,
        limit: usize,
    ) -> Vec<Arc<Value>> {
        let mut found: Vec<_> = self
            .objects
            .iter()
            .filter(|(identity, entry)| {
                identity.group == like.group()
                    && identity.kind == like.kind
                    && identity.key.namespace == like.namespace
                    && labels
                        .iter()
                        .all(|(key, value)| entry.value.labels.get(key) == Some(value))
            })
            .collect();
        found.sort_by(|(left, _), (right, _)| left.key.cmp(&right.key));
        found.truncate(limit);
        let summaries = found.into_iter().map(|(_, entry)| &entry.value.summary);
        summaries.cloned().collect()
    }

    /// All Receivers in order of their keys; `None` for those that cannot be used.
    pub fn receivers(&self) -> impl Iterator<Item = (&ObjectKey, Option<&Arc<ValidReceiver>>)> {
        let entries = self.receivers.iter();
        entries.map(|(key, entry)| (key, entry.value.as_ref()))
    }

    /// The data of a Secret; `None` if there is none that can be used.
    pub fn secret(&self, key: &ObjectKey) -> Option<&Arc<SecretData>> {
        let secret = self.secrets.get(key)?.value.as_ref()?;
        Some(&secret.data)
    }

    fn described(&self, object: &ObjectReference) -> Option<&Described> {
        if object.api_version.is_empty() {
            return None;
        }
        let identity = ObjectIdentity {
            group: object.group().to_owned(),
            kind: object.kind.clone(),
            key: ObjectKey::new(&object.namespace, &object.name),
        };
        self.objects.get(&identity).map(|entry| &entry.value)
    }

    /// Adds a problem.
    pub(crate) fn add_problem(&mut self, problem: FileProblem) {
        // However many warnings there are, errors have a place.
        let limit = if problem.problem.is_error() {
            2 * PROBLEMS_LIMIT
        } else {
            PROBLEMS_LIMIT
        };
        if self.found.len() < limit {
            self.found.push(problem);
        }
    }

    /// Puts the list of problems together, those between objects included.
    pub(crate) fn collect_problems(&mut self) {
        let mut problems = self.found.clone();
        problems.extend(self.reference_problems());
        if problems.len() > PROBLEMS_LIMIT {
            problems.sort_by_key(|found| Reverse(found.problem.severity));
            problems.truncate(PROBLEMS_LIMIT);
        }
        problems
            .sort_by(|left, right| (&left.file, left.position).cmp(&(&right.file, right.position)));
        self.problems = problems;
    }
}

impl ObjectIdentity {
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.kind, self.key)
    }
}
