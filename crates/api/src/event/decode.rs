//! Bytes to `Event`, the way Go's decoder would do it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use thiserror::Error;

use super::{Event, ObjectReference, timestamp};

/// Go refuses deeper nesting than this.
const MAX_DEPTH: usize = 10_000;

/// Why bytes are no event. The text says where, never what the body contained.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// Not JSON, or JSON of the wrong shape.
    #[error("the body is no event: {0}")]
    Json(#[from] serde_json::Error),
    /// Nested too deeply.
    #[error("the body is no event: nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

/// Decodes an event; `null` gives an empty one.
pub fn decode(body: &[u8]) -> Result<Event, DecodeError> {
    if body.len() > MAX_DEPTH && is_too_deep(body) {
        return Err(DecodeError::TooDeep);
    }
    match parse(body) {
        Ok(event) => Ok(event),
        // Only now look for what Go would replace; well-formed bodies never pay for it.
        Err(error) => match repair(body) {
            Some(repaired) => Ok(parse(repaired.as_bytes())?),
            None => Err(error.into()),
        },
    }
}

fn parse(body: &[u8]) -> Result<Event, serde_json::Error> {
    let mut event = Event::default();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    EventSeed(&mut event).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(event)
}

impl<'de> de::Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut event = Self::default();
        EventSeed(&mut event).deserialize(deserializer)?;
        Ok(event)
    }
}

/// Replaces invalid UTF-8 and escapes of lone surrogates; `None` if there was nothing to replace.
fn repair(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let replaced = replace_lone_surrogates(&text);
    match (&text, replaced) {
        (_, Some(replaced)) => Some(replaced),
        (Cow::Owned(_), None) => Some(text.into_owned()),
        (Cow::Borrowed(_), None) => None,
    }
}

fn replace_lone_surrogates(text: &str) -> Option<String> {
    let mut output = String::new();
    let mut changed = false;
    let mut rest = text;
    while let Some(position) = rest.find('\\') {
        let (plain, escape) = rest.split_at(position);
        output.push_str(plain);
        let unit = unicode_escape(escape);
        let length = match unit {
            Some(0xD800..=0xDBFF) => {
                let second = escape.get(6..).and_then(unicode_escape);
                if matches!(second, Some(0xDC00..=0xDFFF)) {
                    12
                } else {
                    changed = true;
                    output.push_str("\\ufffd");
                    rest = escape.get(6..).unwrap_or_default();
                    continue;
                }
            }
            Some(0xDC00..=0xDFFF) => {
                changed = true;
                output.push_str("\\ufffd");
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            Some(_) => 6,
            // A backslash and the character behind it, whatever that is.
            None => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        let (kept, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        output.push_str(kept);
        rest = after;
    }
    output.push_str(rest);
    changed.then_some(output)
}

fn unicode_escape(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

fn is_too_deep(body: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// Folds a field name as Go does: ASCII case, plus the two letters outside ASCII whose folding
/// reaches into it.
fn folded(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Cow::Borrowed(name);
    }
    if name.is_ascii() {
        return Cow::Owned(name.to_ascii_lowercase());
    }
    let fold = |character| match character {
        '\u{017F}' => 's',
        '\u{212A}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    Cow::Owned(name.chars().map(fold).collect())
}

/// A key that borrows from the input where it can.
struct Key<'de>(Cow<'de, str>);

impl<'de> de::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a field name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Fills a value that exists already, so that repeated objects merge and `null` changes nothing.
macro_rules! merging_seed {
    ($seed:ident, $target:ty, $expecting:literal, |$this:ident, $map:ident, $key:ident| $body:expr) => {
        struct $seed<'a>(&'a mut $target);

        impl<'de> DeserializeSeed<'de> for $seed<'_> {
            type Value = ();
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_any(self)
            }
        }

        impl<'de> Visitor<'de> for $seed<'_> {
            type Value = ();
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str($expecting)
            }
            fn visit_unit<E>(self) -> Result<(), E> {
                Ok(())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<(), A::Error> {
                let $this = self.0;
                while let Some(Key($key)) = $map.next_key()? {
                    $body
                }
                Ok(())
            }
        }
    };
}

merging_seed!(EventSeed, Event, "an event object", |event, map, key| {
    match &*folded(&key) {
        "involvedobject" => map.next_value_seed(ReferenceSeed(&mut event.involved_object))?,
        "severity" => text(&mut map, &mut event.severity)?,
        "timestamp" => match map.next_value::<Option<Cow<'de, str>>>()? {
            None => event.timestamp = None,
            Some(text) => {
                let parsed = timestamp::parse(&text);
                event.timestamp =
                    Some(parsed.ok_or_else(|| {
                        de::Error::custom("field `timestamp`: expected RFC 3339")
                    })?);
            }
        },
        "message" => text(&mut map, &mut event.message)?,
        "reason" => text(&mut map, &mut event.reason)?,
        "metadata" => map.next_value_seed(MetadataSeed(&mut event.metadata))?,
        "reportingcontroller" => text(&mut map, &mut event.reporting_controller)?,
        "reportinginstance" => text(&mut map, &mut event.reporting_instance)?,
        _ => {
            map.next_value::<IgnoredAny>()?;
        }
    }
});

merging_seed!(
    ReferenceSeed,
    ObjectReference,
    "an object reference",
    |reference, map, key| {
        let field = match &*folded(&key) {
            "kind" => &mut reference.kind,
            "namespace" => &mut reference.namespace,
            "name" => &mut reference.name,
            "uid" => &mut reference.uid,
            "apiversion" => &mut reference.api_version,
            "resourceversion" => &mut reference.resource_version,
            "fieldpath" => &mut reference.field_path,
            _ => {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
        };
        text(&mut map, field)?;
    }
);

merging_seed!(
    MetadataSeed,
    BTreeMap<String, String>,
    "a map of strings",
    |metadata, map, key| {
        let value = map.next_value::<Option<String>>()?.unwrap_or_default();
        metadata.insert(key.into_owned(), value);
    }
);

fn text<'de, A: MapAccess<'de>>(map: &mut A, field: &mut String) -> Result<(), A::Error> {
    if let Some(value) = map.next_value::<Option<String>>()? {
        *field = value;
    }
    Ok(())
}
