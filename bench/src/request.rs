//! Ready-made requests in which only digits change, so that sending costs the load generator little.

use std::sync::Arc;

use crate::event::Stamp;

/// Where the number of the source goes, in a request that is made into a template.
pub(crate) const SOURCE_SLOT: &str = "OOO";
/// Where the number of the request goes.
pub(crate) const NUMBER_SLOT: &str = "QQQQQQQQQ";
/// Where the time goes, in microseconds.
pub(crate) const TIME_SLOT: &str = "TTTTTTTTTTTT";

/// What a load sends, in turn for each of its sources.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    templates: Arc<[Template]>,
    sources: u32,
}

#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    sources: Vec<usize>,
    numbers: Vec<usize>,
    times: Vec<usize>,
}

impl Requests {
    /// The same request for so many sources, told apart by their numbers.
    pub(crate) fn numbered(request: String, sources: u32) -> Self {
        Self {
            templates: [Template::new(request)].into(),
            sources,
        }
    }

    /// One request for each source.
    pub(crate) fn each(requests: impl IntoIterator<Item = String>) -> Self {
        let templates: Arc<[Template]> = requests.into_iter().map(Template::new).collect();
        let sources = u32::try_from(templates.len()).unwrap_or(u32::MAX).max(1);
        Self { templates, sources }
    }

    /// How many sources there are.
    pub(crate) fn sources(&self) -> u32 {
        self.sources
    }

    /// Puts the request with this stamp into `buffer`, in place of what is in it.
    pub(crate) fn write(&self, stamp: Stamp, buffer: &mut Vec<u8>) {
        buffer.clear();
        let source = usize::try_from(stamp.object).unwrap_or(0);
        let template = match self.templates.as_ref() {
            [only] => Some(only),
            several => several.get(source),
        };
        if let Some(template) = template {
            template.write(stamp, buffer);
        }
    }
}

impl Template {
    fn new(request: String) -> Self {
        let positions = |slot: &str| request.match_indices(slot).map(|(at, _)| at).collect();
        Self {
            sources: positions(SOURCE_SLOT),
            numbers: positions(NUMBER_SLOT),
            times: positions(TIME_SLOT),
            bytes: request.into_bytes(),
        }
    }

    fn write(&self, stamp: Stamp, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.bytes);
        let micros = u64::try_from(stamp.sent.as_micros()).unwrap_or(u64::MAX);
        for (places, slot, value) in [
            (&self.sources, SOURCE_SLOT, u64::from(stamp.object)),
            (&self.numbers, NUMBER_SLOT, stamp.number),
            (&self.times, TIME_SLOT, micros),
        ] {
            for at in places {
                write_digits(buffer, *at, slot.len(), value);
            }
        }
    }
}

/// A POST of JSON with the headers that Flux's controllers send, and these lines of further headers.
pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: notification-controller\r\nUser-Agent: Go-http-client/1.1\r\n\
         Content-Length: {}\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn write_digits(bytes: &mut [u8], at: usize, width: usize, mut number: u64) {
    for place in (at..at + width).rev() {
        if let Some(byte) = bytes.get_mut(place) {
            *byte = b'0' + u8::try_from(number % 10).unwrap_or(0);
        }
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stamp(object: u32, number: u64) -> Stamp {
        Stamp {
            object,
            number,
            sent: Duration::from_micros(5),
        }
    }

    #[test]
    fn digits_are_written_where_the_slots_are() {
        let requests = Requests::numbered("a OOO b QQQQQQQQQ OOO TTTTTTTTTTTT".to_owned(), 9);
        let mut buffer = b"left over".to_vec();
        requests.write(stamp(7, 123_456), &mut buffer);
        assert_eq!(buffer, b"a 007 b 000123456 007 000000000005");
        assert_eq!(requests.sources(), 9);
    }

    #[test]
    fn each_source_may_have_a_request_of_its_own() {
        let requests = Requests::each(["one".to_owned(), "two QQQQQQQQQ".to_owned()]);
        let mut buffer = Vec::new();
        requests.write(stamp(1, 3), &mut buffer);
        assert_eq!(buffer, b"two 000000003");
        requests.write(stamp(0, 3), &mut buffer);
        assert_eq!(buffer, b"one");
        assert_eq!(requests.sources(), 2);
    }
}
