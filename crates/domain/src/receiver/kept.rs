//! Genuine calls that wait until they can be answered for: the API server was away.

use std::fmt;
use std::time::Duration;

use api::ObjectKey;
use jiff::Timestamp;

use crate::delivery::retry::later;

/// Largest content of a call that is kept, in bytes.
pub const CONTENT_LIMIT: usize = 256 << 10;

/// How long a call is tried again.
pub const MAX_AGE: Duration = Duration::from_hours(24);

/// Most calls that are kept.
pub const MOST_CALLS: usize = 10_000;

/// Most calls that are kept of one Receiver, so that one cannot take all the room.
pub const MOST_CALLS_OF_ONE: usize = 100;

/// Most bytes that the contents of all kept calls may take.
pub const MOST_BYTES: usize = 256 << 20;

const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Identity of a kept call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeptCallId(pub u64);

/// A call to be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKeptCall {
    /// The Receiver that was called.
    pub receiver: ObjectKey,
    /// Its uid: another Receiver of the same name is not the one that was called.
    pub receiver_uid: String,
    /// What filters need to see, as JSON of at most [`CONTENT_LIMIT`] bytes; `None` if there are no
    /// filters.
    pub content: Option<String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When to try first.
    pub due_at: Timestamp,
}

/// A call that is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptCall {
    /// Its identity.
    pub id: KeptCallId,
    /// The Receiver that was called.
    pub receiver: ObjectKey,
    /// The uid it had.
    pub receiver_uid: String,
    /// What filters need to see.
    pub content: Option<String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Attempts made since.
    pub attempts: u32,
}

impl fmt::Debug for NewKeptCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(
            formatter,
            "NewKeptCall",
            &self.receiver,
            self.content.as_deref(),
        )
    }
}

impl fmt::Debug for KeptCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(
            formatter,
            "KeptCall",
            &self.receiver,
            self.content.as_deref(),
        )
    }
}

/// What was sent is nobody's business.
fn show(
    formatter: &mut fmt::Formatter<'_>,
    name: &str,
    receiver: &ObjectKey,
    content: Option<&str>,
) -> fmt::Result {
    formatter
        .debug_struct(name)
        .field("receiver", receiver)
        .field("content_bytes", &content.map(str::len))
        .finish_non_exhaustive()
}

/// When to try a call again that failed `attempts` times; `None` when it is too old for that.
pub fn next_try(accepted_at: Timestamp, attempts: u32, now: Timestamp) -> Option<Timestamp> {
    let doubled = FIRST_WAIT.saturating_mul(1_u32 << attempts.min(10));
    let next = later(now, doubled.min(LONGEST_WAIT));
    (next <= later(accepted_at, MAX_AGE)).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_with_the_age() {
        let accepted = Timestamp::constant(1_700_000_000, 0);
        let after = |attempts: u32| {
            let next = next_try(accepted, attempts, accepted).unwrap();
            next.duration_since(accepted).as_secs()
        };
        assert_eq!([after(0), after(1), after(4), after(20)], [2, 4, 32, 60]);
        let late = later(accepted, MAX_AGE);
        assert_eq!(next_try(accepted, 1, late), None);
    }

    #[test]
    fn debug_output_shows_no_content() {
        let call = NewKeptCall {
            receiver: ObjectKey::new("a", "b"),
            receiver_uid: String::new(),
            content: Some("secret stuff".to_owned()),
            accepted_at: Timestamp::UNIX_EPOCH,
            due_at: Timestamp::UNIX_EPOCH,
        };
        assert!(!format!("{call:?}").contains("secret"));
    }
}
