//! Which metadata keys are kept, stripped and merged, and who wins (`event-server.md` sections 3, 6).

use std::collections::BTreeMap;

use api::Event;

use super::{CleanEvent, EVENT_GROUP};
use crate::ValidAlert;

/// The value of `<group>/<suffix>`.
pub fn prefixed<'event>(event: &'event Event, group: &str, suffix: &str) -> Option<&'event str> {
    // Events have a handful of entries; scanning them beats building a key.
    event
        .metadata
        .iter()
        .find(|(key, _)| strip_group(key, group) == Some(suffix))
        .map(|(_, value)| value.as_str())
}

/// Keeps what travels under the event group or the object's group, without checksums and digests.
pub(super) fn clean(event: &mut Event) {
    let group = event.involved_object.group().to_owned();
    event
        .metadata
        .retain(|key, _| match strip_group(key, &group) {
            Some(suffix) => {
                !suffix.eq_ignore_ascii_case("checksum") && !suffix.eq_ignore_ascii_case("digest")
            }
            None => strip_group(key, EVENT_GROUP).is_some(),
        });
}

/// Removes the token, which exists for duplicate detection only.
pub(super) fn remove_token(event: &mut Event) {
    let group = event.involved_object.group().to_owned();
    event
        .metadata
        .retain(|key, _| strip_group(key, &group) != Some("token"));
}

fn strip_group<'key>(key: &'key str, group: &str) -> Option<&'key str> {
    key.strip_prefix(group)?.strip_prefix('/')
}

/// Where a metadata value came from, in order of rising precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Keys under `event.toolkit.fluxcd.io/`.
    ObjectAnnotations,
    /// `spec.eventMetadata` of the Alert.
    AlertMetadata,
    /// `spec.summary` of the Alert.
    AlertSummary,
    /// Keys under the object's group.
    Controller,
}

impl Origin {
    /// The name used in conflict reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::ObjectAnnotations => "involved object annotations",
            Self::AlertMetadata => "Alert object .spec.eventMetadata",
            Self::AlertSummary => "Alert object .spec.summary",
            Self::Controller => "involved object controller metadata",
        }
    }
}

/// Merged metadata and the keys that several origins set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// What the provider sees.
    pub metadata: BTreeMap<String, String>,
    /// Keys with more than one origin, and those origins in order of precedence.
    pub conflicts: BTreeMap<String, Vec<Origin>>,
}

/// Merges an event's metadata with an Alert's.
pub fn merge(event: &CleanEvent, alert: &ValidAlert) -> Merged {
    let event = event.event();
    let group = event.involved_object.group();
    let mut merged = Merged::default();
    let mut origins: BTreeMap<&str, Origin> = BTreeMap::new();
    let from_group = |group| {
        event
            .metadata
            .iter()
            .filter_map(move |(key, value)| Some((strip_group(key, group)?, value.as_str())))
    };
    let annotations = from_group(EVENT_GROUP).map(|entry| (Origin::ObjectAnnotations, entry));
    let alert_metadata = alert
        .event_metadata
        .iter()
        .map(|(key, value)| (Origin::AlertMetadata, (key.as_str(), value.as_str())));
    let summary = Some(alert.summary.as_str())
        .filter(|summary| !summary.is_empty())
        .map(|summary| (Origin::AlertSummary, ("summary", summary)));
    let controller = from_group(group).map(|entry| (Origin::Controller, entry));
    for (origin, (key, value)) in annotations
        .chain(alert_metadata)
        .chain(summary)
        .chain(controller)
    {
        if let Some(earlier) = origins.insert(key, origin) {
            let conflict = merged
                .conflicts
                .entry(key.to_owned())
                .or_insert_with(|| vec![earlier]);
            conflict.push(origin);
        }
        merged.metadata.insert(key.to_owned(), value.to_owned());
    }
    if merged.metadata.is_empty() {
        merged.metadata.clone_from(&event.metadata);
    }
    merged
}

#[cfg(test)]
mod tests {
    use api::ObjectReference;

    use super::*;

    fn clean_event(metadata: &[(&str, &str)]) -> CleanEvent {
        CleanEvent::from_journal(Event {
            involved_object: ObjectReference {
                api_version: "kustomize.toolkit.fluxcd.io/v1".into(),
                ..ObjectReference::default()
            },
            metadata: metadata
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..Event::default()
        })
    }

    fn alert(summary: &str, metadata: &[(&str, &str)]) -> ValidAlert {
        ValidAlert {
            summary: summary.into(),
            event_metadata: metadata
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..ValidAlert::default()
        }
    }

    #[test]
    fn later_origins_win_and_conflicts_are_named() {
        let event = clean_event(&[
            ("kustomize.toolkit.fluxcd.io/k1", "c"),
            ("event.toolkit.fluxcd.io/k1", "o"),
            ("event.toolkit.fluxcd.io/summary", "objectSummary"),
        ]);
        let merged = merge(&event, &alert("alertSummary", &[("k1", "a")]));
        assert_eq!(merged.metadata["k1"], "c");
        assert_eq!(merged.metadata["summary"], "alertSummary");
        assert_eq!(
            merged.conflicts["k1"],
            [
                Origin::ObjectAnnotations,
                Origin::AlertMetadata,
                Origin::Controller
            ]
        );
        assert_eq!(
            merged.conflicts["summary"],
            [Origin::ObjectAnnotations, Origin::AlertSummary]
        );
    }

    #[test]
    fn an_event_without_metadata_stays_without() {
        assert_eq!(merge(&clean_event(&[]), &alert("", &[])), Merged::default());
    }
}
