//! Reads request bodies within limits: of one body, of its time, and of all bodies together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use thiserror::Error;

/// Time for one whole body.
const LONGEST_READ: Duration = Duration::from_secs(30);

/// How much of a body that is too large is read and thrown away, so that the sender gets to see the
/// answer instead of a reset.
const MOST_DISCARDED: usize = 16 << 20;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BodyError {
    /// Larger than allowed.
    #[error("the body is too large")]
    TooLarge,
    /// Broken off, malformed, or too slow.
    #[error("the body is broken off, malformed or too slow")]
    Unreadable,
    /// All bodies together take too much memory right now.
    #[error("too many bodies at once")]
    Overloaded,
}

/// Memory that all bodies under way share.
#[derive(Clone)]
pub(crate) struct BodyBudget {
    used: Arc<AtomicUsize>,
    most: usize,
}

impl BodyBudget {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            used: Arc::default(),
            most,
        }
    }

    /// Reads a body of at most `limit` bytes.
    pub(crate) async fn read(&self, body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
        self.read_each(body, limit, Keeping::Whole, |_| {}).await
    }

    /// The same; `each` sees the pieces as they arrive. What is not kept takes none of the memory, yet
    /// is refused where it would have found none.
    pub(crate) async fn read_each(
        &self,
        body: Incoming,
        limit: usize,
        keeping: Keeping,
        each: impl FnMut(&[u8]),
    ) -> Result<Bytes, BodyError> {
        tokio::time::timeout(LONGEST_READ, self.read_all(body, limit, keeping, each))
            .await
            .unwrap_or(Err(BodyError::Unreadable))
    }

    async fn read_all(
        &self,
        mut body: Incoming,
        limit: usize,
        keeping: Keeping,
        mut each: impl FnMut(&[u8]),
    ) -> Result<Bytes, BodyError> {
        let expected = body.size_hint().exact().unwrap_or(0);
        if usize::try_from(expected).unwrap_or(usize::MAX) > limit {
            discard(body).await;
            return Err(BodyError::TooLarge);
        }
        let mut share = Share {
            budget: self,
            bytes: 0,
        };
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::Unreadable)?.into_data() else {
                continue; // trailers
            };
            length += data.len();
            if length > limit {
                discard(body).await;
                return Err(BodyError::TooLarge);
            }
            let has_room = match keeping {
                Keeping::Whole => share.grow(data.len()),
                Keeping::Nothing => self.has_room(length),
            };
            if !has_room {
                discard(body).await;
                return Err(BodyError::Overloaded);
            }
            each(&data);
            if keeping == Keeping::Nothing {
                continue;
            }
            // Most bodies come in one piece and need no copy.
            match &first {
                None => first = Some(data),
                Some(head) => {
                    if rest.is_empty() {
                        rest.extend_from_slice(head);
                    }
                    rest.extend_from_slice(&data);
                }
            }
        }
        Ok(if rest.is_empty() {
            first.unwrap_or_default()
        } else {
            rest.freeze()
        })
    }

    /// Whether a body of that length would find room now.
    fn has_room(&self, bytes: usize) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(bytes) <= self.most
    }
}

/// What of a body is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// All of it.
    Whole,
    /// Nothing: the result is empty.
    Nothing,
}

async fn discard(mut body: Incoming) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > MOST_DISCARDED {
            return;
        }
    }
}

/// What one body takes of the budget; given back on drop.
struct Share<'a> {
    budget: &'a BodyBudget,
    bytes: usize,
}

impl Share<'_> {
    fn grow(&mut self, by: usize) -> bool {
        let before = self.budget.used.fetch_add(by, Ordering::Relaxed);
        self.bytes += by;
        before + by <= self.budget.most
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
