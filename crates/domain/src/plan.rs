//! What becomes of an event: which deliveries it makes, and why all other Alerts get none.
//!
//! Later stages that hold, group or silence notifications belong between matching and addressing,
//! as pure functions over the matches.

pub mod explain;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::ObjectKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::matching::{self, Labels, MatchResult, NoMatchReason};
use crate::catalog::ProviderEntry;
use crate::delivery::{
    Content, Delivery, DeliveryId, Lane, MAX_DELIVERIES_PER_EVENT, Position, SupersedeKey,
};
use crate::event::metadata::{self, Merged};
use crate::notification::{self, CommitStatusFailure, DropReason};
use crate::{CatalogSnapshot, CleanEvent, ValidAlert};

/// Settings that planning obeys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Alerts only take events of objects in their own namespace.
    pub no_cross_namespace_references: bool,
}

/// How many Alerts are named one by one among those that made no delivery; the rest is counted.
pub const MAX_NAMED_DISPOSITIONS: usize = 64;

/// What became of an event for Alerts that made no delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispositions {
    /// Named Alerts with the label of the reason, in order of their key; at most
    /// [`MAX_NAMED_DISPOSITIONS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<(ObjectKey, String)>,
    /// How many Alerts per reason, the named ones included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
}

/// Label for Alerts that the index ruled out: their kind, name, severity or required text does not
/// fit. `explain` tells which.
pub const NOT_SELECTED: &str = "not_selected";
/// Label for stored events that cannot be read any more.
pub const UNREADABLE: &str = "unreadable";
/// Label for deliveries beyond what one event may have.
pub const TOO_MANY: &str = "too_many_deliveries";

impl Dispositions {
    /// Adds one Alert.
    pub fn add(&mut self, alert: &ObjectKey, reason: &str) {
        if self.named.len() < MAX_NAMED_DISPOSITIONS {
            self.named.push((alert.clone(), reason.to_owned()));
        }
        self.count(reason, 1);
    }

    /// Adds Alerts that are not named.
    pub fn count(&mut self, reason: &str, number: usize) {
        if number > 0 {
            *self.counts.entry(reason.to_owned()).or_default() +=
                u64::try_from(number).unwrap_or(u64::MAX);
        }
    }
}

/// The answer of [`plan`].
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Deliveries, in order of their Alert's key.
    pub deliveries: Vec<Delivery>,
    /// Everything else.
    pub dispositions: Dispositions,
    /// Metadata keys that several origins set, per Alert; owners want to know.
    pub conflicts: Vec<(ObjectKey, Merged)>,
}

/// The Alerts of one event and whether any of them needs the object's labels.
pub fn needs_labels(event: &CleanEvent, snapshot: &CatalogSnapshot) -> bool {
    snapshot.candidates(event).alerts.iter().any(|alert| {
        matching::evaluate(event, alert, &Labels::NotAsked) == MatchResult::NeedsLabels
    })
}

/// Plans one event against one configuration.
pub fn plan(
    position: Position,
    event: &CleanEvent,
    accepted_at: Timestamp,
    snapshot: &CatalogSnapshot,
    labels: &Labels,
    rules: Rules,
) -> Plan {
    let candidates = snapshot.candidates(event);
    let mut plan = Plan::default();
    for alert in candidates.alerts {
        match matching::evaluate(event, alert, labels) {
            MatchResult::Match => {}
            MatchResult::NoMatch(reason) => {
                plan.dispositions.add(&alert.key, reason.label());
                continue;
            }
            MatchResult::NeedsLabels => {
                plan.dispositions
                    .add(&alert.key, NoMatchReason::LabelsUnknown.label());
                continue;
            }
        }
        let ordinal = u32::try_from(plan.deliveries.len()).unwrap_or(u32::MAX);
        if ordinal >= MAX_DELIVERIES_PER_EVENT {
            plan.dispositions.add(&alert.key, TOO_MANY);
            continue;
        }
        let id = DeliveryId { position, ordinal };
        match address(id, event, accepted_at, alert, snapshot, rules) {
            Ok((delivery, merged)) => {
                plan.deliveries.push(delivery);
                if !merged.conflicts.is_empty() {
                    plan.conflicts.push((alert.key.clone(), merged));
                }
            }
            Err(reason) => plan.dispositions.add(&alert.key, reason.label()),
        }
    }
    plan.dispositions
        .count(NoMatchReason::AlertSuspended.label(), candidates.suspended);
    plan.dispositions
        .count(NOT_SELECTED, candidates.not_selected);
    plan
}

/// Makes the delivery of an Alert that matches, or says why there is none.
///
/// A Provider that is missing or invalid still gets its delivery: it is parked until the Provider
/// is put right, and only then can the rules of its type be applied.
pub fn address(
    id: DeliveryId,
    event: &CleanEvent,
    accepted_at: Timestamp,
    alert: &Arc<ValidAlert>,
    snapshot: &CatalogSnapshot,
    rules: Rules,
) -> Result<(Delivery, Merged), DropReason> {
    if rules.no_cross_namespace_references
        && event.event().involved_object.namespace != alert.key.namespace
    {
        return Err(DropReason::CrossNamespace);
    }
    let provider = snapshot
        .provider(&alert.provider)
        .and_then(ProviderEntry::valid);
    let merged = metadata::merge(event, alert);
    let mut content = Content {
        alert_uid: alert.uid.clone(),
        metadata: merged.metadata.clone(),
        ..Content::default()
    };
    if let Some(provider) = provider {
        notification::gate(event, provider)?;
        content.expires = provider.capabilities.expires && !event.event().is_error();
        if provider.capabilities.commit_status {
            let final_event = notification::with_metadata(event, content.metadata.clone());
            match notification::commit_status_for(&final_event, &alert.object, provider) {
                Ok(status) => {
                    content.kind.clone_from(&provider.kind);
                    content.commit_status = status;
                }
                Err(CommitStatusFailure::Dropped(reason)) => return Err(reason),
                // Without a type the attempt evaluates again and reports what is wrong.
                Err(CommitStatusFailure::Expression(_)) => {}
            }
        } else {
            content.kind.clone_from(&provider.kind);
        }
    }
    let delivery = Delivery {
        id,
        lane: Lane::of(&alert.provider, event, content.commit_status.as_ref()),
        provider: alert.provider.clone(),
        alert: alert.key.clone(),
        accepted_at,
        supersede_key: content.commit_status.as_ref().map(SupersedeKey::of),
        content,
    };
    Ok((delivery, merged))
}

#[cfg(test)]
mod tests;
