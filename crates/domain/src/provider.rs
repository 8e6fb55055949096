//! A user's destination, proven usable, and what a provider type can do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use api::{ObjectKey, Problem, Provider};
use expr::cel::{OutputType, Program};
use serde_json::Value;

use crate::Validated;
use crate::alert::uid_or_derived;
use crate::ports::KindDirectory;

/// How long one attempt may take when `spec.timeout` is absent.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// What sort of destination a type is. For people and documentation; rules read [`Capabilities`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Messages for people.
    Chat,
    /// Check marks on commits.
    CommitStatus,
    /// Comments on pull and merge requests.
    ChangeRequest,
    /// Incidents that open and close.
    Incident,
    /// Message brokers and event streams.
    Stream,
    /// Traces.
    Trace,
    /// The event itself, to a webhook.
    Forward,
}

/// What a type makes of an event with reason `Progressing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progressing {
    /// Sends it like any other event.
    Sent,
    /// Has nothing to say about what is still under way, so it is not sent.
    Skipped,
}

/// Which events a type takes, as its entry in the list of types says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What sort of destination it is.
    pub family: Family,
    /// Takes events that exist only to refresh a commit status.
    pub commit_status_updates: bool,
    /// Writes commit statuses: needs a commit and a status id, and `commitStatusExpr` is allowed.
    pub commit_status: bool,
    /// Needs a change request number.
    pub change_request: bool,
    /// What it makes of `Progressing`.
    pub progressing: Progressing,
    /// Information that nobody wants hours later: settled as expired instead of sent late.
    pub expires: bool,
    /// Kinds of involved objects whose events it leaves out.
    pub skipped_kinds: &'static [&'static str],
}

/// A Provider that can be sent to. Secrets are read when an attempt starts.
#[derive(Clone)]
pub struct ValidProvider {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The uid as given, or one derived from kind, namespace and name.
    pub uid: String,
    /// The type's name, one of the list.
    pub kind: String,
    /// What that type can do.
    pub capabilities: Capabilities,
    /// Time limit of one attempt.
    pub timeout: Duration,
    /// The compiled `commitStatusExpr`.
    pub commit_status_expression: Option<Program>,
    /// The rest of the specification.
    pub spec: Arc<Provider>,
    /// Changes whenever the object changes.
    pub version: u64,
}

impl fmt::Debug for ValidProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may be a secret.
        formatter
            .debug_struct("ValidProvider")
            .field("key", &self.key)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl ValidProvider {
    /// Checks a Provider against its type.
    pub fn validate(provider: &Provider, kinds: &dyn KindDirectory) -> Validated<Self> {
        let mut problems = Vec::new();
        let spec = provider.object.get("spec");
        match spec {
            Some(spec) => api::schema::check(spec, &api::schema::PROVIDER, "spec", &mut problems),
            None => problems.push(Problem::error("spec", "is required")),
        }
        let capabilities = kinds.capabilities(&provider.kind);
        if capabilities.is_none() && spec.and_then(|spec| spec.get("type")?.as_str()).is_some() {
            problems.push(unknown_type(&provider.kind, kinds));
        }
        let is_commit_status = capabilities.is_some_and(|found| found.commit_status);
        if capabilities.is_some()
            && spec.is_some_and(|spec| {
                api::schema::is_commit_status_rule_broken(spec, is_commit_status)
            })
        {
            problems.push(Problem::error(
                "spec.commitStatusExpr",
                "is only supported for commit status types",
            ));
        }
        if capabilities.is_some() {
            problems.extend(kinds.check(provider));
        }
        let expression = provider
            .commit_status_expression
            .as_deref()
            .and_then(|source| {
                compile_commit_status(source)
                    .map_err(|problem| problems.push(problem))
                    .ok()
            });
        let (Some(capabilities), false) = (capabilities, problems.iter().any(Problem::is_error))
        else {
            return Validated {
                value: None,
                problems,
            };
        };
        let timeout = provider
            .timeout
            .as_deref()
            .and_then(|text| api::duration::parse(text).ok())
            // A limit of zero would fail every attempt; nobody means that.
            .filter(|timeout| !timeout.is_zero())
            .unwrap_or(DEFAULT_TIMEOUT);
        let value = Self {
            key: provider.meta.key.clone(),
            uid: uid_or_derived(&provider.meta.uid, "Provider", &provider.meta.key),
            kind: provider.kind.clone(),
            capabilities,
            timeout,
            commit_status_expression: expression,
            version: version_of(&provider.object),
            spec: Arc::new(provider.clone()),
        };
        Validated {
            value: Some(value),
            problems,
        }
    }

    /// Whether the user switched it off.
    pub fn is_suspended(&self) -> bool {
        self.spec.suspend
    }
}

fn compile_commit_status(source: &str) -> Result<Program, Problem> {
    Program::compile(source, &["event", "alert", "provider"], OutputType::String)
        .map_err(|error| Problem::error("spec.commitStatusExpr", error.to_string()))
}

fn unknown_type(kind: &str, kinds: &dyn KindDirectory) -> Problem {
    let shown: String = kind.chars().take(64).collect();
    Problem::error(
        "spec.type",
        format!("provider type `{shown}` is not supported"),
    )
    .with_hint(format!("supported types: {}", kinds.names().join(", ")))
}

pub(crate) fn version_of(object: &Value) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    object.to_string().hash(&mut hasher);
    hasher.finish()
}
