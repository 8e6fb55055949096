//! Time and body-size limits of one request.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::Instant;

/// The default for [`SendOptions::max_response_bytes`].
pub const DEFAULT_MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// The limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendOptions {
    /// The time for everything: resolving, connecting, redirects and reading the body.
    pub deadline: Duration,
    /// How much of the response body is read; the rest is left out and the response marked.
    pub max_response_bytes: usize,
}

impl SendOptions {
    /// The given time, and the default body limit.
    pub fn within(deadline: Duration) -> Self {
        Self {
            deadline,
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
        }
    }
}

/// What was read of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CappedBody {
    pub(crate) bytes: Bytes,
    pub(crate) truncated: bool,
}

/// Reads a body up to `limit` bytes and until `deadline`.
///
/// The status is known by now, so a body that breaks off or drips is no failure: what came is
/// returned, marked as truncated. Dropping an unfinished body closes its connection.
pub(crate) async fn read_body<B>(mut body: B, limit: usize, deadline: Instant) -> CappedBody
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut read = BytesMut::new();
    let truncated = loop {
        let frame = match tokio::time::timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break false,
            Ok(Some(Err(_))) | Err(_) => break true,
        };
        let Ok(data) = frame.into_data() else {
            continue; // trailers
        };
        let room = limit.saturating_sub(read.len());
        if data.len() > room {
            read.extend_from_slice(&data.slice(..room));
            break true;
        }
        read.extend_from_slice(&data);
    };
    CappedBody {
        bytes: read.freeze(),
        truncated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn a_body_that_fits_exactly_is_not_truncated() {
        let body = read_body(Full::new(Bytes::from_static(b"12345")), 5, soon()).await;
        assert_eq!(
            (body.bytes.as_ref(), body.truncated),
            (&b"12345"[..], false)
        );
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_cut() {
        let body = read_body(Full::new(Bytes::from_static(b"123456")), 5, soon()).await;
        assert_eq!((body.bytes.as_ref(), body.truncated), (&b"12345"[..], true));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_keeps_what_came() {
        let frames = futures::stream::iter([
            Ok(Frame::data(Bytes::from_static(b"12"))),
            Err(std::io::Error::other("gone")),
        ]);
        let body = read_body(StreamBody::new(frames), 5, soon()).await;
        assert_eq!((body.bytes.as_ref(), body.truncated), (&b"12"[..], true));
    }
}
