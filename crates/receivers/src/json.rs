//! JSON that somebody sent, read as Go's decoder reads it: the last of equal keys wins, invalid
//! UTF-8 and lone surrogates become U+FFFD, and what stands behind the first value is a matter of the
//! caller. Nesting is bounded and costs no stack.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};
use thiserror::Error;

/// Deepest nesting. Go allows 10,000 levels; no sender comes near either.
const MOST_LEVELS: usize = 2500;

/// Why bytes are no JSON. Says where, never what the bytes were.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum JsonError {
    /// Not JSON at this byte.
    #[error("the body is no JSON at byte {0}")]
    Malformed(usize),
    /// The bytes end in the middle.
    #[error("the body ends in the middle of a JSON value")]
    Incomplete,
    /// Nested too deeply.
    #[error("the body is nested more than {MOST_LEVELS} levels deep")]
    TooDeep,
}

/// Reads the first value; answers also where it ends.
pub fn first(bytes: &[u8]) -> Result<(Value, usize), JsonError> {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value()?;
    Ok((value, reader.at))
}

/// Reads bytes that must be exactly one value.
pub fn whole(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value()?;
    reader.skip_space();
    if reader.peek().is_some() {
        return Err(JsonError::Malformed(reader.at));
    }
    Ok(value)
}

/// A field of an object by its name, case aside where the exact one is missing, as Go finds it.
pub fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let map = value.as_object()?;
    map.get(name).or_else(|| {
        let found = map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    })
}

/// What kind of thing a value must be.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// An object; the fields named must fit if they are there.
    Object(&'static [(&'static str, Shape)]),
}

impl Shape {
    /// Whether a value fits. `null` fits everything, and so does what is missing.
    pub fn fits(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) | (Self::Text, Value::String(_)) => true,
            (Self::Texts, Value::Array(items)) => {
                items.iter().all(|item| item.is_string() || item.is_null())
            }
            (Self::Object(fields), Value::Object(map)) => map.iter().all(|(key, value)| {
                let shape = fields
                    .iter()
                    .find(|(name, _)| key.eq_ignore_ascii_case(name));
                shape.is_none_or(|(_, shape)| shape.fits(value))
            }),
            _ => false,
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A list or object that is not complete yet.
enum Open {
    List(Vec<Value>),
    Object(Map<String, Value>, String),
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value, JsonError> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            self.skip_space();
            let mut value = match self.next()? {
                b'[' => {
                    deeper(&open)?;
                    self.skip_space();
                    if self.peek() != Some(b']') {
                        open.push(Open::List(Vec::new()));
                        continue;
                    }
                    self.at += 1;
                    Value::Array(Vec::new())
                }
                b'{' => {
                    deeper(&open)?;
                    self.skip_space();
                    if self.peek() != Some(b'}') {
                        let key = self.key()?;
                        open.push(Open::Object(Map::new(), key));
                        continue;
                    }
                    self.at += 1;
                    Value::Object(Map::new())
                }
                b'"' => Value::String(self.string()?),
                b't' => self.word("rue", Value::Bool(true))?,
                b'f' => self.word("alse", Value::Bool(false))?,
                b'n' => self.word("ull", Value::Null)?,
                b'-' | b'0'..=b'9' => self.number()?,
                _ => return Err(JsonError::Malformed(self.at - 1)),
            };
            // Closes whatever ends with this value.
            loop {
                let Some(innermost) = open.last_mut() else {
                    return Ok(value);
                };
                self.skip_space();
                let next = self.next()?;
                match (innermost, next) {
                    (Open::List(items), b',') => {
                        items.push(value);
                        break;
                    }
                    (Open::List(items), b']') => {
                        items.push(value);
                        value = Value::Array(std::mem::take(items));
                    }
                    (Open::Object(map, key), b',') => {
                        map.insert(std::mem::take(key), value);
                        *key = self.key()?;
                        break;
                    }
                    (Open::Object(map, key), b'}') => {
                        map.insert(std::mem::take(key), value);
                        value = Value::Object(std::mem::take(map));
                    }
                    _ => return Err(JsonError::Malformed(self.at - 1)),
                }
                open.pop();
            }
        }
    }

    fn key(&mut self) -> Result<String, JsonError> {
        self.skip_space();
        self.expect(b'"')?;
        let key = self.string()?;
        self.skip_space();
        self.expect(b':')?;
        Ok(key)
    }

    /// What follows an opening quote.
    fn string(&mut self) -> Result<String, JsonError> {
        let mut text = String::new();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
                .ok_or(JsonError::Incomplete)?;
            let (plain, _) = rest.split_at(plain);
            self.at += plain.len();
            match String::from_utf8_lossy(plain) {
                Cow::Borrowed(plain) => text.push_str(plain),
                Cow::Owned(plain) => text.push_str(&plain),
            }
            match self.next()? {
                b'"' => return Ok(text),
                b'\\' => text.push(self.escape()?),
                _ => return Err(JsonError::Malformed(self.at - 1)),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        Ok(match self.next()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return Err(JsonError::Malformed(self.at - 1)),
        })
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.four_digits()?;
        if !(0xD800..=0xDFFF).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        if first < 0xDC00 && self.bytes.get(self.at..self.at + 2) == Some(b"\\u") {
            self.at += 2;
            let second = self.four_digits()?;
            if (0xDC00..=0xDFFF).contains(&second) {
                let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            // The second one stands for itself.
            self.at = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.next()?).to_digit(16);
            code = code << 4 | digit.ok_or(JsonError::Malformed(self.at - 1))?;
        }
        Ok(code)
    }

    fn word(&mut self, rest: &str, value: Value) -> Result<Value, JsonError> {
        for byte in rest.bytes() {
            self.expect(byte)?;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at - 1;
        if self.bytes.get(start) == Some(&b'-') {
            self.digits()?;
        } else {
            self.at = start;
            self.digits()?;
        }
        let mut is_integer = true;
        if self.peek() == Some(b'.') {
            is_integer = false;
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        let text = self.bytes.get(start..self.at).unwrap_or_default();
        let text = std::str::from_utf8(text).unwrap_or_default();
        if is_integer && let Ok(number) = text.parse::<i64>() {
            // Minus zero is a double.
            if number != 0 || !text.starts_with('-') {
                return Ok(Value::Number(number.into()));
            }
        }
        // What overflows a double is an error in Go, too.
        let number = text.parse::<f64>().ok().and_then(Number::from_f64);
        number.map(Value::Number).ok_or(JsonError::Malformed(start))
    }

    /// A whole number without a leading zero.
    fn digits(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'0') {
            self.at += 1;
            return Ok(());
        }
        self.some_digits()
    }

    fn some_digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else if self.peek().is_none() {
            Err(JsonError::Incomplete)
        } else {
            Err(JsonError::Malformed(self.at))
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, JsonError> {
        let byte = self.peek().ok_or(JsonError::Incomplete)?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), JsonError> {
        if self.next()? == wanted {
            Ok(())
        } else {
            Err(JsonError::Malformed(self.at - 1))
        }
    }
}

fn deeper(open: &[Open]) -> Result<(), JsonError> {
    if open.len() >= MOST_LEVELS {
        Err(JsonError::TooDeep)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, JsonError> {
        whole(text.as_bytes())
    }

    #[test]
    fn what_go_reads_is_read_alike() {
        assert_eq!(read(r#"{"a":1,"a":2}"#), Ok(json!({"a": 2})));
        assert_eq!(first(br#"{"a":1} trailing"#), Ok((json!({"a": 1}), 7)));
        assert_eq!(whole(b"{\"a\":\"\xff\"}"), Ok(json!({"a": "\u{fffd}"})));
        assert_eq!(read(r#""\ud800""#), Ok(json!("\u{fffd}")));
        assert_eq!(read(r#""\ud83d\ude00\ud83dx""#), Ok(json!("😀\u{fffd}x")));
        assert_eq!(read(" [1e2, -0, 1.5] "), Ok(json!([100.0, -0.0, 1.5])));
        assert_eq!(
            read("9007199254740993"),
            Ok(json!(9_007_199_254_740_993_i64))
        );
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "01",
            "1.",
            "+1",
            "nul",
            "\"\n\"",
            "\"\\x\"",
            "1e400",
            "[1 2]",
            "{\"a\":1,}",
            "\u{feff}{}",
            "\"\\u12\"",
            "-",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(2001)).is_ok());
        assert_eq!(read(&nested(12_000)), Err(JsonError::TooDeep));
    }

    #[test]
    fn shapes_look_at_known_fields_only() {
        const SHAPE: Shape = Shape::Object(&[
            ("tag", Shape::Text),
            ("tags", Shape::Texts),
            ("inner", Shape::Object(&[("x", Shape::Text)])),
        ]);
        for fits in [
            json!(null),
            json!({}),
            json!({"TAG": "x", "foo": [1]}),
            json!({"tags": ["a", null], "inner": null}),
        ] {
            assert!(SHAPE.fits(&fits), "{fits}");
        }
        for misfit in [
            json!([]),
            json!({"tag": 1}),
            json!({"Tag": 1}),
            json!({"tags": [1]}),
            json!({"inner": {"x": {}}}),
        ] {
            assert!(!SHAPE.fits(&misfit), "{misfit}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>()
                .prop_filter("no JSON", |n| n.is_finite())
                .prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_another_library_writes_is_read(value in any_json()) {
            let written = serde_json::to_vec(&value).unwrap();
            let read = whole(&written).unwrap();
            // Numbers are equal as numbers.
            prop_assert_eq!(read.to_string(), value.to_string());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = first(&bytes);
        }

        #[test]
        fn what_another_library_reads_is_read(text in "[\\[\\]{}\",:0-9eE.+\\- a-f\\\\ntrue]{0,24}") {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert_eq!(read(&text).map(|read| read.to_string()), Ok(value.to_string()));
            } else {
                prop_assert!(read(&text).is_err());
            }
        }
    }
}
