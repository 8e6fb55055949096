//! The protobuf wire format, as far as small messages need it.
//!
//! Writing gives the same bytes for the same calls. Reading never fails loudly: what is no message
//! ends early.
//!
//! Format: <https://protobuf.dev/programming-guides/encoding/>.

use std::fmt::Write as _;

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

/// A message being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// An empty message.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A number or an enum's value.
    #[must_use]
    pub(crate) fn varint(mut self, field: u32, value: u64) -> Self {
        self.tag(field, VARINT);
        self.push_varint(value);
        self
    }

    /// A `fixed64`.
    #[must_use]
    pub(crate) fn fixed64(mut self, field: u32, value: u64) -> Self {
        self.tag(field, FIXED_64);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A `fixed32`.
    #[must_use]
    pub(crate) fn fixed32(mut self, field: u32, value: u32) -> Self {
        self.tag(field, FIXED_32);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A string or bytes.
    #[must_use]
    pub(crate) fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.tag(field, LENGTH_DELIMITED);
        // A length in memory fits into 64 bits.
        self.push_varint(u64::try_from(value.len()).unwrap_or_default());
        self.0.extend_from_slice(value);
        self
    }

    /// A message inside this one; one of many if repeated.
    #[must_use]
    pub(crate) fn message(self, field: u32, value: Self) -> Self {
        self.bytes(field, value.0)
    }

    fn tag(&mut self, field: u32, wire_type: u64) {
        self.push_varint(u64::from(field) << 3 | wire_type);
    }

    fn push_varint(&mut self, mut value: u64) {
        loop {
            let low = u8::try_from(value & 0x7f).unwrap_or_default();
            value >>= 7;
            if value == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }
}

/// A field of a message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number; the `fixed` forms are among them.
    Number(u64),
    /// A string, bytes or a message.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes, if it is any.
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }
}

/// The last value of a field, as the format wants it; `None` if there is none.
pub(crate) fn last(message: &[u8], field: u64) -> Option<Value<'_>> {
    Fields(message)
        .filter(|(found, _)| *found == field)
        .map(|(_, value)| value)
        .last()
}

/// Whether all of it reads as one message.
pub(crate) fn is_message(bytes: &[u8]) -> bool {
    let mut fields = Fields(bytes);
    fields.by_ref().for_each(drop);
    fields.0.is_empty()
}

/// A message for people, as `protoc --decode_raw` shows it: numbers of fields, texts, messages inside
/// others indented. `None` if it is no message.
pub(crate) fn to_text(message: &[u8]) -> Option<String> {
    let mut text = String::new();
    is_message(message).then(|| write_fields(&mut text, message, 0))?;
    Some(text)
}

/// Messages this deep are shown as bytes.
const DEEPEST: usize = 16;

fn write_fields(text: &mut String, message: &[u8], depth: usize) {
    let indent = "  ".repeat(depth);
    for (field, value) in Fields(message) {
        // Writing to a string cannot fail.
        let _ = match value {
            Value::Number(number) => writeln!(text, "{indent}{field}: {number}"),
            Value::Bytes(bytes) => match shown(bytes) {
                Some(shown) => writeln!(text, "{indent}{field}: {shown:?}"),
                None if depth < DEEPEST && is_message(bytes) => {
                    let _ = writeln!(text, "{indent}{field} {{");
                    write_fields(text, bytes, depth + 1);
                    writeln!(text, "{indent}}}")
                }
                None => writeln!(
                    text,
                    "{indent}{field}: {:?}",
                    bytes.escape_ascii().to_string()
                ),
            },
        };
    }
}

/// Bytes that are a text. Messages begin with, or soon have, a control character.
fn shown(bytes: &[u8]) -> Option<&str> {
    let is_odd = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains(is_odd)).then_some(text)
}

/// The fields from the front; what is left when it ends early is broken.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn read(bytes: &'a [u8]) -> Option<((u64, Value<'a>), &'a [u8])> {
        let (tag, rest) = varint(bytes)?;
        let field = tag >> 3;
        let (value, rest) = match tag & 7 {
            VARINT => {
                let (number, rest) = varint(rest)?;
                (Value::Number(number), rest)
            }
            FIXED_64 => {
                let (number, rest) = rest.split_first_chunk::<8>()?;
                (Value::Number(u64::from_le_bytes(*number)), rest)
            }
            FIXED_32 => {
                let (number, rest) = rest.split_first_chunk::<4>()?;
                (Value::Number(u32::from_le_bytes(*number).into()), rest)
            }
            LENGTH_DELIMITED => {
                let (length, rest) = varint(rest)?;
                let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (Value::Bytes(bytes), rest)
            }
            _ => return None,
        };
        (field > 0).then_some(((field, value), rest))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (field, rest) = Self::read(self.0)?;
        self.0 = rest;
        Some(field)
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        let shift = u32::try_from(index).ok()? * 7;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_format_are_written_as_documented() {
        assert_eq!(
            Message::new().varint(1, 150).into_bytes(),
            [8, 0x96, 1],
            "the page's first example"
        );
        assert_eq!(
            Message::new().bytes(2, "testing").into_bytes(),
            [0x12, 7, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]
        );
        let inner = Message::new().varint(1, 150);
        assert_eq!(
            Message::new().message(3, inner).into_bytes(),
            [0x1a, 3, 8, 0x96, 1]
        );
    }

    #[test]
    fn what_was_written_is_read_and_the_last_of_a_field_counts() {
        let bytes = Message::new()
            .varint(1, u64::MAX)
            .fixed64(2, 7)
            .fixed32(3, 8)
            .bytes(4, "first")
            .bytes(4, "last")
            .into_bytes();
        assert!(is_message(&bytes));
        assert_eq!(last(&bytes, 1), Some(Value::Number(u64::MAX)));
        assert_eq!(last(&bytes, 2), Some(Value::Number(7)));
        assert_eq!(last(&bytes, 3), Some(Value::Number(8)));
        assert_eq!(last(&bytes, 4), Some(Value::Bytes(b"last")));
        assert_eq!(last(&bytes, 5), None);
    }

    #[test]
    fn messages_are_shown_with_their_texts() {
        let inner = Message::new().bytes(1, "name").varint(2, 7);
        let message = Message::new()
            .message(1, inner)
            .bytes(2, [0, 255])
            .bytes(3, "two\nlines");
        assert_eq!(
            to_text(&message.into_bytes()).unwrap(),
            "1 {\n  1: \"name\"\n  2: 7\n}\n2: \"\\\\x00\\\\xff\"\n3: \"two\\nlines\"\n"
        );
        assert_eq!(to_text(b"{}"), None);
    }

    #[test]
    fn what_is_no_message_ends_early() {
        for broken in [
            &[8][..],
            &[0x12, 200, 1, 0],
            &[0x0b],
            &[0xff; 11],
            b"{\"ok\": true}",
            &[
                0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ],
        ] {
            assert!(!is_message(broken), "{broken:?}");
            assert_eq!(last(broken, 2), None, "{broken:?}");
        }
        assert!(is_message(&[]));
    }
}
