//! What functions and operators do, once their arguments are there.

mod conversions;
mod format;
mod lists;
mod strings;
mod time;
mod zones;

use std::cmp::Ordering;
use std::rc::Rc;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::error::EvaluationError;
use super::meter::Meter;
use super::node::Message;
use super::numbers;
use super::signatures::Function;
use super::value::{Key, List, Map, Text, Value, equal};
use crate::regex::Pattern;

pub(super) use conversions::{convert, target as conversion_target};
pub(super) use time::{duration_text, timestamp_text};

type Result<T> = std::result::Result<T, EvaluationError>;

const TOLERANT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const PADDED: GeneralPurpose = GeneralPurpose::new(&STANDARD, TOLERANT);
const BARE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    TOLERANT.with_decode_padding_mode(DecodePaddingMode::RequireNone),
);
/// Calls a function.
pub(super) fn call<'v>(
    function: Function,
    arguments: &[Value<'v>],
    meter: &mut Meter,
) -> Result<Value<'v>> {
    use Function as F;
    match (function, arguments) {
        (F::Not, [Value::Bool(value)]) => Ok(Value::Bool(!value)),
        (F::Negate, [value]) => numbers::negate(value),
        (F::Equal, [left, right]) => Ok(Value::Bool(equal(left, right, meter, 0)?)),
        (F::NotEqual, [left, right]) => Ok(Value::Bool(!equal(left, right, meter, 0)?)),
        (F::Less | F::LessOrEqual | F::Greater | F::GreaterOrEqual, [left, right]) => {
            compare(function, left, right, meter)
        }
        (F::Add, [left, right]) => add(left, right, meter),
        (F::Subtract, [left, right]) => match time::subtract(left, right) {
            Some(result) => result,
            None => numbers::subtract(left, right),
        },
        (F::Multiply, [left, right]) => numbers::multiply(left, right),
        (F::Divide, [left, right]) => numbers::divide(left, right),
        (F::Remainder, [left, right]) => numbers::remainder(left, right),
        (F::Index, [operand, key]) => index(operand, key, false),
        (F::OptionalIndex, [operand, key]) => index(operand, key, true),
        (F::In, [key, Value::Map(map)]) => Ok(Value::Bool(map.get(key).is_some())),
        (F::In, [value, Value::List(list)]) => Ok(Value::Bool(lists::has(list, value, meter)?)),
        (F::Size, [value]) => size(value, meter),
        (F::TypeOf, [value]) => Ok(Value::Type(value.type_name())),
        (F::Dyn, [value]) => Ok(value.clone()),
        (F::OptionalNone, []) => Ok(Value::Optional(None)),
        (F::OptionalOfNonZeroValue, [value]) if value.is_zero() => Ok(Value::Optional(None)),
        (F::OptionalOf | F::OptionalOfNonZeroValue, [value]) => Ok(Value::some(value.clone())),
        (F::HasValue, [Value::Optional(value)]) => Ok(Value::Bool(value.is_some())),
        (F::Value, [Value::Optional(value)]) => match value {
            Some(value) => Ok(Value::clone(value)),
            None => Err(EvaluationError::NoValue),
        },
        (F::Base64Encode, [Value::Bytes(bytes)]) => {
            meter.allocate(bytes.len().saturating_mul(4) / 3 + 4)?;
            Ok(Value::text(PADDED.encode(bytes)))
        }
        (F::Base64Decode, [Value::String(text)]) => decode(text.as_str(), meter),
        _ => call_named(function, arguments, meter),
    }
}

fn call_named<'v>(
    function: Function,
    arguments: &[Value<'v>],
    meter: &mut Meter,
) -> Result<Value<'v>> {
    let found = match conversions::target(function) {
        Some(to) => match arguments {
            [value] => Some(convert(to, value, meter)),
            _ => None,
        },
        None => None,
    };
    let found = match found {
        None => lists::call(function, arguments, meter),
        found => found,
    };
    let found = match found {
        None => strings::call(function, arguments, meter),
        found => found,
    };
    let found = match found {
        None => time::call(function, arguments),
        found => found,
    };
    found.unwrap_or(Err(EvaluationError::NoSuchOverload(function.name())))
}

/// Tells whether a pattern matches.
pub(super) fn matches<'v>(
    text: &Value<'v>,
    pattern: &Pattern,
    meter: &mut Meter,
) -> Result<Value<'v>> {
    let Value::String(text) = text else {
        return Err(EvaluationError::NoSuchOverload("matches"));
    };
    let length = u64::try_from(text.as_str().len()).unwrap_or(u64::MAX);
    meter.step(
        length
            .saturating_mul(pattern.work_per_byte())
            .saturating_add(length / 16),
    )?;
    Ok(Value::Bool(pattern.is_match(text.as_str())))
}

/// Constructs a message from its fields.
pub(super) fn message<'v>(message: Message, fields: Vec<(&str, Value<'v>)>) -> Result<Value<'v>> {
    let mut value = match message {
        Message::Bool => Value::Bool(false),
        Message::Bytes => Value::Bytes(Rc::new([])),
        Message::Double => Value::Double(0.0),
        Message::Int => Value::Int(0),
        Message::Uint => Value::Uint(0),
        Message::String => Value::String(Text::Given("")),
        Message::Struct => Value::Map(Map::Made(Rc::default())),
        Message::List => Value::list(Vec::new()),
        Message::Timestamp => Value::Timestamp(0),
        Message::Duration => Value::Duration(0),
    };
    for (name, field) in fields {
        if std::mem::discriminant(&value) == std::mem::discriminant(&field) {
            value = field;
            continue;
        }
        let (Value::Int(amount), factor) =
            (field, if name == "seconds" { 1_000_000_000 } else { 1 })
        else {
            return Err(EvaluationError::NoSuchOverload("field of a message"));
        };
        let nanoseconds = i128::from(amount) * factor;
        value = match value {
            Value::Timestamp(before) => time::timestamp(before + nanoseconds)?,
            Value::Duration(before) => time::duration(i128::from(before) + nanoseconds)?,
            _ => return Err(EvaluationError::NoSuchOverload("field of a message")),
        };
    }
    Ok(value)
}

fn compare<'v>(
    function: Function,
    left: &Value<'v>,
    right: &Value<'v>,
    meter: &mut Meter,
) -> Result<Value<'v>> {
    if let (Value::String(left), Value::String(right)) = (left, right) {
        meter.scan(left.as_str().len().min(right.as_str().len()))?;
    }
    if let (Value::Bytes(left), Value::Bytes(right)) = (left, right) {
        meter.scan(left.len().min(right.len()))?;
    }
    let order = numbers::order(left, right)?;
    if order.is_none() {
        return Err(EvaluationError::InvalidArgument(
            "NaN values cannot be ordered",
        ));
    }
    Ok(Value::Bool(match function {
        Function::Less => order == Some(Ordering::Less),
        Function::LessOrEqual => order != Some(Ordering::Greater),
        Function::Greater => order == Some(Ordering::Greater),
        _ => order != Some(Ordering::Less),
    }))
}

fn add<'v>(left: &Value<'v>, right: &Value<'v>, meter: &mut Meter) -> Result<Value<'v>> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            meter.allocate(left.len().saturating_add(right.len()))?;
            Ok(Value::text([left, right].concat()))
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            meter.allocate(left.len().saturating_add(right.len()))?;
            Ok(Value::Bytes(
                [left.as_ref(), right.as_ref()].concat().into(),
            ))
        }
        (Value::List(left), Value::List(right)) => {
            meter.allocate_values(left.len().saturating_add(right.len()))?;
            Ok(Value::list(left.iter().chain(right.iter()).collect()))
        }
        (left, right) => match time::add(left, right) {
            Some(result) => result,
            None => numbers::add(left, right),
        },
    }
}

fn index<'v>(operand: &Value<'v>, key: &Value<'v>, optional: bool) -> Result<Value<'v>> {
    let (found, error) = match operand {
        Value::Optional(None) => return Ok(Value::Optional(None)),
        Value::Optional(Some(inner)) => return index(inner, key, true),
        Value::List(list) => list_index(list, key)?,
        Value::Map(map) => {
            if Key::of(key).is_none() && !matches!(key, Value::Double(_)) {
                return Err(EvaluationError::InvalidArgument(
                    "unsupported type of map key",
                ));
            }
            (map.get(key), EvaluationError::NoSuchKey(key_text(key)))
        }
        _ if optional => (None, EvaluationError::NoValue),
        _ => return Err(EvaluationError::NoSuchOverload("_[_]")),
    };
    match found {
        Some(value) if optional => Ok(Value::some(value)),
        Some(value) => Ok(value),
        None if optional => Ok(Value::Optional(None)),
        None => Err(error),
    }
}

fn list_index<'v>(
    list: &List<'v>,
    key: &Value<'v>,
) -> Result<(Option<Value<'v>>, EvaluationError)> {
    let position = match Key::of(key) {
        Some(Key::Number(position)) => i64::try_from(position).ok(),
        _ => None,
    };
    let Some(position) = position else {
        return Err(EvaluationError::InvalidArgument("unsupported list index"));
    };
    let found = usize::try_from(position)
        .ok()
        .and_then(|position| list.get(position));
    Ok((found, EvaluationError::IndexOutOfBounds(position)))
}

fn key_text(key: &Value<'_>) -> String {
    match key {
        Value::String(text) => text.as_str().chars().take(100).collect(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        other => other.type_name().to_owned(),
    }
}

fn size<'v>(value: &Value<'v>, meter: &mut Meter) -> Result<Value<'v>> {
    let size = match value {
        Value::String(text) => {
            meter.scan(text.as_str().len())?;
            text.as_str().chars().count()
        }
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        _ => return Err(EvaluationError::NoSuchOverload("size")),
    };
    Ok(int(size))
}

fn decode<'v>(text: &str, meter: &mut Meter) -> Result<Value<'v>> {
    meter.allocate(text.len().saturating_mul(2))?;
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = PADDED.decode(&text).or_else(|_| BARE.decode(&text));
    let bytes = bytes.map_err(|_| EvaluationError::InvalidBase64)?;
    Ok(Value::Bytes(bytes.into()))
}

fn int<'v>(value: usize) -> Value<'v> {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}
