//! Just enough HTTP/1.1 for loopback: where a message ends and what its first line says.

use crate::event::find;

/// Largest head or body that is taken.
pub(crate) const LARGEST: usize = 4 << 20;

/// A complete message at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where the body starts.
    pub(crate) body: usize,
    /// Where the message ends.
    pub(crate) end: usize,
    /// The three digits after the version; of a response only.
    pub(crate) status: u16,
    /// Whether the peer closes afterwards.
    pub(crate) closes: bool,
}

/// What cannot be understood.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum Malformed {
    /// Too long, or without a length although it needs one.
    #[error("a message without a usable length")]
    Length,
}

/// Finds the message at the start of `buffer`; `None` while it is not complete.
pub(crate) fn message(buffer: &[u8]) -> Result<Option<Message>, Malformed> {
    let Some(head_length) = find(buffer, b"\r\n\r\n") else {
        return if buffer.len() > LARGEST {
            Err(Malformed::Length)
        } else {
            Ok(None)
        };
    };
    let head = buffer.get(..head_length).unwrap_or_default();
    let mut length = 0;
    let mut closes = false;
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            length = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<usize>().ok())
                .filter(|length| *length <= LARGEST)
                .ok_or(Malformed::Length)?;
        } else if name.eq_ignore_ascii_case(b"connection") {
            closes = value.eq_ignore_ascii_case(b"close");
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(Malformed::Length);
        }
    }
    let body = head_length + 4;
    let end = body + length;
    if buffer.len() < end {
        return Ok(None);
    }
    let status = head
        .get(9..12)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0);
    Ok(Some(Message {
        body,
        end,
        status,
        closes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_complete_when_its_body_is() {
        let text = b"HTTP/1.1 202 Accepted\r\nContent-LENGTH: 3\r\n\r\nabcHTTP/1.1";
        assert!(message(&text[..30]).unwrap().is_none());
        assert!(message(&text[..46]).unwrap().is_none());
        let expected = Message {
            body: 44,
            end: 47,
            status: 202,
            closes: false,
        };
        assert_eq!(message(text).unwrap(), Some(expected));
    }

    #[test]
    fn chunks_and_absurd_lengths_are_refused() {
        assert!(message(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(message(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").is_err());
    }

    #[test]
    fn a_peer_may_say_that_it_closes() {
        let message = message(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        assert!(message.unwrap().unwrap().closes);
    }
}
