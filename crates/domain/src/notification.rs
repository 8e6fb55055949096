//! One event shaped for one Alert and one Provider.

pub mod commit_status;

use std::collections::BTreeMap;

use api::{Event, ObjectKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::revision;
use crate::provider::Progressing;
use crate::{CleanEvent, ValidProvider};

pub use commit_status::CommitStatus;

/// Everything a provider may know. No secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The event with its final metadata: merged with the Alert's, prefixes stripped.
    pub event: Event,
    /// The Alert.
    pub alert: ObjectKey,
    /// The Alert's uid.
    pub alert_uid: String,
    /// Which status to write on which commit; only for commit-status types.
    pub commit_status: Option<CommitStatus>,
    /// When the event was accepted; stays the same over retries.
    pub accepted_at: Timestamp,
    /// Stays the same over retries; for services that take an idempotency key.
    pub idempotency_key: String,
}

/// Why a Provider is not sent an event that its Alert matched. The labels are an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// Cross-namespace references are blocked and the object lives elsewhere.
    CrossNamespace,
    /// The Provider is suspended.
    ProviderSuspended,
    /// The event only refreshes a commit status and the type writes none.
    CommitStatusUpdate,
    /// The type writes commit statuses and the event carries no commit.
    NoCommitMetadata,
    /// The type comments on change requests and the event names none.
    NoChangeRequest,
    /// The type writes commit statuses and the revision yields no commit hash.
    NoCommit,
    /// The type takes final states only, such as for commit statuses, and the event reports none.
    NotFinal,
    /// The type writes commit statuses and has no state for this severity.
    SeverityUnsupported,
    /// The type leaves out events of such objects.
    ObjectKind,
}

impl DropReason {
    /// The stable label.
    pub fn label(self) -> &'static str {
        match self {
            Self::CrossNamespace => "cross_namespace",
            Self::ProviderSuspended => "provider_suspended",
            Self::CommitStatusUpdate => "commit_status_update",
            Self::NoCommitMetadata => "no_commit_metadata",
            Self::NoChangeRequest => "no_change_request",
            Self::NoCommit => "no_commit",
            Self::NotFinal => "not_final",
            Self::SeverityUnsupported => "severity_unsupported",
            Self::ObjectKind => "object_kind",
        }
    }

    /// The reason in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::CrossNamespace => {
                "the object is in another namespace than the alert, and cross-namespace references are blocked"
            }
            Self::ProviderSuspended => "the provider is suspended",
            Self::CommitStatusUpdate => {
                "the event only refreshes a commit status, and this provider type writes none"
            }
            Self::NoCommitMetadata => {
                "the event has no event.toolkit.fluxcd.io/commit, which commit status providers need unless it is an error or a refresh"
            }
            Self::NoChangeRequest => {
                "the event has no event.toolkit.fluxcd.io/change_request, which this provider type needs"
            }
            Self::NoCommit => "the revision names no Git commit",
            Self::NotFinal => {
                "the reason reports no final state, and this provider type takes nothing else"
            }
            Self::SeverityUnsupported => {
                "commit statuses are written for severity info and error only"
            }
            Self::ObjectKind => "this provider type leaves out events of objects of this kind",
        }
    }
}

/// Decides whether a Provider takes an event (`event-server.md` section 7, steps 3 to 6).
///
/// Pure gate; it looks at the event before metadata is merged.
pub fn gate(event: &CleanEvent, provider: &ValidProvider) -> Result<(), DropReason> {
    let capabilities = provider.capabilities;
    if provider.is_suspended() {
        return Err(DropReason::ProviderSuspended);
    }
    let is_update = event.is_commit_status_update();
    if is_update && !capabilities.commit_status_updates {
        return Err(DropReason::CommitStatusUpdate);
    }
    if capabilities.commit_status
        && !is_update
        && !event.event().is_error()
        && event.annotation("commit").is_none()
    {
        return Err(DropReason::NoCommitMetadata);
    }
    if capabilities.change_request && event.annotation("change_request").is_none() {
        return Err(DropReason::NoChangeRequest);
    }
    let reason = event.event().reason.as_str();
    if reason == commit_status::PROGRESSING && capabilities.progressing == Progressing::Skipped {
        return Err(DropReason::NotFinal);
    }
    let kind = event.event().involved_object.kind.as_str();
    if capabilities.skipped_kinds.contains(&kind) {
        return Err(DropReason::ObjectKind);
    }
    // A type that has a state for what is under way takes it with any severity.
    if capabilities.commit_status && reason != commit_status::PROGRESSING {
        if !event.event().is_error() && commit_status::is_unfinished(reason) {
            return Err(DropReason::NotFinal);
        }
        if !matches!(event.event().severity.as_str(), "info" | "error") {
            return Err(DropReason::SeverityUnsupported);
        }
    }
    Ok(())
}

/// Why no commit status can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitStatusFailure {
    /// The event is not for this Provider.
    Dropped(DropReason),
    /// The Provider's expression failed; the user can fix it.
    Expression(String),
}

/// The status a commit-status Provider is to write for an event, `None` for all other types.
pub fn commit_status_for(
    event: &Event,
    alert_object: &serde_json::Value,
    provider: &ValidProvider,
) -> Result<Option<CommitStatus>, CommitStatusFailure> {
    if !provider.capabilities.commit_status {
        return Ok(None);
    }
    let commit = revision::commit_hash(&event.metadata)
        .map_err(|_| CommitStatusFailure::Dropped(DropReason::NoCommit))?;
    let id = commit_status::id(event, alert_object, provider)
        .map_err(CommitStatusFailure::Expression)?;
    Ok(Some(CommitStatus { id, commit }))
}

/// The event a provider sees: the clean event with its metadata replaced by the merged one.
pub fn with_metadata(event: &CleanEvent, metadata: BTreeMap<String, String>) -> Event {
    Event {
        metadata,
        ..event.event().clone()
    }
}
