//! Writes values as one line of text with their types, to show and to compare them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::error::EvaluationError;
use super::functions::{duration_text, timestamp_text};
use super::meter::Meter;
use super::value::{DEPTH_LIMIT, Value};

type Result<T> = std::result::Result<T, EvaluationError>;

/// Integers beyond this are not exact in JSON and become strings.
const EXACT: u64 = 1 << 53;

/// Writes `type:JSON`, or `b"…"`, `type:name`, `optional(…)`, `optional.none`.
pub(super) fn text(value: &Value<'_>, meter: &mut Meter) -> Result<String> {
    Ok(match value {
        Value::Bytes(bytes) => {
            meter.allocate(bytes.len().saturating_mul(4))?;
            let mut text = String::from("b\"");
            for byte in bytes.iter() {
                match byte {
                    b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
                    b' '..=b'~' => text.push(char::from(*byte)),
                    // Writing to a string cannot fail.
                    _ => write!(text, "\\x{byte:02x}").unwrap_or_default(),
                }
            }
            text.push('"');
            text
        }
        Value::Optional(None) => "optional.none".to_owned(),
        Value::Optional(Some(value)) => {
            // An optional of an optional is as deep as the expression that made it.
            format!("optional({})", self::text(value, meter)?)
        }
        Value::Type(name) => format!("type:{name}"),
        value => format!("{}:{}", value.type_name(), json(value, meter, 0)?),
    })
}

fn json(value: &Value<'_>, meter: &mut Meter, depth: u32) -> Result<Json> {
    if depth > DEPTH_LIMIT {
        return Err(EvaluationError::ValueTooDeep);
    }
    meter.allocate(size_of::<Json>())?;
    Ok(match value {
        Value::Null | Value::Optional(None) => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Int(value) if value.unsigned_abs() > EXACT => Json::from(value.to_string()),
        Value::Int(value) => Json::from(*value),
        Value::Uint(value) if *value > EXACT => Json::from(value.to_string()),
        Value::Uint(value) => Json::from(*value),
        Value::Double(value) => number(*value),
        Value::String(text) => {
            meter.allocate(text.as_str().len())?;
            Json::from(text.as_str())
        }
        Value::Bytes(bytes) => {
            meter.allocate(bytes.len().saturating_mul(2))?;
            Json::from(STANDARD.encode(bytes))
        }
        Value::List(list) => {
            let values = list.iter().map(|value| json(&value, meter, depth + 1));
            Json::Array(values.collect::<Result<_>>()?)
        }
        Value::Map(map) => {
            let mut object = serde_json::Map::new();
            for (key, value) in map.entries() {
                let key = match json(&key, meter, depth + 1)? {
                    Json::String(key) => key,
                    other => other.to_string(),
                };
                object.insert(key, json(&value, meter, depth + 1)?);
            }
            Json::Object(object)
        }
        Value::Optional(Some(value)) => json(value, meter, depth + 1)?,
        Value::Timestamp(nanoseconds) => Json::from(timestamp_text(*nanoseconds)),
        Value::Duration(nanoseconds) => Json::from(duration_text(*nanoseconds)),
        Value::Type(name) => Json::from(*name),
    })
}

/// Writes whole doubles without a fraction; what JSON has no number for is null.
fn number(value: f64) -> Json {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and exact")]
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        return Json::from(value as i64);
    }
    serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number)
}
