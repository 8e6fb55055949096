//! What the status of a Receiver says: conditions, path and the words of the reference
//! (`receivers.md` section 9).

use std::borrow::Cow;
use std::time::Duration;

use api::{ObjectKey, SecretData};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Fault, PathDigest};

/// Longest message of a condition, in bytes, as in the reference.
const MESSAGE_LIMIT: usize = 32_768;

const READY: &str = "Ready";
const RECONCILING: &str = "Reconciling";
const STALLED: &str = "Stalled";
const TRUE: &str = "True";
const FALSE: &str = "False";

/// `status` of a Receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReceiverStatus {
    /// Conditions in the order `Stalled`, `Reconciling`, `Ready`; those of others stay behind them.
    pub conditions: Vec<Condition>,
    /// The last request for a reconciliation that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The generation that was dealt with; -1 for none.
    pub observed_generation: i64,
    /// The secret path, where the reference's command line reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_path: Option<String>,
}

impl Default for ReceiverStatus {
    fn default() -> Self {
        Self {
            conditions: Vec::new(),
            last_handled_reconcile_at: None,
            observed_generation: -1,
            webhook_path: None,
        }
    }
}

/// A condition as Kubernetes stores it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// When status, reason or message changed last: RFC 3339, whole seconds.
    pub last_transition_time: String,
    /// For people.
    pub message: String,
    /// The generation it speaks of.
    pub observed_generation: i64,
    /// For machines.
    pub reason: String,
    /// `True` or `False`.
    pub status: String,
    /// Which condition it is.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Everything that the status depends on.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// `metadata.generation`.
    pub generation: i64,
    /// The value of the annotation that asks for a reconciliation, if it is there.
    pub requested_at: Option<&'a str>,
    /// `spec.suspend`.
    pub is_suspended: bool,
    /// Whether the object is being deleted.
    pub is_deleting: bool,
    /// What is wrong with the specification.
    pub fault: Option<&'a Fault>,
    /// The path, or why there is none.
    pub path: Result<PathDigest, String>,
    /// When it is looked at again if all is well.
    pub interval: Duration,
    /// The time.
    pub now: Timestamp,
}

/// What to write and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The new status.
    pub status: ReceiverStatus,
    /// The Kubernetes Event about it.
    pub notice: Option<Notice>,
    /// When to look again.
    pub next: Next,
}

/// A Kubernetes Event about a Receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `Warning` rather than `Normal`.
    pub is_warning: bool,
    /// For machines.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// When to look at a Receiver again, changes aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Not before it changes.
    OnChange,
    /// After the interval.
    After(Duration),
    /// Soon, then less and less often.
    Retry,
}

/// The path of a Receiver from its Secret, or what the condition says about the lack of it.
///
/// An empty token proves nothing, so it counts as missing; the reference takes it.
pub fn path_from_secret(
    receiver: &ObjectKey,
    secret: &ObjectKey,
    data: Option<&SecretData>,
) -> Result<PathDigest, String> {
    let Some(data) = data else {
        return Err(format!(
            "unable to read token from secret '{secret}' error: secrets \"{}\" not found",
            secret.name
        ));
    };
    match data.get("token").map(|token| token.expose().as_slice()) {
        None => Err(format!(
            "invalid '{secret}' secret data: required fields 'token'"
        )),
        Some([]) => Err(format!(
            "invalid '{secret}' secret data: the field 'token' is empty; an empty token proves nothing"
        )),
        Some(token) => Ok(PathDigest::of(token, receiver)),
    }
}

/// The status that follows from the facts and from what it was.
pub fn decide(previous: &ReceiverStatus, facts: &Facts<'_>) -> Decision {
    let mut conditions = Conditions::new(previous, facts);
    let mut status = previous.clone();
    if let Some(requested) = facts.requested_at {
        status.last_handled_reconcile_at = Some(requested.to_owned()).filter(|at| !at.is_empty());
    }
    let (notice, next) = if facts.is_suspended || facts.is_deleting {
        conditions.rest();
        (None, Next::OnChange)
    } else if let Some(fault) = facts.fault {
        let message = conditions.stalled(fault);
        status.observed_generation = facts.generation;
        let reason = fault.reason.label();
        (Some(Notice::warning(reason, message)), Next::OnChange)
    } else {
        match &facts.path {
            Ok(digest) => {
                let path = digest.webhook_path();
                conditions.ready(&path);
                status.webhook_path = Some(path);
                let next = api::duration::format(facts.interval);
                let message = format!("Reconciliation finished, next run in {next}");
                let notice = Notice {
                    is_warning: false,
                    reason: "Succeeded",
                    message,
                };
                let next = if facts.interval.is_zero() {
                    Next::OnChange
                } else {
                    Next::After(facts.interval)
                };
                (Some(notice), next)
            }
            Err(message) => {
                conditions.no_token(message);
                status.webhook_path = None;
                let notice = Notice::warning("Failed", message.clone());
                (Some(notice), Next::Retry)
            }
        }
    };
    if conditions.is_true(READY) {
        status.observed_generation = facts.generation;
    }
    status.conditions = conditions.into_list();
    Decision {
        status,
        notice,
        next,
    }
}

impl Notice {
    fn warning(reason: &'static str, message: String) -> Self {
        Self {
            is_warning: true,
            reason,
            message,
        }
    }
}

struct Conditions {
    list: Vec<Condition>,
    generation: i64,
    now: String,
}

impl Conditions {
    fn new(previous: &ReceiverStatus, facts: &Facts<'_>) -> Self {
        Self {
            list: previous.conditions.clone(),
            generation: facts.generation,
            now: facts.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }

    fn find(&self, kind: &str) -> Option<&Condition> {
        self.list.iter().find(|condition| condition.kind == kind)
    }

    fn is_true(&self, kind: &str) -> bool {
        self.find(kind)
            .is_some_and(|condition| condition.status == TRUE)
    }

    fn remove(&mut self, kind: &str) {
        self.list.retain(|condition| condition.kind != kind);
    }

    fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let message = cut(message).into_owned();
        let unchanged_since = self
            .find(kind)
            .filter(|old| old.status == status && old.reason == reason && old.message == message)
            .map(|old| old.last_transition_time.clone());
        let condition = Condition {
            last_transition_time: unchanged_since.unwrap_or_else(|| self.now.clone()),
            message,
            observed_generation: self.generation,
            reason: reason.to_owned(),
            status: status.to_owned(),
            kind: kind.to_owned(),
        };
        self.remove(kind);
        self.list.push(condition);
    }

    fn ready(&mut self, path: &str) {
        self.remove(STALLED);
        self.remove(RECONCILING);
        let message = format!("Receiver initialized for path: {path}");
        self.set(READY, TRUE, "Succeeded", &message);
    }

    fn no_token(&mut self, message: &str) {
        self.remove(STALLED);
        self.retrying();
        self.set(READY, FALSE, "TokenNotFound", message);
    }

    fn retrying(&mut self) {
        self.set(
            RECONCILING,
            TRUE,
            "ProgressingWithRetry",
            "Reconciliation in progress",
        );
    }

    fn stalled(&mut self, fault: &Fault) -> String {
        let message = format!(
            "Reconciliation failed terminally due to configuration error: {}",
            fault.detail
        );
        self.remove(RECONCILING);
        let reason = fault.reason.label();
        self.set(STALLED, TRUE, reason, &message);
        self.set(READY, FALSE, reason, &message);
        message
    }

    /// Suspended or being deleted: everything stays as it was, but for what follows from `Ready`.
    fn rest(&mut self) {
        if self.is_true(READY) {
            self.remove(RECONCILING);
        } else if self.find(RECONCILING).is_some() {
            self.retrying();
        }
    }

    fn into_list(mut self) -> Vec<Condition> {
        let rank = |condition: &Condition| match condition.kind.as_str() {
            STALLED => 0,
            RECONCILING => 1,
            READY => 2,
            _ => 3,
        };
        self.list.sort_by_key(rank);
        self.list
    }
}

/// A message that is too long ends with three dots, as in the reference.
fn cut(message: &str) -> Cow<'_, str> {
    if message.len() <= MESSAGE_LIMIT {
        return Cow::Borrowed(message);
    }
    let end = message.floor_char_boundary(MESSAGE_LIMIT - 3);
    Cow::Owned(format!("{}...", message.get(..end).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::super::FaultReason;
    use super::*;

    fn facts(generation: i64, path: Result<PathDigest, String>) -> Facts<'static> {
        Facts {
            generation,
            requested_at: None,
            is_suspended: false,
            is_deleting: false,
            fault: None,
            path,
            interval: Duration::from_mins(10),
            now: Timestamp::constant(1_700_000_000, 5),
        }
    }

    fn digest() -> PathDigest {
        PathDigest::of(b"t", &ObjectKey::new("ns", "hook"))
    }

    #[test]
    fn time_of_transition_moves_only_when_something_changes() {
        let first = decide(&ReceiverStatus::default(), &facts(1, Ok(digest()))).status;
        let later = Facts {
            now: Timestamp::constant(1_800_000_000, 0),
            ..facts(2, Ok(digest()))
        };
        let second = decide(&first, &later).status;
        assert_eq!(
            first.conditions[0].last_transition_time,
            second.conditions[0].last_transition_time
        );
        assert_eq!(second.conditions[0].observed_generation, 2);
        assert_eq!(second.observed_generation, 2);
    }

    #[test]
    fn conditions_of_others_are_kept() {
        let previous = ReceiverStatus {
            conditions: vec![Condition {
                kind: "Mine".to_owned(),
                ..Condition::default()
            }],
            ..ReceiverStatus::default()
        };
        let decision = decide(&previous, &facts(1, Err("no".to_owned())));
        let kinds: Vec<_> = decision
            .status
            .conditions
            .iter()
            .map(|condition| condition.kind.as_str())
            .collect();
        assert_eq!(kinds, ["Reconciling", "Ready", "Mine"]);
        assert_eq!(decision.next, Next::Retry);
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let fault = Fault {
            reason: FaultReason::ValidationFailed,
            detail: "é".repeat(40_000),
            path: String::new(),
            message: String::new(),
        };
        let facts = Facts {
            fault: Some(&fault),
            ..facts(1, Ok(digest()))
        };
        let status = decide(&ReceiverStatus::default(), &facts).status;
        assert!(status.conditions[0].message.len() <= MESSAGE_LIMIT);
        assert!(status.conditions[0].message.len() > MESSAGE_LIMIT - 4);
        assert!(status.conditions[0].message.ends_with("é..."));
    }

    #[test]
    fn an_empty_token_is_no_token() {
        let (receiver, secret) = (ObjectKey::new("ns", "hook"), ObjectKey::new("ns", "s"));
        let path = |data: SecretData| path_from_secret(&receiver, &secret, Some(&data));
        assert!(path([("token", "x")].into_iter().collect()).is_ok());
        let error = path([("token", "")].into_iter().collect()).unwrap_err();
        assert!(error.contains("is empty"), "{error}");
        assert_eq!(
            path_from_secret(&receiver, &secret, None).unwrap_err(),
            "unable to read token from secret 'ns/s' error: secrets \"s\" not found"
        );
    }
}
