//! A user's incoming webhook, proven usable: what it may trigger, its filters, whose tokens it takes.
//!
//! Whether a call is genuine is decided by the type's implementation; what a genuine one touches,
//! and what the object's status says, is decided here.

pub mod filter;
pub mod issuer;
pub mod kept;
pub mod path;
pub mod status;
pub mod target;

use std::fmt;
use std::time::Duration;

use api::schema::{self, RECEIVER, RECEIVER_RULES};
use api::{ObjectKey, Problem, Receiver};

use crate::Validated;
use crate::alert::uid_or_derived;
use crate::provider::version_of;

pub use filter::{Filter, FilterError};
pub use issuer::Issuer;
pub use path::PathDigest;
pub use target::{Select, Target, TargetFault};

/// How often a Receiver is looked at again when `spec.interval` is absent.
pub const DEFAULT_INTERVAL: Duration = Duration::from_mins(10);

/// The types that look at `spec.events`; the others ignore it (`receivers.md` section 4).
pub const EVENT_TYPES: [&str; 4] = ["bitbucket", "cdevents", "github", "gitlab"];

/// The type that takes tokens of OIDC issuers and has no Secret.
pub const OIDC_TYPE: &str = "generic-oidc";

/// Rules of the installation that apply to every Receiver.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiverRules {
    /// Only objects of the Receiver's own namespace may be named.
    pub no_cross_namespace_references: bool,
}

/// A Receiver that can be served. Its token is no part of it.
#[derive(Clone)]
pub struct ValidReceiver {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The uid as given, or one derived from kind, namespace and name.
    pub uid: String,
    /// The type's name.
    pub kind: String,
    /// How often it is looked at again; zero means only when it changes.
    pub interval: Duration,
    /// Names of events it takes; empty takes all.
    pub events: Vec<String>,
    /// What a call touches, entry by entry; an entry that can never work says why.
    pub targets: Vec<Result<Target, TargetFault>>,
    /// The filter for all entries.
    pub filter: Option<Filter>,
    /// The Secret with its token, in its own namespace; `None` for the type without one.
    pub secret: Option<ObjectKey>,
    /// Whose tokens it takes.
    pub issuers: Vec<Issuer>,
    /// Whether it is switched off.
    pub suspend: bool,
    /// Changes whenever the object changes.
    pub version: u64,
}

impl fmt::Debug for ValidReceiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ValidReceiver")
            .field("key", &self.key)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Why a Receiver cannot be served until its specification changes, in the reference's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which of the reference's reasons it is.
    pub reason: FaultReason,
    /// The words behind `Reconciliation failed terminally due to configuration error: `.
    pub detail: String,
    /// The field that is wrong.
    path: String,
    /// What is wrong with that field, for someone who looks at it.
    message: String,
}

/// The reason of a condition about a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultReason {
    /// An expression does not compile.
    InvalidExpression,
    /// Fields do not fit each other, or a value is not allowed.
    ValidationFailed,
}

impl FaultReason {
    /// The word in the condition.
    pub fn label(self) -> &'static str {
        match self {
            Self::InvalidExpression => "InvalidCELExpression",
            Self::ValidationFailed => "ValidationFailed",
        }
    }
}

impl Fault {
    fn expression(path: impl Into<String>, prefix: &str, words: &str) -> Self {
        Self {
            reason: FaultReason::InvalidExpression,
            detail: format!("{prefix}{words}"),
            path: path.into(),
            message: words.to_owned(),
        }
    }

    fn validation(path: impl Into<String>, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            reason: FaultReason::ValidationFailed,
            path: path.into(),
            message: detail.clone(),
            detail,
        }
    }

    /// An object that cannot be read or checked at all.
    pub fn of_problem(problem: &Problem) -> Self {
        Self::validation(&problem.path, problem.to_string())
    }

    fn problem(&self) -> Problem {
        Problem::error(&self.path, &self.message)
    }
}

/// What checking a Receiver led to.
#[derive(Clone, Debug)]
pub struct CheckedReceiver {
    /// The Receiver, if it can be served, and everything that is wrong with it.
    pub validated: Validated<ValidReceiver>,
    /// The first thing that keeps it from being served, for its status.
    pub fault: Option<Fault>,
}

impl ValidReceiver {
    /// Checks a Receiver. Order and words of faults: `receivers.md` section 9.3.
    pub fn validate(receiver: &Receiver, rules: ReceiverRules) -> CheckedReceiver {
        let mut faults = Vec::new();
        let is_oidc = receiver.kind == OIDC_TYPE;
        let filter = receiver.resource_filter.as_deref().and_then(|source| {
            let prefix = "invalid resourceFilter expression: ";
            compile(source, is_oidc, "spec.resourceFilter", prefix, &mut faults)
        });
        let targets = targets(receiver, rules, &mut faults);
        coherence(receiver, &mut faults);
        let issuers = issuer::validate(&receiver.oidc_providers, &mut faults);

        let mut problems = schema_problems(receiver);
        // The same defect is not told twice: the schema names field and limits, so it goes first.
        for fault in &faults {
            let is_known = |problem: &Problem| {
                problem.is_error() && !fault.path.is_empty() && problem.path == fault.path
            };
            if !problems.iter().any(is_known) {
                problems.push(fault.problem());
            }
        }
        if faults.is_empty()
            && let Some(problem) = problems.iter().find(|problem| problem.is_error())
        {
            // What the API server would have refused, had it known these rules.
            faults.push(Fault::validation(&problem.path, problem.to_string()));
        }
        problems.extend(warnings(receiver, &targets));
        let fault = faults.into_iter().next();
        let value = fault.is_none().then(|| Self {
            key: receiver.meta.key.clone(),
            uid: uid_or_derived(&receiver.meta.uid, "Receiver", &receiver.meta.key),
            kind: receiver.kind.clone(),
            interval: interval(receiver),
            events: receiver.events.clone(),
            targets,
            filter,
            secret: receiver
                .secret
                .as_ref()
                .map(|name| ObjectKey::new(&receiver.meta.key.namespace, name)),
            issuers,
            suspend: receiver.suspend,
            version: version_of(&receiver.object),
        });
        CheckedReceiver {
            validated: Validated { value, problems },
            fault,
        }
    }

    /// Whether an event of this name is taken, by the letters alone: case does not matter.
    pub fn takes_event(&self, name: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|event| same_folded(event, name))
    }

    /// Whether any filter wants to see what was sent.
    pub fn has_filters(&self) -> bool {
        let of_targets = self.targets.iter().flatten();
        self.filter.is_some() || of_targets.into_iter().any(|target| target.filter.is_some())
    }
}

/// Go's `strings.EqualFold` for what occurs in names of events: simple case folding of Unicode.
fn same_folded(left: &str, right: &str) -> bool {
    let fold = |character: char| match character {
        // Two letters that fold to ASCII although lower-casing leaves one of them alone.
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        character => {
            let mut lower = character.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(only), None) => only,
                _ => character,
            }
        }
    };
    left.chars().map(fold).eq(right.chars().map(fold))
}

fn interval(receiver: &Receiver) -> Duration {
    let written = receiver.interval.as_deref();
    written
        .and_then(|text| api::duration::parse(text).ok())
        .unwrap_or(DEFAULT_INTERVAL)
}

fn compile(
    source: &str,
    is_oidc: bool,
    path: &str,
    prefix: &str,
    faults: &mut Vec<Fault>,
) -> Option<Filter> {
    match Filter::compile(source, is_oidc) {
        Ok(filter) => Some(filter),
        Err(error) => {
            let words = filter::words(source, &error);
            faults.push(Fault::expression(path, prefix, &words));
            None
        }
    }
}

fn targets(
    receiver: &Receiver,
    rules: ReceiverRules,
    faults: &mut Vec<Fault>,
) -> Vec<Result<Target, TargetFault>> {
    let is_oidc = receiver.kind == OIDC_TYPE;
    let entries = receiver.resources.iter().enumerate();
    entries
        .map(|(index, entry)| {
            let filter = entry.filter.as_deref().and_then(|source| {
                let prefix = format!(
                    "invalid filter expression for resources[{index}] (kind=\"{}\", name=\"{}\"): ",
                    entry.kind, entry.name
                );
                let path = format!("spec.resources[{index}].filter");
                compile(source, is_oidc, &path, &prefix, faults)
            });
            let own = &receiver.meta.key.namespace;
            Target::of(entry, own, rules).map(|target| Target { filter, ..target })
        })
        .collect()
}

fn coherence(receiver: &Receiver, faults: &mut Vec<Fault>) {
    let is_oidc = receiver.kind == OIDC_TYPE;
    let has_secret = receiver.secret.is_some();
    let has_issuers = !receiver.oidc_providers.is_empty();
    let mut add = |field: &str, words: &str| {
        faults.push(Fault::validation(format!("spec.{field}"), words));
    };
    if is_oidc && !has_issuers {
        add(
            "oidcProviders",
            "generic-oidc receiver requires at least one oidcProvider",
        );
    }
    if !is_oidc && has_issuers {
        add(
            "oidcProviders",
            "oidcProviders can only be set when type is generic-oidc",
        );
    }
    if is_oidc && has_secret {
        add(
            "secretRef",
            "secretRef cannot be set when type is generic-oidc",
        );
    }
    if !is_oidc && !has_secret {
        add(
            "secretRef",
            "secretRef is required when type is not generic-oidc",
        );
    }
}

fn schema_problems(receiver: &Receiver) -> Vec<Problem> {
    let mut problems = Vec::new();
    match receiver.object.get("spec") {
        Some(spec) => {
            schema::check(spec, &RECEIVER, "spec", &mut problems);
            // Rules over several fields mean nothing to fields of the wrong type.
            if !problems.iter().any(Problem::is_error) {
                let broken = RECEIVER_RULES.iter().filter(|rule| !(rule.holds)(spec));
                problems.extend(
                    broken.map(|rule| Problem::error(format!("spec.{}", rule.field), rule.message)),
                );
            }
        }
        None => problems.push(Problem::error("spec", "is required")),
    }
    problems
}

/// What is allowed and yet not what its author may think.
fn warnings(receiver: &Receiver, targets: &[Result<Target, TargetFault>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, (entry, target)) in receiver.resources.iter().zip(targets).enumerate() {
        let path = |field: &str| format!("spec.resources[{index}].{field}");
        match target {
            Err(fault) => problems.push(fault.problem(index)),
            Ok(target) if target.select == Select::Nothing => problems.push(
                Problem::warning(path("matchLabels"), "no object can carry these labels")
                    .with_hint("labels have at most 63 letters, digits, `-`, `_` and `.`"),
            ),
            Ok(_) if entry.name != "*" && entry.match_labels.is_some() => problems.push(
                Problem::warning(
                    path("matchLabels"),
                    "has no effect on an object with a name",
                )
                .with_hint("use the name `*` to select by labels"),
            ),
            Ok(_) => {}
        }
    }
    if !receiver.events.is_empty() && !EVENT_TYPES.contains(&receiver.kind.as_str()) {
        problems.push(
            Problem::warning("spec.events", "is ignored by this type")
                .with_hint("use spec.resourceFilter to choose by the content of a call"),
        );
    }
    problems
}

#[cfg(test)]
mod tests;
