//! Unique events of 641 bytes from 100 objects.
//!
//! The message carries the object's number, a number that grows per object, and the time it was
//! sent, so that the sink can check order and measure latency.

use std::time::Duration;

use crate::request::{self, NUMBER_SLOT, Requests, SOURCE_SLOT, TIME_SLOT};

/// How many objects events come from.
pub(crate) const OBJECTS: u32 = 100;
/// Size of a body; what Flux's controllers send is about as large.
pub(crate) const BODY: usize = 641;
/// Namespace of every object and every manifest.
pub(crate) const NAMESPACE: &str = "bench";

/// What names of objects begin with.
pub(crate) const PREFIX: &str = "app-";
/// The same of objects whose events a scenario wants told apart.
pub(crate) const OTHER_PREFIX: &str = "off-";

const MARKER: &[u8] = b"order ";

/// What an event says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which object, below [`OBJECTS`].
    pub(crate) object: u32,
    /// Which event of that object.
    pub(crate) number: u64,
    /// When it was sent, since the start of this program.
    pub(crate) sent: Duration,
}

impl Stamp {
    /// Finds the stamp in a body that was delivered.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let start = find(body, MARKER)? + MARKER.len();
        let text = body.get(start..start + 3 + 1 + 9 + 4 + 12)?;
        Some(Self {
            object: u32::try_from(digits(text.get(..3)?)?).ok()?,
            number: digits(text.get(4..13)?)?,
            sent: Duration::from_micros(digits(text.get(17..29)?)?),
        })
    }
}

/// Events from all objects, whose names begin with `prefix`.
pub(crate) fn requests(prefix: &str) -> Requests {
    Requests::numbered(request::post("/", "", &body(prefix)), OBJECTS)
}

/// Name of one of the objects.
pub(crate) fn object_name(prefix: &str, object: u32) -> String {
    format!("{prefix}{object:03}")
}

/// What an event says: its stamp, and words that make it as long as it should be.
pub(crate) fn message(padding: &str) -> String {
    format!(
        "order {SOURCE_SLOT}/{NUMBER_SLOT} at {TIME_SLOT}: Deployment/bench/app configured{padding}"
    )
}

/// Position of `needle` in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn body(prefix: &str) -> String {
    let with = |padding: &str| {
        let message = message(padding);
        format!(
            r#"{{"involvedObject":{{"kind":"Kustomization","namespace":"{NAMESPACE}","name":"{prefix}{SOURCE_SLOT}","uid":"7d0cdc51-ddcf-4743-b223-83ca5c699{SOURCE_SLOT}","apiVersion":"kustomize.toolkit.fluxcd.io/v1","resourceVersion":"{NUMBER_SLOT}"}},"severity":"info","timestamp":"2026-08-07T16:01:35Z","message":"{message}","reason":"Progressing","metadata":{{"kustomize.toolkit.fluxcd.io/revision":"main@sha1:1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c"}},"reportingController":"kustomize-controller","reportingInstance":"kustomize-controller-7d9c5b8f6-abcde"}}"#
        )
    };
    let missing = BODY.saturating_sub(with("").len());
    with(&".".repeat(missing))
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        Some(number * 10 + u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_size_that_was_measured_and_are_json() {
        let stamp = Stamp {
            object: 7,
            number: 123_456,
            sent: Duration::from_micros(98_765),
        };
        let mut request = Vec::new();
        requests(PREFIX).write(stamp, &mut request);
        let start = find(&request, b"\r\n\r\n").unwrap() + 4;
        let body = &request[start..];
        assert_eq!(body.len(), BODY);
        let value: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(value["involvedObject"]["name"], object_name(PREFIX, 7));
        assert_eq!(Stamp::read(body), Some(stamp));
    }

    #[test]
    fn bodies_without_a_stamp_have_none() {
        assert_eq!(Stamp::read(b"{}"), None);
        assert_eq!(Stamp::read(b"order abc/def"), None);
    }
}
