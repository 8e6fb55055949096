//! The durable promise to send one notification to one provider, and what can become of it.

pub mod retry;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use api::ObjectKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::CleanEvent;
use crate::notification::{CommitStatus, DropReason};

/// Place of an accepted event in the journal; the order of arrival. The first is 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Position(pub u64);

/// How many deliveries one event can have; what is beyond ends in a disposition of its own.
pub const MAX_DELIVERIES_PER_EVENT: u32 = 1 << 16;

/// Identity of a delivery: position of its event and ordinal among that event's deliveries.
///
/// Printed as `<position>.<ordinal>`. Alerts of one plan are in order of their key, so planning the
/// same event against the same configuration gives the same ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId {
    /// The event.
    pub position: Position,
    /// Below [`MAX_DELIVERIES_PER_EVENT`].
    pub ordinal: u32,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.position.0, self.ordinal)
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for DeliveryId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (position, ordinal) = text.split_once('.')?;
            Some(Self {
                position: Position(position.parse().ok()?),
                ordinal: ordinal.parse().ok()?,
            })
        };
        parse()
            .filter(|id| id.ordinal < MAX_DELIVERIES_PER_EVENT)
            .ok_or_else(|| format!("expected a delivery id such as `4711.0`, got `{text}`"))
    }
}

/// Deliveries of one lane go one at a time and in order of arrival.
///
/// A 63-bit digest: two lanes that collide merely wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(pub u64);

impl Lane {
    /// The lane of a delivery: per Provider and involved object; for commit statuses per Provider
    /// and status id, since an expression may give several objects the same id.
    pub fn of(
        provider: &ObjectKey,
        event: &CleanEvent,
        commit_status: Option<&CommitStatus>,
    ) -> Self {
        let object = &event.event().involved_object;
        let provider = [provider.namespace.as_str(), provider.name.as_str()];
        match commit_status {
            Some(status) => Self(digest(&provider, &["status", &status.id])),
            None => Self(digest(
                &provider,
                &["object", &object.kind, &object.namespace, &object.name],
            )),
        }
    }
}

/// Deliveries of a lane with equal keys replace each other: only the newest is worth sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SupersedeKey(pub u64);

impl SupersedeKey {
    /// The key of a commit status: commit and status id.
    pub fn of(status: &CommitStatus) -> Self {
        Self(digest(&[&status.commit], &[&status.id]))
    }
}

fn digest(head: &[&str], tail: &[&str]) -> u64 {
    let mut digest = Sha256::new();
    for part in head.iter().chain(tail) {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    let mut first = [0_u8; 8];
    for (to, from) in first.iter_mut().zip(digest.finalize()) {
        *to = from;
    }
    // Stores hold signed 64-bit integers.
    u64::from_le_bytes(first) >> 1
}

/// A delivery that a plan asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its identity.
    pub id: DeliveryId,
    /// Its lane.
    pub lane: Lane,
    /// The destination; read anew at each attempt.
    pub provider: ObjectKey,
    /// The Alert that asked for it.
    pub alert: ObjectKey,
    /// When the event was accepted.
    pub accepted_at: Timestamp,
    /// What replaces what.
    pub supersede_key: Option<SupersedeKey>,
    /// The part that only an attempt needs.
    pub content: Content,
}

/// What a delivery adds to its event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Provider type when planned; empty when the Provider was missing or invalid. An attempt that
    /// finds another type decides anew whether that type takes the event.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The Alert's uid.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alert_uid: String,
    /// Merged metadata.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Which status to write on which commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_status: Option<CommitStatus>,
    /// Information that is not worth sending late.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expires: bool,
}

/// What sort of failure an attempt met. Providers classify; [`retry`] decides. The labels are an
/// interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// No answer: refused, reset, timed out, not resolved.
    Unreachable,
    /// The service asked for fewer requests.
    Throttled,
    /// The service failed.
    ServerFault,
    /// Configuration or permission: missing Provider, Secret or key, wrong credentials, wrong
    /// address, untrusted certificate. A change of configuration heals it.
    Misconfigured,
    /// The service refused this very message.
    Rejected,
}

impl FailureClass {
    /// The stable label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Throttled => "throttled",
            Self::ServerFault => "server_fault",
            Self::Misconfigured => "misconfigured",
            Self::Rejected => "rejected",
        }
    }

    /// Whether the destination as a whole is unwell, which is what opens its breaker.
    pub fn blames_destination(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::ServerFault | Self::Throttled
        )
    }
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What sort of failure.
    pub class: FailureClass,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// How long the service asked us to wait.
    pub retry_after: Option<Duration>,
    /// What happened, redacted, at most about 1 KiB.
    pub detail: String,
}

impl Failure {
    /// A failure without an answer.
    pub fn new(class: FailureClass, detail: impl Into<String>) -> Self {
        Self {
            class,
            status: None,
            retry_after: None,
            detail: detail.into(),
        }
    }
}

/// A fact to remember between deliveries, such as the last status posted on a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What it is about; never a secret.
    pub key: String,
    /// The fact.
    pub value: String,
}

/// Proof that a notification arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The HTTP status.
    pub status: Option<u16>,
    /// The destination had it already, so nothing was sent.
    pub unchanged: bool,
    /// What to remember, stored together with the settlement.
    pub remember: Vec<Remembered>,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Delivered(Receipt),
    /// The Provider, as it is now, does not take such events.
    Dropped(DropReason),
    /// It did not arrive.
    Failed(Failure),
}

/// Where a delivery is in its life. The labels are an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waiting for its turn or for a retry.
    Pending,
    /// Waiting for a change of configuration, tried on a slow schedule meanwhile.
    Parked,
    /// Arrived.
    Delivered,
    /// Given up; can be replayed.
    Failed,
    /// Not worth sending any more.
    Expired,
    /// A newer one of the same commit and id made it pointless.
    Superseded,
    /// Not for this Provider, or removed by hand.
    Dropped,
}

impl DeliveryState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Parked,
        Self::Delivered,
        Self::Failed,
        Self::Expired,
        Self::Superseded,
        Self::Dropped,
    ];

    /// The stable label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Parked => "parked",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
            Self::Dropped => "dropped",
        }
    }

    /// Whether the promise is still to be kept.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Parked)
    }
}

impl FromStr for DeliveryState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.label() == text)
            .ok_or_else(|| {
                let known: Vec<_> = Self::ALL.iter().map(|state| state.label()).collect();
                format!("no such state `{text}`; known states: {}", known.join(", "))
            })
    }
}
