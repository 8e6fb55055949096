//! Conversions between types.

use super::{Meter, Result, time};
use crate::cel::error::EvaluationError;
use crate::cel::signatures::Function;
use crate::cel::value::Value;

/// Returns the name of the type that a conversion function converts to, if it is one.
pub(in crate::cel) fn target(function: Function) -> Option<&'static str> {
    Some(match function {
        Function::Bool => "bool",
        Function::Bytes => "bytes",
        Function::Double => "double",
        Function::Duration => "google.protobuf.Duration",
        Function::Int => "int",
        Function::String => "string",
        Function::Timestamp => "google.protobuf.Timestamp",
        Function::Uint => "uint",
        _ => return None,
    })
}

/// Converts a value to another type.
pub(in crate::cel) fn convert<'v>(
    to: &'static str,
    value: &Value<'v>,
    meter: &mut Meter,
) -> Result<Value<'v>> {
    if value.type_name() == to {
        return Ok(value.clone());
    }
    if let Value::String(text) = value {
        meter.scan(text.as_str().len())?;
    }
    let converted = match to {
        "bool" => to_bool(value),
        "bytes" => match value {
            Value::String(text) => {
                meter.allocate(text.as_str().len())?;
                Some(Value::Bytes(text.as_str().as_bytes().into()))
            }
            _ => None,
        },
        "double" => to_double(value),
        "int" => to_int(value)?,
        "string" => to_string(value, meter)?,
        "uint" => to_uint(value)?,
        "google.protobuf.Timestamp" => match value {
            Value::Int(seconds) => {
                return time::timestamp(i128::from(*seconds) * 1_000_000_000);
            }
            Value::String(text) => time::parse_timestamp(text.as_str()).map(Value::Timestamp),
            _ => None,
        },
        "google.protobuf.Duration" => match value {
            Value::String(text) => time::parse_duration(text.as_str()).map(Value::Duration),
            _ => None,
        },
        _ => None,
    };
    converted.ok_or(EvaluationError::Conversion {
        from: value.type_name(),
        to,
    })
}

fn to_bool<'v>(value: &Value<'v>) -> Option<Value<'v>> {
    let Value::String(text) = value else {
        return None;
    };
    match text.as_str() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(Value::Bool(true)),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(Value::Bool(false)),
        _ => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the nearest double is what is asked for"
)]
fn to_double<'v>(value: &Value<'v>) -> Option<Value<'v>> {
    match value {
        Value::Int(value) => Some(Value::Double(*value as f64)),
        Value::Uint(value) => Some(Value::Double(*value as f64)),
        Value::String(text) => {
            let text = text.as_str();
            let parsed: f64 = text.parse().ok()?;
            let is_a_number = text.contains(|c: char| c.is_ascii_digit());
            // Too large is an error, infinity in words is not.
            (!is_a_number || parsed.is_finite()).then_some(Value::Double(parsed))
        }
        _ => None,
    }
}

fn to_int<'v>(value: &Value<'v>) -> Result<Option<Value<'v>>> {
    let overflow = EvaluationError::Overflow("integer");
    Ok(match value {
        Value::Uint(value) => Some(Value::Int(i64::try_from(*value).map_err(|_| overflow)?)),
        // 2^63 is the first double beyond the range; the lowest of the range does not convert either.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "cutting off the fraction is meant"
        )]
        Value::Double(value) if value.abs() < 9_223_372_036_854_775_808.0 => {
            Some(Value::Int(*value as i64))
        }
        Value::Double(_) => return Err(overflow),
        Value::String(text) => text.as_str().parse().ok().map(Value::Int),
        Value::Timestamp(nanoseconds) => i64::try_from(nanoseconds.div_euclid(1_000_000_000))
            .ok()
            .map(Value::Int),
        Value::Duration(nanoseconds) => Some(Value::Int(*nanoseconds)),
        _ => None,
    })
}

fn to_uint<'v>(value: &Value<'v>) -> Result<Option<Value<'v>>> {
    let overflow = EvaluationError::Overflow("unsigned integer");
    Ok(match value {
        Value::Int(value) => Some(Value::Uint(u64::try_from(*value).map_err(|_| overflow)?)),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "cutting off the fraction is meant"
        )]
        #[expect(clippy::cast_sign_loss, reason = "it is not negative")]
        Value::Double(value) if (0.0..18_446_744_073_709_551_616.0).contains(value) => {
            Some(Value::Uint(*value as u64))
        }
        Value::Double(_) => return Err(overflow),
        Value::String(text) if !text.as_str().starts_with('+') => {
            text.as_str().parse().ok().map(Value::Uint)
        }
        _ => None,
    })
}

fn to_string<'v>(value: &Value<'v>, meter: &mut Meter) -> Result<Option<Value<'v>>> {
    let text = match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => double_text(*value),
        Value::Bytes(bytes) => {
            meter.allocate(bytes.len())?;
            match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => return Err(EvaluationError::InvalidArgument("the bytes are not UTF-8")),
            }
        }
        Value::Timestamp(nanoseconds) => time::timestamp_text(*nanoseconds),
        Value::Duration(nanoseconds) => time::duration_text(*nanoseconds),
        _ => return Ok(None),
    };
    meter.allocate(text.len())?;
    Ok(Some(Value::text(text)))
}

/// Writes a double with as few digits as tell it from others, as Go's `%g` does.
fn double_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let exponent: i32 = scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    with_long_exponent(&scientific)
}

/// Turns `1e5` into `1e+05`.
pub(super) fn with_long_exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else {
        return text.to_owned();
    };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}
