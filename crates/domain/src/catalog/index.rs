//! Look-ups by event source, so that an event costs no more when there are more Alerts that cannot
//! match it.
//!
//! Alerts are filed by namespace and kind, then by name or, for `*`, by the text that their
//! inclusion list requires: one automaton finds all required texts in a message in one pass.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use api::Event;

use crate::ValidAlert;
use crate::alert::SeverityFilter;

/// Index of an Alert in the snapshot's list.
type AlertIndex = u32;

#[derive(Default)]
pub(super) struct Index {
    namespaces: HashMap<String, NamespaceIndex>,
}

#[derive(Default)]
struct NamespaceIndex {
    kinds: HashMap<String, KindIndex>,
    /// Alerts with a source in this namespace, each counted once.
    active: usize,
    suspended: usize,
}

#[derive(Default)]
struct KindIndex {
    /// Alerts that take every severity.
    any_severity: Bucket,
    /// Alerts that take errors only.
    errors_only: Bucket,
}

#[derive(Default)]
struct Bucket {
    by_name: HashMap<String, Vec<AlertIndex>>,
    /// `*` without a text that a message must contain.
    unfiltered: Vec<AlertIndex>,
    /// `*` with texts of which a message must contain one.
    by_text: Option<TextFilter>,
    /// Only while building.
    texts: Vec<(String, AlertIndex)>,
}

struct TextFilter {
    automaton: AhoCorasick,
    /// The Alert of each pattern.
    alerts: Vec<AlertIndex>,
}

#[derive(Default)]
pub(super) struct Found {
    pub(super) alerts: Vec<AlertIndex>,
    pub(super) suspended: usize,
    pub(super) not_selected: usize,
}

impl Index {
    pub(super) fn new(alerts: &[Arc<ValidAlert>]) -> Self {
        let mut index = Self::default();
        for (position, alert) in (0..).zip(alerts) {
            index.add(position, alert);
        }
        for kind in index
            .namespaces
            .values_mut()
            .flat_map(|namespace| namespace.kinds.values_mut())
        {
            kind.any_severity.finish();
            kind.errors_only.finish();
        }
        index
    }

    fn add(&mut self, position: AlertIndex, alert: &ValidAlert) {
        let namespaces: HashSet<&str> = alert
            .sources
            .iter()
            .map(|source| source.namespace.as_str())
            .collect();
        for namespace in namespaces {
            let entry = self.namespaces.entry(namespace.to_owned()).or_default();
            if alert.suspend {
                entry.suspended += 1;
            } else {
                entry.active += 1;
            }
        }
        if alert.suspend {
            return;
        }
        let texts = required_texts(alert);
        for source in &alert.sources {
            let kind = self
                .namespaces
                .entry(source.namespace.clone())
                .or_default()
                .kinds
                .entry(source.kind.clone())
                .or_default();
            let bucket = match alert.severity {
                SeverityFilter::Info => &mut kind.any_severity,
                SeverityFilter::Error => &mut kind.errors_only,
            };
            match (&texts, source.name.as_str()) {
                (Some(texts), "*") => {
                    bucket
                        .texts
                        .extend(texts.iter().map(|text| (text.clone(), position)));
                }
                (None, "*") => bucket.unfiltered.push(position),
                (_, name) => bucket
                    .by_name
                    .entry(name.to_owned())
                    .or_default()
                    .push(position),
            }
        }
    }

    pub(super) fn candidates(&self, event: &Event) -> Found {
        let object = &event.involved_object;
        let Some(namespace) = self.namespaces.get(&object.namespace) else {
            return Found::default();
        };
        let mut found = Found {
            suspended: namespace.suspended,
            ..Found::default()
        };
        if let Some(kind) = namespace.kinds.get(&object.kind) {
            kind.any_severity.collect(event, &mut found.alerts);
            if event.is_error() {
                kind.errors_only.collect(event, &mut found.alerts);
            }
        }
        found.alerts.sort_unstable();
        found.alerts.dedup();
        found.not_selected = namespace.active.saturating_sub(found.alerts.len());
        found
    }
}

impl Bucket {
    fn finish(&mut self) {
        let texts = std::mem::take(&mut self.texts);
        if texts.is_empty() {
            return;
        }
        let (patterns, alerts): (Vec<String>, Vec<AlertIndex>) = texts.into_iter().unzip();
        match AhoCorasick::new(&patterns) {
            Ok(automaton) => self.by_text = Some(TextFilter { automaton, alerts }),
            // Too many states for the automaton: look at all of them instead.
            Err(_) => self.unfiltered.extend(alerts),
        }
    }

    fn collect(&self, event: &Event, found: &mut Vec<AlertIndex>) {
        found.extend_from_slice(&self.unfiltered);
        if let Some(named) = self.by_name.get(&event.involved_object.name) {
            found.extend_from_slice(named);
        }
        if let Some(filter) = &self.by_text {
            for hit in filter.automaton.find_overlapping_iter(&event.message) {
                found.extend(filter.alerts.get(hit.pattern().as_usize()));
            }
        }
    }
}

/// Texts of which a message must contain at least one, if every inclusion expression has such.
fn required_texts(alert: &ValidAlert) -> Option<Vec<String>> {
    if !alert.has_inclusions {
        return None;
    }
    let mut texts = Vec::new();
    for pattern in &alert.inclusions {
        texts.extend(pattern.required_literals()?);
    }
    Some(texts)
}
