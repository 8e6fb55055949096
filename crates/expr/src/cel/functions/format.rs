//! `format`: `%s %d %f %e %b %x %X %o` with values in place.

use super::{Meter, Result, conversions, time};
use crate::cel::clauses::{self, Piece};
use crate::cel::error::EvaluationError;
use crate::cel::value::{DEPTH_LIMIT, List, Map, Value};

/// Fills the clauses of `template` with the values of `list`.
pub(super) fn format<'v>(template: &str, list: &List<'v>, meter: &mut Meter) -> Result<Value<'v>> {
    let mut out = String::new();
    let mut values = list.iter();
    let mut rest = template;
    while let Some(piece) = clauses::next(&mut rest).map_err(EvaluationError::InvalidArgument)? {
        match piece {
            Piece::Text(text) => put(&mut out, text, meter)?,
            Piece::Clause { letter, precision } => {
                let missing =
                    EvaluationError::InvalidArgument("format() has more clauses than arguments");
                let value = values.next().ok_or(missing)?;
                clause(&mut out, letter, precision, &value, meter)?;
            }
        }
    }
    Ok(Value::text(out))
}

fn clause(
    out: &mut String,
    letter: char,
    precision: usize,
    value: &Value<'_>,
    meter: &mut Meter,
) -> Result<()> {
    meter.step(1)?;
    let text = match letter {
        's' => return write(out, value, meter, 0),
        'd' => decimal(value),
        'f' => fixed(value, precision),
        'e' => scientific(value, precision),
        'b' => binary(value),
        'o' => octal(value),
        'x' => hexadecimal(value, meter)?,
        'X' => hexadecimal(value, meter)?.map(|text| text.to_ascii_uppercase()),
        _ => None,
    };
    let unfit = EvaluationError::InvalidArgument("a format() clause cannot show this type");
    put(out, &text.ok_or(unfit)?, meter)
}

fn put(out: &mut String, text: &str, meter: &mut Meter) -> Result<()> {
    meter.allocate(text.len())?;
    out.push_str(text);
    Ok(())
}

/// Writes a value for people.
fn write(out: &mut String, value: &Value<'_>, meter: &mut Meter, depth: u32) -> Result<()> {
    if depth > DEPTH_LIMIT {
        return Err(EvaluationError::ValueTooDeep);
    }
    meter.step(1)?;
    match value {
        Value::Null => put(out, "null", meter),
        Value::Bool(value) => put(out, if *value { "true" } else { "false" }, meter),
        Value::Int(_) | Value::Uint(_) | Value::Double(_) => {
            put(out, &decimal(value).unwrap_or_default(), meter)
        }
        Value::String(text) => put(out, text.as_str(), meter),
        Value::Bytes(bytes) => {
            meter.allocate(bytes.len().saturating_mul(3))?;
            put(out, &String::from_utf8_lossy(bytes), meter)
        }
        Value::Timestamp(nanoseconds) => put(out, &time::timestamp_text(*nanoseconds), meter),
        Value::Duration(nanoseconds) => put(out, &time::duration_text(*nanoseconds), meter),
        Value::Type(name) => put(out, name, meter),
        Value::List(list) => {
            put(out, "[", meter)?;
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    put(out, ", ", meter)?;
                }
                write(out, &value, meter, depth + 1)?;
            }
            put(out, "]", meter)
        }
        Value::Map(map) => write_map(out, map, meter, depth),
        Value::Optional(_) => Err(EvaluationError::InvalidArgument(
            "a format() clause cannot show this type",
        )),
    }
}

fn write_map(out: &mut String, map: &Map<'_>, meter: &mut Meter, depth: u32) -> Result<()> {
    let mut entries = Vec::new();
    for (key, value) in map.entries() {
        let (mut key_text, mut value_text) = (String::new(), String::new());
        meter.allocate(2 * size_of::<String>())?;
        write(&mut key_text, &key, meter, depth + 1)?;
        write(&mut value_text, &value, meter, depth + 1)?;
        entries.push((key_text, value_text));
    }
    entries.sort();
    put(out, "{", meter)?;
    for (index, (key, value)) in entries.iter().enumerate() {
        let separator = if index > 0 { ", " } else { "" };
        for part in [separator, key, ": ", value] {
            put(out, part, meter)?;
        }
    }
    put(out, "}", meter)
}

fn decimal(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Int(value) => Some(value.to_string()),
        Value::Uint(value) => Some(value.to_string()),
        Value::Double(value) => Some(special(*value).unwrap_or_else(|| value.to_string())),
        _ => None,
    }
}

fn special(value: f64) -> Option<String> {
    let text = if value.is_nan() {
        "NaN"
    } else if value == f64::INFINITY {
        "Infinity"
    } else if value == f64::NEG_INFINITY {
        "-Infinity"
    } else {
        return None;
    };
    Some(text.to_owned())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "whole numbers are shown as the nearest double"
)]
fn double(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Uint(value) => Some(*value as f64),
        Value::Double(value) => Some(*value),
        _ => None,
    }
}

fn fixed(value: &Value<'_>, precision: usize) -> Option<String> {
    let value = double(value)?;
    Some(special(value).unwrap_or_else(|| format!("{value:.precision$}")))
}

fn scientific(value: &Value<'_>, precision: usize) -> Option<String> {
    let value = double(value)?;
    let shown = || conversions::with_long_exponent(&format!("{value:.precision$e}"));
    Some(special(value).unwrap_or_else(shown))
}

fn binary(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Bool(value) => Some(u8::from(*value).to_string()),
        Value::Int(value) => Some(format!("{}{:b}", sign(*value), value.unsigned_abs())),
        Value::Uint(value) => Some(format!("{value:b}")),
        _ => None,
    }
}

fn octal(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Int(value) => Some(format!("{}{:o}", sign(*value), value.unsigned_abs())),
        Value::Uint(value) => Some(format!("{value:o}")),
        _ => None,
    }
}

fn hexadecimal(value: &Value<'_>, meter: &mut Meter) -> Result<Option<String>> {
    let bytes = match value {
        Value::Int(value) => {
            return Ok(Some(format!("{}{:x}", sign(*value), value.unsigned_abs())));
        }
        Value::Uint(value) => return Ok(Some(format!("{value:x}"))),
        Value::String(text) => text.as_str().as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => return Ok(None),
    };
    meter.allocate(bytes.len().saturating_mul(2))?;
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(Some(
        digits
            .filter_map(|digit| char::from_digit(u32::from(digit), 16))
            .collect(),
    ))
}

fn sign(value: i64) -> &'static str {
    if value < 0 { "-" } else { "" }
}
