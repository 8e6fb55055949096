//! One event against one Alert: does it match, and if not, which rule said no first.
//!
//! Order of the rules: `event-server.md` section 5.

use std::collections::BTreeMap;

use api::{EventSource, ObjectReference};

use crate::{CleanEvent, ValidAlert};

use super::SeverityFilter;

/// Why an Alert does not take an event. The labels are an interface: they are in metrics, in
/// `explain` and in stored dispositions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoMatchReason {
    /// The Alert is suspended.
    AlertSuspended,
    /// No source names this kind, namespace and name.
    Source,
    /// A source fits, but the Alert takes only errors.
    Severity,
    /// A source fits, but the object lacks its labels.
    Labels,
    /// A source asks for labels and the object could not be read.
    LabelsUnknown,
    /// No expression of the inclusion list matches the message.
    NotIncluded,
    /// An expression of the exclusion list matches the message.
    Excluded,
}

impl NoMatchReason {
    /// The stable label.
    pub fn label(self) -> &'static str {
        match self {
            Self::AlertSuspended => "alert_suspended",
            Self::Source => "source",
            Self::Severity => "severity",
            Self::Labels => "labels",
            Self::LabelsUnknown => "labels_unknown",
            Self::NotIncluded => "not_included",
            Self::Excluded => "excluded",
        }
    }

    /// The reason in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::AlertSuspended => "the alert is suspended",
            Self::Source => "no event source names this kind, namespace and name",
            Self::Severity => "the alert takes only events of severity error",
            Self::Labels => "the object does not carry the labels in matchLabels",
            Self::LabelsUnknown => "matchLabels is set and the object's labels are not known",
            Self::NotIncluded => "no expression of inclusionList matches the message",
            Self::Excluded => "an expression of exclusionList matches the message",
        }
    }
}

/// The answer for one Alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchResult {
    /// The Alert takes the event.
    Match,
    /// It does not, and this is why.
    NoMatch(NoMatchReason),
    /// It depends on the object's labels, which must be looked up first.
    NeedsLabels,
}

/// What is known of the involved object's labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labels {
    /// Nobody asked yet.
    NotAsked,
    /// The object has these.
    Known(BTreeMap<String, String>),
    /// The object does not exist or could not be read.
    Unknown,
}

/// Evaluates one Alert.
pub fn evaluate(event: &CleanEvent, alert: &ValidAlert, labels: &Labels) -> MatchResult {
    if alert.suspend {
        return MatchResult::NoMatch(NoMatchReason::AlertSuspended);
    }
    match evaluate_sources(event, alert, labels) {
        MatchResult::NoMatch(reason) => MatchResult::NoMatch(reason),
        // The message rules need no look-up; let them say no first.
        sources => match evaluate_message(&event.event().message, alert) {
            MatchResult::Match => sources,
            no => no,
        },
    }
}

fn evaluate_sources(event: &CleanEvent, alert: &ValidAlert, labels: &Labels) -> MatchResult {
    let object = &event.event().involved_object;
    let takes_severity = alert.severity == SeverityFilter::Info || event.event().is_error();
    let mut best = MatchResult::NoMatch(NoMatchReason::Source);
    for source in alert.sources.iter().filter(|source| names(source, object)) {
        if !takes_severity {
            return MatchResult::NoMatch(NoMatchReason::Severity);
        }
        let Some(wanted) = &source.match_labels else {
            return MatchResult::Match;
        };
        match labels {
            Labels::NotAsked => best = MatchResult::NeedsLabels,
            Labels::Unknown => best = MatchResult::NoMatch(NoMatchReason::LabelsUnknown),
            Labels::Known(labels) => {
                if wanted
                    .iter()
                    .all(|(key, value)| labels.get(key) == Some(value))
                {
                    return MatchResult::Match;
                }
                best = MatchResult::NoMatch(NoMatchReason::Labels);
            }
        }
    }
    best
}

fn names(source: &EventSource, object: &ObjectReference) -> bool {
    source.namespace == object.namespace
        && source.kind == object.kind
        && (source.name == "*" || source.name == object.name)
}

fn evaluate_message(message: &str, alert: &ValidAlert) -> MatchResult {
    let matches = |patterns: &[expr::regex::Pattern]| {
        patterns.iter().any(|pattern| pattern.is_match(message))
    };
    if alert.has_inclusions && !matches(&alert.inclusions) {
        return MatchResult::NoMatch(NoMatchReason::NotIncluded);
    }
    if matches(&alert.exclusions) {
        return MatchResult::NoMatch(NoMatchReason::Excluded);
    }
    MatchResult::Match
}
