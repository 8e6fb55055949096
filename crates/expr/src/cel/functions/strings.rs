//! Functions of strings. Positions count characters, not bytes.

use super::{Meter, Result, format, int};
use crate::cel::error::EvaluationError;
use crate::cel::signatures::Function;
use crate::cel::value::Value;

/// Calls a function of this family, if it is one.
pub(super) fn call<'v>(
    function: Function,
    arguments: &[Value<'v>],
    meter: &mut Meter,
) -> Option<Result<Value<'v>>> {
    use Function as F;
    let (Value::String(text), arguments) = arguments.split_first()? else {
        return None;
    };
    let text = text.as_str();
    // Everything here looks at the whole string at most a few times.
    if let Err(error) = meter.scan(text.len()) {
        return Some(Err(error));
    }
    Some(match (function, arguments) {
        (F::Contains, [Value::String(part)]) => Ok(Value::Bool(text.contains(part.as_str()))),
        (F::StartsWith, [Value::String(part)]) => Ok(Value::Bool(text.starts_with(part.as_str()))),
        (F::EndsWith, [Value::String(part)]) => Ok(Value::Bool(text.ends_with(part.as_str()))),
        (F::CharAt, [Value::Int(position)]) => char_at(text, *position, meter),
        (F::IndexOf, [Value::String(part)]) => index_of(text, part.as_str(), 0),
        (F::IndexOf, [Value::String(part), Value::Int(from)]) => {
            index_of(text, part.as_str(), *from)
        }
        (F::LastIndexOf, [Value::String(part)]) => last_index_of(text, part.as_str(), None),
        (F::LastIndexOf, [Value::String(part), Value::Int(from)]) => {
            last_index_of(text, part.as_str(), Some(*from))
        }
        (F::LowerAscii, []) => made(text.len(), meter, || text.to_ascii_lowercase()),
        (F::UpperAscii, []) => made(text.len(), meter, || text.to_ascii_uppercase()),
        (F::Trim, []) => made(text.len(), meter, || text.trim().to_owned()),
        (F::Reverse, []) => made(text.len(), meter, || text.chars().rev().collect()),
        (F::Replace, [Value::String(old), Value::String(new)]) => {
            replace(text, old.as_str(), new.as_str(), -1, meter)
        }
        (F::Replace, [Value::String(old), Value::String(new), Value::Int(limit)]) => {
            replace(text, old.as_str(), new.as_str(), *limit, meter)
        }
        (F::Split, [Value::String(separator)]) => split(text, separator.as_str(), -1, meter),
        (F::Split, [Value::String(separator), Value::Int(limit)]) => {
            split(text, separator.as_str(), *limit, meter)
        }
        (F::Substring, [Value::Int(start)]) => substring(text, *start, None, meter),
        (F::Substring, [Value::Int(start), Value::Int(end)]) => {
            substring(text, *start, Some(*end), meter)
        }
        (F::StringsQuote, []) => made(
            text.len().saturating_mul(2).saturating_add(2),
            meter,
            || quote(text),
        ),
        (F::Format, [Value::List(list)]) => format::format(text, list, meter),
        _ => return None,
    })
}

fn made<'v>(length: usize, meter: &mut Meter, make: impl FnOnce() -> String) -> Result<Value<'v>> {
    meter.allocate(length)?;
    Ok(Value::text(make()))
}

/// Returns the byte at which the character begins; the end counts as a character.
fn byte_of(text: &str, position: usize) -> Option<usize> {
    text.char_indices()
        .map(|(byte, _)| byte)
        .chain([text.len()])
        .nth(position)
}

fn out_of_range<T>(position: i64) -> Result<T> {
    Err(EvaluationError::IndexOutOfRange(position))
}

fn char_at<'v>(text: &str, position: i64, meter: &mut Meter) -> Result<Value<'v>> {
    let byte = usize::try_from(position)
        .ok()
        .and_then(|position| byte_of(text, position));
    let Some((_, rest)) = byte.and_then(|byte| text.split_at_checked(byte)) else {
        return out_of_range(position);
    };
    made(4, meter, || rest.chars().take(1).collect())
}

fn index_of<'v>(text: &str, part: &str, from: i64) -> Result<Value<'v>> {
    if part.is_empty() {
        return Ok(Value::Int(from));
    }
    let Ok(start) = usize::try_from(from) else {
        return out_of_range(from);
    };
    let rest = byte_of(text, start).and_then(|byte| text.split_at_checked(byte));
    let found = rest.and_then(|(_, rest)| Some((rest, rest.find(part)?)));
    Ok(
        match found.and_then(|(rest, byte)| rest.split_at_checked(byte)) {
            Some((before, _)) => int(start.saturating_add(before.chars().count())),
            None => Value::Int(-1),
        },
    )
}

fn last_index_of<'v>(text: &str, part: &str, from: Option<i64>) -> Result<Value<'v>> {
    let length = text.chars().count();
    if part.is_empty() {
        return Ok(from.map_or_else(|| int(length), Value::Int));
    }
    let start = match from {
        None => length.saturating_sub(1),
        Some(from) => match usize::try_from(from) {
            Ok(from) => from,
            Err(_) => return out_of_range(from),
        },
    };
    let end = start.saturating_add(part.chars().count()).min(length);
    let found = (start < length)
        .then(|| byte_of(text, end).and_then(|byte| text.split_at_checked(byte)))
        .flatten()
        .and_then(|(head, _)| head.split_at_checked(head.rfind(part)?));
    Ok(found.map_or(Value::Int(-1), |(before, _)| int(before.chars().count())))
}

fn replace<'v>(
    text: &str,
    old: &str,
    new: &str,
    limit: i64,
    meter: &mut Meter,
) -> Result<Value<'v>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let count = text.matches(old).take(limit).count();
    let length = text.len().saturating_add(count.saturating_mul(new.len()));
    made(length, meter, || text.replacen(old, new, limit))
}

fn split<'v>(text: &str, separator: &str, limit: i64, meter: &mut Meter) -> Result<Value<'v>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let count = match (limit, separator) {
        (0, _) => return Ok(Value::list(Vec::new())),
        (_, "") => text.chars().count().min(limit),
        _ => text.matches(separator).count().saturating_add(1).min(limit),
    };
    meter.allocate_values(count)?;
    // Every part is an allocation of its own.
    meter.allocate(text.len().saturating_add(count.saturating_mul(16)))?;
    let parts: Vec<Value<'v>> = if separator.is_empty() {
        characters(text, count)
    } else {
        text.splitn(limit, separator).map(Value::text).collect()
    };
    Ok(Value::list(parts))
}

/// Splits into `count` parts of one character each, the last of which has all the rest.
fn characters<'v>(text: &str, count: usize) -> Vec<Value<'v>> {
    let mut parts = Vec::with_capacity(count);
    let mut rest = text;
    while parts.len() + 1 < count {
        let length = rest.chars().next().map_or(0, char::len_utf8);
        let Some((first, others)) = rest.split_at_checked(length) else {
            break;
        };
        parts.push(Value::text(first));
        rest = others;
    }
    if count > 0 {
        parts.push(Value::text(rest));
    }
    parts
}

fn substring<'v>(text: &str, start: i64, end: Option<i64>, meter: &mut Meter) -> Result<Value<'v>> {
    if end.is_some_and(|end| start > end) {
        return Err(EvaluationError::InvalidArgument(
            "a substring cannot end before it starts",
        ));
    }
    let byte = |position: i64| {
        let byte = usize::try_from(position)
            .ok()
            .and_then(|position| byte_of(text, position));
        byte.ok_or(EvaluationError::IndexOutOfRange(position))
    };
    let start = byte(start)?;
    let end = end.map_or(Ok(text.len()), byte)?;
    let part = text.get(start..end).unwrap_or_default();
    made(part.len(), meter, || part.to_owned())
}

fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
