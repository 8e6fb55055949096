//! Values of an evaluation. Strings, lists and maps of the input are used where they lie.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::error::EvaluationError;
use super::meter::Meter;

/// Nesting of values that are compared or written.
pub(super) const DEPTH_LIMIT: u32 = 400;

/// A value; cheap to clone.
#[derive(Debug, Clone)]
pub(super) enum Value<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Text<'v>),
    Bytes(Rc<[u8]>),
    List(List<'v>),
    Map(Map<'v>),
    Optional(Option<Rc<Value<'v>>>),
    /// Nanoseconds since 1970.
    Timestamp(i128),
    /// Nanoseconds.
    Duration(i64),
    Type(&'static str),
}

/// A string.
#[derive(Debug, Clone)]
pub(super) enum Text<'v> {
    Given(&'v str),
    Made(Rc<str>),
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Text::Given(text) => text,
            Text::Made(text) => text,
        }
    }
}

/// A list.
#[derive(Debug, Clone)]
pub(super) enum List<'v> {
    Given(&'v [Json]),
    Made(Rc<[Value<'v>]>),
}

impl<'v> List<'v> {
    pub(super) fn len(&self) -> usize {
        match self {
            List::Given(list) => list.len(),
            List::Made(list) => list.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Value<'v>> {
        match self {
            List::Given(list) => list.get(index).map(Value::of),
            List::Made(list) => list.get(index).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Value<'v>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

/// A key of a map. Numbers that are equal are one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Bool(bool),
    /// Covers `int` and `uint`.
    Number(i128),
    /// The bits of a double that is no integer.
    Fraction(u64),
    String(Rc<str>),
}

/// A map.
#[derive(Debug, Clone)]
pub(super) enum Map<'v> {
    Given(&'v serde_json::Map<String, Json>),
    /// Values of the map with the keys as they were written.
    Made(Rc<BTreeMap<Key, (Value<'v>, Value<'v>)>>),
}

impl<'v> Map<'v> {
    pub(super) fn len(&self) -> usize {
        match self {
            Map::Given(map) => map.len(),
            Map::Made(map) => map.len(),
        }
    }

    /// Looks a field up.
    pub(super) fn field(&self, name: &str) -> Option<Value<'v>> {
        match self {
            Map::Given(map) => map.get(name).map(Value::of),
            Map::Made(map) => map
                .get(&Key::String(name.into()))
                .map(|(_, value)| value.clone()),
        }
    }

    /// Looks any key up.
    pub(super) fn get(&self, key: &Value<'_>) -> Option<Value<'v>> {
        match (self, key) {
            (_, Value::String(name)) => self.field(name.as_str()),
            (Map::Given(_), _) => None,
            (Map::Made(map), key) => map.get(&Key::of(key)?).map(|(_, value)| value.clone()),
        }
    }

    /// Returns keys and values in the order of the keys.
    pub(super) fn entries(&self) -> Box<dyn Iterator<Item = (Value<'v>, Value<'v>)> + '_> {
        match self {
            Map::Given(map) => Box::new(
                map.iter()
                    .map(|(key, value)| (Value::String(Text::Given(key)), Value::of(value))),
            ),
            Map::Made(map) => Box::new(map.values().cloned()),
        }
    }
}

impl Key {
    /// Makes a key; `None` for what can never be one.
    pub(super) fn of(value: &Value<'_>) -> Option<Key> {
        match value {
            Value::Bool(value) => Some(Key::Bool(*value)),
            Value::Int(value) => Some(Key::Number(i128::from(*value))),
            Value::Uint(value) => Some(Key::Number(i128::from(*value))),
            Value::Double(value) => {
                Some(whole(*value).map_or(Key::Fraction(value.to_bits()), Key::Number))
            }
            Value::String(text) => Some(Key::String(text.as_str().into())),
            _ => None,
        }
    }
}

/// Returns the integer that a double is, if it is one in the range of `int` and `uint`.
pub(super) fn whole(value: f64) -> Option<i128> {
    let in_range = value.fract() == 0.0 && value.abs() < 2e19;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
    in_range.then_some(value as i128)
}

impl<'v> Value<'v> {
    /// Takes a piece of the input. Every number is a double.
    pub(super) fn of(json: &'v Json) -> Self {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Value::String(Text::Given(text)),
            Json::Array(list) => Value::List(List::Given(list)),
            Json::Object(map) => Value::Map(Map::Given(map)),
        }
    }

    /// Makes a string; its memory must have been charged.
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Value::String(Text::Made(text.into()))
    }

    /// Makes a list; its memory must have been charged.
    pub(super) fn list(values: Vec<Value<'v>>) -> Self {
        Value::List(List::Made(values.into()))
    }

    /// Makes an optional with a value.
    pub(super) fn some(value: Value<'v>) -> Self {
        Value::Optional(Some(Rc::new(value)))
    }

    /// Returns the name of the type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Optional(_) => "optional_type",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::Type(_) => "type",
        }
    }

    /// Tells whether it is what its type starts from: `0`, `""`, `[]` and so on.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Bool(value) => !value,
            Value::Int(value) => *value == 0,
            Value::Uint(value) => *value == 0,
            Value::Double(value) => *value == 0.0,
            Value::String(text) => text.as_str().is_empty(),
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::List(list) => list.len() == 0,
            Value::Map(map) => map.len() == 0,
            // The year one, which is where Go's clock starts.
            Value::Timestamp(nanoseconds) => *nanoseconds == -62_135_596_800_000_000_000,
            Value::Duration(nanoseconds) => *nanoseconds == 0,
            // An optional is a value of its own, even without one.
            Value::Type(_) | Value::Optional(_) => false,
        }
    }
}

/// Compares two values of any type; values of different kinds are different, numbers are not.
pub(super) fn equal(
    left: &Value<'_>,
    right: &Value<'_>,
    meter: &mut Meter,
    depth: u32,
) -> Result<bool, EvaluationError> {
    if depth > DEPTH_LIMIT {
        return Err(EvaluationError::ValueTooDeep);
    }
    meter.step(1)?;
    Ok(match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::String(left), Value::String(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            meter.scan(left.len().min(right.len()))?;
            left == right
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            meter.scan(left.len().min(right.len()))?;
            left == right
        }
        (Value::Timestamp(left), Value::Timestamp(right)) => left == right,
        (Value::Duration(left), Value::Duration(right)) => left == right,
        (Value::Type(left), Value::Type(right)) => left == right,
        (Value::Optional(left), Value::Optional(right)) => match (left, right) {
            (Some(left), Some(right)) => equal(left, right, meter, depth + 1)?,
            (left, right) => left.is_none() && right.is_none(),
        },
        (Value::List(left), Value::List(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(right.iter()) {
                if !equal(&left, &right, meter, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(left), Value::Map(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (key, value) in left.entries() {
                let Some(other) = right.get(&key) else {
                    return Ok(false);
                };
                if !equal(&value, &other, meter, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (left, right) => super::numbers::compare(left, right) == Some(std::cmp::Ordering::Equal),
    })
}
