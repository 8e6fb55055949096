//! `format`: `%s %d %f %e %b %x %X %o` with values in place.

use super::{Meter, Result, conversions, time};
use crate::cel::error::EvaluationError;
use crate::cel::value::{DEPTH_LIMIT, List, Map, Value};

/// Digits after the point, if not said otherwise.
const DEFAULT_PRECISION: usize = 6;
/// Most digits after the point.
const PRECISION_LIMIT: usize = 1000;

/// Fills the clauses of `template` with the values of `list`.
pub(super) fn format<'v>(template: &str, list: &List<'v>, meter: &mut Meter) -> Result<Value<'v>> {
    let mut out = String::new();
    let mut index = 0;
    meter.allocate(template.len())?;
    let mut rest = template;
    while let Some((before, clause)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = clause.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let missing = EvaluationError::InvalidArgument("format() has more clauses than arguments");
        let value = list.get(index).ok_or(missing)?;
        index += 1;
        let (precision, after) = precision(clause)?;
        let mut characters = after.chars();
        let letter = characters.next();
        rest = characters.as_str();
        meter.step(1)?;
        match letter {
            Some('s') => write(&mut out, &value, meter, 0)?,
            letter => {
                let text = match letter {
                    Some('d') => decimal(&value),
                    Some('f') => fixed(&value, precision),
                    Some('e') => scientific(&value, precision),
                    Some('b') => binary(&value),
                    Some('o') => octal(&value),
                    Some('x') => hexadecimal(&value, meter)?,
                    Some('X') => hexadecimal(&value, meter)?.map(|text| text.to_ascii_uppercase()),
                    _ => return Err(EvaluationError::InvalidArgument("unknown format() clause")),
                };
                let unfit =
                    EvaluationError::InvalidArgument("a format() clause cannot show this type");
                put(&mut out, &text.ok_or(unfit)?, meter)?;
            }
        }
    }
    out.push_str(rest);
    Ok(Value::text(out))
}

/// Reads `.3`.
fn precision(clause: &str) -> Result<(usize, &str)> {
    let Some(after) = clause.strip_prefix('.') else {
        return Ok((DEFAULT_PRECISION, clause));
    };
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = after.strip_suffix(rest).unwrap_or_default();
    match digits.parse() {
        Ok(precision) if precision <= PRECISION_LIMIT => Ok((precision, rest)),
        _ => Err(EvaluationError::InvalidArgument(
            "unusable precision in a format() clause",
        )),
    }
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
