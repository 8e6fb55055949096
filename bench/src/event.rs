//! Unique events of 641 bytes from 100 objects, as ready-made requests in which only digits change.
//!
//! The message carries the object's number, a number that grows per object, and the time it was
//! sent, so that the sink can check order and measure latency.

use std::time::Duration;

/// How many objects events come from.
pub(crate) const OBJECTS: u32 = 100;
/// Size of a body; what Flux's controllers send is about as large.
pub(crate) const BODY: usize = 641;
/// Namespace of every object and every manifest.
pub(crate) const NAMESPACE: &str = "bench";

const MARKER: &[u8] = b"order ";
const OBJECT_SLOT: &str = "OOO";
const NUMBER_SLOT: &str = "QQQQQQQQQ";
const TIME_SLOT: &str = "TTTTTTTTTTTT";

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

/// A request whose digits can be set in place.
#[derive(Clone, Debug)]
pub(crate) struct RequestTemplate {
    bytes: Vec<u8>,
    objects: Vec<usize>,
    numbers: Vec<usize>,
    times: Vec<usize>,
}

impl RequestTemplate {
    /// A request with the headers that Flux's controllers send.
    pub(crate) fn new() -> Self {
        let body = body();
        let text = format!(
            "POST / HTTP/1.1\r\nHost: notification-controller\r\nUser-Agent: Go-http-client/1.1\r\n\
             Content-Length: {}\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n{body}",
            body.len()
        );
        let positions = |slot: &str| text.match_indices(slot).map(|(at, _)| at).collect();
        Self {
            objects: positions(OBJECT_SLOT),
            numbers: positions(NUMBER_SLOT),
            times: positions(TIME_SLOT),
            bytes: text.into_bytes(),
        }
    }

    /// The request with this stamp.
    pub(crate) fn stamped(&mut self, stamp: Stamp) -> &[u8] {
        for at in &self.objects {
            write(&mut self.bytes, *at, OBJECT_SLOT.len(), stamp.object.into());
        }
        for at in &self.numbers {
            write(&mut self.bytes, *at, NUMBER_SLOT.len(), stamp.number);
        }
        let micros = u64::try_from(stamp.sent.as_micros()).unwrap_or(u64::MAX);
        for at in &self.times {
            write(&mut self.bytes, *at, TIME_SLOT.len(), micros);
        }
        &self.bytes
    }
}

/// Name of one of the objects.
pub(crate) fn object_name(object: u32) -> String {
    format!("app-{object:03}")
}

/// Position of `needle` in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn body() -> String {
    let with = |padding: &str| {
        format!(
            r#"{{"involvedObject":{{"kind":"Kustomization","namespace":"{NAMESPACE}","name":"app-{OBJECT_SLOT}","uid":"7d0cdc51-ddcf-4743-b223-83ca5c699{OBJECT_SLOT}","apiVersion":"kustomize.toolkit.fluxcd.io/v1","resourceVersion":"{NUMBER_SLOT}"}},"severity":"info","timestamp":"2026-08-07T16:01:35Z","message":"order {OBJECT_SLOT}/{NUMBER_SLOT} at {TIME_SLOT}: Deployment/bench/app configured{padding}","reason":"Progressing","metadata":{{"kustomize.toolkit.fluxcd.io/revision":"main@sha1:1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c"}},"reportingController":"kustomize-controller","reportingInstance":"kustomize-controller-7d9c5b8f6-abcde"}}"#
        )
    };
    let missing = BODY.saturating_sub(with("").len());
    with(&".".repeat(missing))
}

fn write(bytes: &mut [u8], at: usize, width: usize, mut number: u64) {
    for place in (at..at + width).rev() {
        if let Some(byte) = bytes.get_mut(place) {
            *byte = b'0' + u8::try_from(number % 10).unwrap_or(0);
        }
        number /= 10;
    }
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
        let mut template = RequestTemplate::new();
        let request = template.stamped(stamp).to_vec();
        let start = find(&request, b"\r\n\r\n").unwrap() + 4;
        let body = &request[start..];
        assert_eq!(body.len(), BODY);
        let value: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(value["involvedObject"]["name"], object_name(7));
        assert_eq!(Stamp::read(body), Some(stamp));
    }

    #[test]
    fn two_stamps_never_give_the_same_message() {
        let mut template = RequestTemplate::new();
        let stamp = |number| Stamp {
            object: 0,
            number,
            sent: Duration::ZERO,
        };
        let one = template.stamped(stamp(1)).to_vec();
        assert_ne!(one, template.stamped(stamp(2)));
        assert_eq!(one, template.stamped(stamp(1)));
    }

    #[test]
    fn bodies_without_a_stamp_have_none() {
        assert_eq!(Stamp::read(b"{}"), None);
        assert_eq!(Stamp::read(b"order abc/def"), None);
    }
}
