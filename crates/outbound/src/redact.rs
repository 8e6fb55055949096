//! URLs and texts fit for logs, conditions and messages.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use api::Secret;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::error::Endpoint;

/// What stands where a secret was.
pub const REPLACEMENT: &str = "*****";

/// Values shorter than this are not looked for: they would tear holes into ordinary words, and a
/// secret this short is none.
const SHORTEST_VALUE: usize = 4;

/// Inner pieces of encoded values shorter than this are not looked for, for the same reason.
const SHORTEST_PIECE: usize = 8;

/// Lines of a value, such as those of a private key, are looked for by themselves from this length.
const SHORTEST_LINE: usize = 16;

/// A path or segment of this length is taken for a secret by itself if there is a digit in it.
const SHORTEST_SEGMENT: usize = 8;

/// A path or segment of this length is taken for a secret by itself; shorter ones are words.
const SHORTEST_SEGMENT_OF_LETTERS: usize = 16;

/// What the encoders of most URL libraries leave alone.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Removes known secrets from texts.
///
/// It looks for each value as it is, without surrounding white space, percent-encoded, as the inside
/// of a JSON string, and within base64 at any offset (so a token inside Basic credentials is found
/// too). Values under four bytes are ignored. Overlapping finds are removed together.
#[derive(Clone, Default)]
pub struct Redactor {
    needles: BTreeSet<Secret<String>>,
}

impl Redactor {
    /// A redactor that knows no secret yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret value, and its long lines if it has several. Bytes that are no UTF-8 are known
    /// by their base64 forms only.
    pub fn hide(&mut self, value: &[u8]) {
        if value.trim_ascii().len() < SHORTEST_VALUE {
            return;
        }
        for value in [value, value.trim_ascii()] {
            if let Ok(text) = std::str::from_utf8(value) {
                self.hide_text(text);
            }
            for piece in base64_pieces(value) {
                self.add(piece, SHORTEST_PIECE);
            }
        }
    }

    /// Adds the parts of a URL that may be secret: user information, the path and each
    /// segment of it unless it is short, and the values in its query.
    pub fn hide_url(&mut self, url: &Url) {
        let decoded = |part: &str| percent_decode_str(part).collect::<Vec<u8>>();
        self.hide(&decoded(url.username()));
        self.hide(&decoded(url.password().unwrap_or_default()));
        for segment in std::iter::once(url.path()).chain(url.path().split('/')) {
            if looks_secret(segment) {
                self.hide(segment.as_bytes());
                self.hide(&decoded(segment));
            }
        }
        self.hide(url.query().unwrap_or_default().as_bytes());
        for (_, value) in url.query_pairs() {
            self.hide(value.as_bytes());
        }
    }

    /// The text with every known secret replaced by [`REPLACEMENT`].
    ///
    /// A secret that the text's end cuts short is replaced too when at least eight of its bytes are
    /// there, because texts from outside arrive capped.
    pub fn redact(&self, text: &str) -> String {
        let mut finds: Vec<(usize, usize)> = Vec::new();
        for needle in &self.needles {
            let needle = needle.expose();
            let found = overlapping(text, needle);
            finds.extend(found.map(|start| (start, start.saturating_add(needle.len()))));
            finds.extend(cut_short(text, needle).map(|start| (start, text.len())));
        }
        finds.sort_unstable();
        let mut redacted = String::with_capacity(text.len());
        let mut copied = 0;
        for (start, end) in finds {
            if end <= copied {
                continue;
            }
            if start >= copied {
                redacted.push_str(text.get(copied..start).unwrap_or_default());
                redacted.push_str(REPLACEMENT);
            }
            copied = end;
        }
        redacted.push_str(text.get(copied..).unwrap_or_default());
        redacted
    }

    fn hide_text(&mut self, text: &str) {
        self.add(text.to_owned(), SHORTEST_VALUE);
        for line in text.lines() {
            self.add(line.trim().to_owned(), SHORTEST_LINE);
        }
        for set in [NON_ALPHANUMERIC, UNRESERVED] {
            let encoded = utf8_percent_encode(text, set).to_string();
            self.add(lowercase_escapes(&encoded), SHORTEST_VALUE);
            self.add(encoded.replace("%20", "+"), SHORTEST_VALUE);
            self.add(encoded, SHORTEST_VALUE);
        }
        self.add(text.escape_debug().to_string(), SHORTEST_VALUE);
        for also in ["", "<>&", "/"] {
            self.add(json_escaped(text, also), SHORTEST_VALUE);
        }
    }

    fn add(&mut self, needle: String, shortest: usize) {
        if needle.len() >= shortest {
            self.needles.insert(Secret::new(needle));
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redactor(*****)")
    }
}

/// A URL for people: `scheme://host[:port]/*****`. Without a path, query or user information it is
/// the plain `scheme://host[:port]`.
pub fn url_for_humans(url: &Url) -> String {
    let endpoint = Endpoint::of(url);
    let bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if bare {
        endpoint.to_string()
    } else {
        format!("{endpoint}/{REPLACEMENT}")
    }
}

fn looks_secret(segment: &str) -> bool {
    let has_digit = segment.bytes().any(|byte| byte.is_ascii_digit());
    let shortest = if has_digit {
        SHORTEST_SEGMENT
    } else {
        SHORTEST_SEGMENT_OF_LETTERS
    };
    segment.len() >= shortest
}

/// Where `needle` begins in `text`, overlapping finds included.
fn overlapping<'a>(text: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    let step = needle.chars().next().map_or(1, char::len_utf8);
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text.get(from..)?.find(needle)?;
        from = start + step;
        Some(start)
    })
}

/// Where the longest beginning of `needle` starts that ends the text, if it is long enough.
fn cut_short(text: &str, needle: &str) -> Option<usize> {
    let longest = needle.len().saturating_sub(1).min(text.len());
    (SHORTEST_PIECE..=longest)
        .rev()
        .filter_map(|length| needle.get(..length))
        .find(|beginning| text.ends_with(beginning))
        .map(|beginning| text.len() - beginning.len())
}

/// The characters that `value` alone decides, in base64 at each of the three possible offsets.
fn base64_pieces(value: &[u8]) -> Vec<String> {
    let mut pieces = Vec::new();
    for offset in 0..3_usize {
        let mut padded = vec![0; offset];
        padded.extend_from_slice(value);
        // A character belongs to the value alone when all of its six bits lie within it.
        let first = (offset * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&padded);
            pieces.extend(encoded.get(first..last).map(str::to_owned));
        }
    }
    pieces
}

/// The inside of a JSON string. Encoders differ in what else they escape: Go `<`, `>` and `&`, PHP
/// slashes.
fn json_escaped(text: &str, also: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '/' if also.contains('/') => escaped.push_str("\\/"),
            control if control < ' ' || also.contains(control) => {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(control));
            }
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// `%2F` as `%2f`: both are in use.
fn lowercase_escapes(encoded: &str) -> String {
    let mut result = String::with_capacity(encoded.len());
    let mut escape_left = 0;
    for character in encoded.chars() {
        if character == '%' {
            escape_left = 2;
            result.push(character);
        } else if escape_left > 0 {
            escape_left -= 1;
            result.push(character.to_ascii_lowercase());
        } else {
            result.push(character);
        }
    }
    result
}

#[cfg(test)]
mod tests;
