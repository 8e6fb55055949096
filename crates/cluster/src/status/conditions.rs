//! The status that an object should have: pure.
//!
//! Follows kstatus: `Ready` says whether the object is in use, `Stalled` is there only while nothing
//! but a change of the object helps, and neither it nor `Reconciling` is left over afterwards.
//! Conditions of other types are left as they are.

use domain::delivery::FailureClass;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::facts::DeliveryFacts;
use super::verdict::{Fault, Verdict};
use crate::object::Observed;

/// Failures in a row that make `Delivering` false.
const FAILURES: u32 = 3;

/// Conditions that are ours to write.
const OURS: [&str; 4] = ["Ready", "Stalled", "Reconciling", DELIVERING];

const DELIVERING: &str = "Delivering";

/// What the status should be, apart from what we do not own.
pub(crate) fn desired(
    observed: &Observed,
    verdict: &Verdict,
    facts: Option<&DeliveryFacts>,
    now: Timestamp,
) -> Value {
    let mut status = observed.status.as_object().cloned().unwrap_or_default();
    let before = status
        .get("conditions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let writer = Writer {
        before: &before,
        generation: observed.generation,
        now,
    };
    let mut conditions: Vec<Value> = before
        .iter()
        .filter(|condition| !OURS.iter().any(|ours| is_type(condition, ours)))
        .cloned()
        .collect();
    conditions.extend(ready(&writer, verdict));
    if let Some(delivering) = delivering(&writer, facts) {
        conditions.push(delivering);
    }
    status.insert("conditions".to_owned(), conditions.into());
    status.insert("observedGeneration".to_owned(), observed.generation.into());
    if let Some(facts) = facts {
        let delivery = delivery(status.get("delivery"), facts, now);
        if !delivery.is_empty() {
            status.insert("delivery".to_owned(), Value::Object(delivery));
        }
    }
    Value::Object(status)
}

/// Whether two statuses differ in more than counts and times of deliveries.
pub(crate) fn is_urgent(before: &Value, after: &Value) -> bool {
    let part = |status: &Value, name: &str| status.get(name).cloned().unwrap_or_default();
    part(before, "conditions") != part(after, "conditions")
        || part(before, "observedGeneration") != part(after, "observedGeneration")
}

/// Whether two statuses say the same, whenever their conditions changed.
pub(crate) fn says_the_same(left: &Value, right: &Value) -> bool {
    let timeless = |status: &Value| {
        let mut status = status.clone();
        let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
        for condition in conditions.into_iter().flatten() {
            if let Some(condition) = condition.as_object_mut() {
                condition.remove("lastTransitionTime");
            }
        }
        status
    };
    timeless(left) == timeless(right)
}

/// A merge patch that makes `after` of `before`: lists as a whole, and `null` for what is gone.
pub(crate) fn patch(before: &Value, after: &Value) -> Value {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
        return after.clone();
    };
    let gone = before
        .keys()
        .filter(|key| !after.contains_key(*key))
        .map(|key| (key.clone(), Value::Null));
    let changed = after
        .iter()
        .filter_map(|(key, value)| match before.get(key) {
            Some(old) if old == value => None,
            Some(old) => Some((key.clone(), patch(old, value))),
            None => Some((key.clone(), value.clone())),
        });
    Value::Object(gone.chain(changed).collect())
}

struct Writer<'a> {
    before: &'a [Value],
    generation: i64,
    now: Timestamp,
}

impl Writer<'_> {
    fn find(&self, kind: &str) -> Option<&Value> {
        self.before
            .iter()
            .find(|condition| is_type(condition, kind))
    }

    /// A condition; it keeps its time while its status is the same.
    fn condition(&self, kind: &str, holds: bool, reason: &str, message: &str) -> Value {
        let status = if holds { "True" } else { "False" };
        let since = self
            .find(kind)
            .filter(|before| before.get("status").and_then(Value::as_str) == Some(status))
            .and_then(|before| before.get("lastTransitionTime"))
            .cloned();
        json!({
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": since.unwrap_or_else(|| seconds(self.now).into()),
            "observedGeneration": self.generation,
        })
    }
}

fn ready(writer: &Writer<'_>, verdict: &Verdict) -> Vec<Value> {
    match verdict {
        // The words of the reference when it still had a status here (`crds.md` section 1.2).
        Ok(()) => vec![writer.condition("Ready", true, "Succeeded", "Initialized")],
        Err(Fault {
            reason,
            message,
            is_final,
        }) => {
            let mut conditions = vec![writer.condition("Ready", false, reason, message)];
            if *is_final {
                conditions.push(writer.condition("Stalled", true, reason, message));
            }
            conditions
        }
    }
}

fn delivering(writer: &Writer<'_>, facts: Option<&DeliveryFacts>) -> Option<Value> {
    let before = writer.find(DELIVERING).cloned();
    let Some(facts) = facts else { return before };
    if facts.failures_in_a_row >= FAILURES {
        let reason = facts.last_class.map_or("Failed", reason_of);
        let message = facts.last_error.as_deref().unwrap_or_default();
        return Some(writer.condition(DELIVERING, false, reason, message));
    }
    if facts.failures_in_a_row == 0 && facts.last_delivered_at.is_some() {
        return Some(writer.condition(DELIVERING, true, "Succeeded", "Deliveries arrive"));
    }
    before
}

fn reason_of(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Unreachable => "Unreachable",
        FailureClass::Throttled => "Throttled",
        FailureClass::ServerFault => "ServerFault",
        FailureClass::Misconfigured => "Misconfigured",
        FailureClass::Rejected => "Rejected",
    }
}

fn delivery(before: Option<&Value>, facts: &DeliveryFacts, now: Timestamp) -> Map<String, Value> {
    let mut delivery = before
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            delivery.insert(name.to_owned(), value);
        }
    };
    let time = |at: Option<Timestamp>| at.map(|at| seconds(at).into());
    set("lastDeliveredAt", time(facts.last_delivered_at));
    set("lastFailedAt", time(facts.last_failed_at));
    set("lastError", facts.last_error.clone().map(Value::from));
    set("pending", facts.counts.map(|counts| counts.pending.into()));
    set("failed", facts.counts.map(|counts| counts.failed.into()));
    let paused = facts.paused_until.filter(|until| *until > now);
    set("pausedUntil", time(paused));
    if paused.is_none() {
        delivery.remove("pausedUntil");
    }
    delivery
}

fn is_type(condition: &Value, kind: &str) -> bool {
    condition.get("type").and_then(Value::as_str) == Some(kind)
}

/// As the API server stores times.
fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
