//! A user's rule, proven usable: sources checked, expressions compiled.

pub mod matching;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Alert, ObjectKey, Problem};
use expr::regex::Pattern;
use serde_json::Value;

use crate::Validated;

/// Which severities an Alert takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeverityFilter {
    /// Everything, `trace` and unknown words included.
    #[default]
    Info,
    /// Only `error`.
    Error,
}

/// An Alert that can be evaluated.
#[derive(Clone, Default)]
pub struct ValidAlert {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The uid as given, or one derived from kind, namespace and name.
    pub uid: String,
    /// The Provider, in the same namespace.
    pub provider: ObjectKey,
    /// Which severities it takes.
    pub severity: SeverityFilter,
    /// Sources; the namespace is filled in.
    pub sources: Vec<api::EventSource>,
    /// Whether there is an inclusion list at all; an event must then match one of its expressions.
    pub has_inclusions: bool,
    /// Compiled inclusion expressions; those that do not compile are left out and reported.
    pub inclusions: Vec<Pattern>,
    /// Compiled exclusion expressions; those that do not compile are left out and reported.
    pub exclusions: Vec<Pattern>,
    /// Metadata it adds.
    pub event_metadata: BTreeMap<String, String>,
    /// Summary it adds.
    pub summary: String,
    /// Whether it is switched off.
    pub suspend: bool,
    /// The whole object, for expressions.
    pub object: Arc<Value>,
}

impl ValidAlert {
    /// Checks an Alert. Expressions that do not compile disable only themselves, as in the
    /// reference: an inclusion list of which nothing compiles includes nothing.
    pub fn validate(alert: &Alert) -> Validated<Self> {
        let mut problems = Vec::new();
        match alert.object.get("spec") {
            Some(spec) => api::schema::check(spec, &api::schema::ALERT, "spec", &mut problems),
            None => problems.push(Problem::error("spec", "is required")),
        }
        if problems.iter().any(Problem::is_error) {
            return Validated {
                value: None,
                problems,
            };
        }
        let namespace = &alert.meta.key.namespace;
        let sources = alert
            .sources
            .iter()
            .enumerate()
            .map(|(index, source)| {
                if source.namespace == "*" {
                    problems.push(
                        Problem::error(
                            format!("spec.eventSources[{index}].namespace"),
                            "`*` is no namespace and matches nothing",
                        )
                        .with_hint("name each namespace in an entry of its own"),
                    );
                }
                let mut source = source.clone();
                if source.namespace.is_empty() {
                    source.namespace.clone_from(namespace);
                }
                source
            })
            .collect();
        let inclusions = compile(&alert.inclusions, "spec.inclusionList", &mut problems);
        let exclusions = compile(&alert.exclusions, "spec.exclusionList", &mut problems);
        let value = Self {
            key: alert.meta.key.clone(),
            uid: uid_or_derived(&alert.meta.uid, "Alert", &alert.meta.key),
            provider: ObjectKey::new(namespace, &alert.provider),
            severity: if alert.severity == api::event::SEVERITY_ERROR {
                SeverityFilter::Error
            } else {
                SeverityFilter::Info
            },
            sources,
            has_inclusions: !alert.inclusions.is_empty(),
            inclusions,
            exclusions,
            event_metadata: alert.event_metadata.clone(),
            summary: alert.summary.clone(),
            suspend: alert.suspend,
            object: alert.object.clone(),
        };
        Validated {
            value: Some(value),
            problems,
        }
    }
}

fn compile(expressions: &[String], path: &str, problems: &mut Vec<Problem>) -> Vec<Pattern> {
    let mut patterns = Vec::with_capacity(expressions.len());
    for (index, expression) in expressions.iter().enumerate() {
        match Pattern::compile(expression) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => problems.push(
                Problem::error(format!("{path}[{index}]"), error.to_string()).with_hint(
                    "expressions are in RE2 syntax; this entry is skipped until it is fixed",
                ),
            ),
        }
    }
    patterns
}

/// The uid as given, else one in the shape of a UUID derived from kind, namespace and name, so that
/// ids made from it stay the same over restarts.
pub fn uid_or_derived(uid: &str, kind: &str, key: &ObjectKey) -> String {
    use std::fmt::Write as _;

    use sha1::{Digest, Sha1};
    if !uid.is_empty() {
        return uid.to_owned();
    }
    let digest = Sha1::digest(format!("fanfare:{kind}/{}/{}", key.namespace, key.name));
    let mut hex = String::with_capacity(32);
    for byte in digest.iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    // Version 5 (name-based), variant bits fixed to `8`.
    format!(
        "{}-{}-5{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}
