//! Why each Alert does or does not get a delivery: the rules of planning, applied to every Alert one
//! by one so that each has its exact reason.

use api::ObjectKey;
use jiff::Timestamp;
use serde::Serialize;

use crate::alert::matching::{self, Labels, MatchResult, NoMatchReason};
use crate::catalog::ProviderEntry;
use crate::delivery::{Delivery, DeliveryId, Position};
use crate::{CatalogSnapshot, CleanEvent};

use super::{Rules, address};

/// What one Alert makes of an event.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The Alert.
    pub alert: ObjectKey,
    /// Its Provider.
    pub provider: ObjectKey,
    /// What sort of answer this is.
    pub verdict: Verdict,
    /// Stable label of the reason; `delivery` if there is one.
    pub reason: &'static str,
    /// The reason in words.
    pub detail: String,
    /// The delivery it would make.
    #[serde(skip)]
    pub delivery: Option<Delivery>,
}

/// What sort of answer an [`Explanation`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The Alert matches and its Provider is sent the event.
    Delivers,
    /// The Alert matches, and its Provider must be put right before anything can be sent.
    Waits,
    /// The Alert matches, and its Provider is not sent such events.
    Dropped,
    /// The Alert does not match.
    NoMatch,
}

/// Explains an event, Alert by Alert, in order of their key.
pub fn explain(
    event: &CleanEvent,
    snapshot: &CatalogSnapshot,
    labels: &Labels,
    rules: Rules,
    now: Timestamp,
) -> Vec<Explanation> {
    snapshot
        .alerts()
        .iter()
        .map(|alert| {
            let explained = |verdict, reason, detail: String, delivery| Explanation {
                alert: alert.key.clone(),
                provider: alert.provider.clone(),
                verdict,
                reason,
                detail,
                delivery,
            };
            let no_match = match matching::evaluate(event, alert, labels) {
                MatchResult::Match => None,
                MatchResult::NoMatch(reason) => Some(reason),
                MatchResult::NeedsLabels => Some(NoMatchReason::LabelsUnknown),
            };
            if let Some(reason) = no_match {
                let detail = reason.describe().to_owned();
                return explained(Verdict::NoMatch, reason.label(), detail, None);
            }
            // Which ordinal it would get depends on the other Alerts; here each stands alone.
            let id = DeliveryId {
                position: Position::default(),
                ordinal: 0,
            };
            match address(id, event, now, alert, snapshot, rules) {
                Err(reason) => {
                    let detail = reason.describe().to_owned();
                    explained(Verdict::Dropped, reason.label(), detail, None)
                }
                Ok((delivery, _)) => {
                    let (verdict, detail) = prospects(snapshot, &delivery);
                    explained(verdict, "delivery", detail, Some(delivery))
                }
            }
        })
        .collect()
}

fn prospects(snapshot: &CatalogSnapshot, delivery: &Delivery) -> (Verdict, String) {
    match snapshot.provider(&delivery.provider) {
        None => (
            Verdict::Waits,
            format!(
                "provider `{}` does not exist; the delivery would wait for it",
                delivery.provider
            ),
        ),
        Some(ProviderEntry::Invalid(problems)) => {
            let first = problems.iter().find(|problem| problem.is_error());
            let first = first.map(ToString::to_string).unwrap_or_default();
            (
                Verdict::Waits,
                format!(
                    "provider `{}` cannot be used; the delivery would wait until this is fixed: {first}",
                    delivery.provider
                ),
            )
        }
        Some(ProviderEntry::Valid(provider)) => (
            Verdict::Delivers,
            match &delivery.content.commit_status {
                Some(status) => format!(
                    "{} status `{}` on commit {}",
                    provider.kind, status.id, status.commit
                ),
                None => format!("{} message", provider.kind),
            },
        ),
    }
}
