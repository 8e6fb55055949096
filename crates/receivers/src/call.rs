//! One call of a webhook, as it arrived.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::media_type;

/// Headers and the exact bytes of the body. `Debug` shows neither.
#[derive(Clone)]
pub struct Call {
    /// Header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// The first header of a name, without surrounding white space, as text; bytes outside ASCII only if
/// they are UTF-8.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    header_bytes(headers, name).and_then(|bytes| std::str::from_utf8(bytes).ok())
}

/// The first header of a name, without surrounding white space.
pub fn header_bytes<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers.get(name).map(|value| value.as_bytes().trim_ascii())
}

/// Whether the body claims to be JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    header(headers, CONTENT_TYPE.as_str()).is_some_and(media_type::is_json)
}
