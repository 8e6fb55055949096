//! Functions of lists and sets.

use super::{Meter, Result};
use crate::cel::error::EvaluationError;
use crate::cel::signatures::Function;
use crate::cel::value::{List, Value, equal};

/// Calls a function of this family, if it is one.
pub(super) fn call<'v>(
    function: Function,
    arguments: &[Value<'v>],
    meter: &mut Meter,
) -> Option<Result<Value<'v>>> {
    use Function as F;
    Some(match (function, arguments) {
        (F::First, [Value::List(list)]) => Ok(optional(list.get(0))),
        (F::Last, [Value::List(list)]) => Ok(optional(
            list.len().checked_sub(1).and_then(|last| list.get(last)),
        )),
        (F::OptionalUnwrap | F::UnwrapOpt, [Value::List(list)]) => unwrap(list, meter),
        (F::SetsContains, [Value::List(set), Value::List(part)]) => {
            contains(set, part, meter).map(Value::Bool)
        }
        (F::SetsEquivalent, [Value::List(left), Value::List(right)]) => {
            equivalent(left, right, meter).map(Value::Bool)
        }
        (F::SetsIntersects, [Value::List(left), Value::List(right)]) => {
            intersects(left, right, meter).map(Value::Bool)
        }
        (F::Join, [Value::List(list)]) => join(list, "", meter),
        (F::Join, [Value::List(list), Value::String(separator)]) => {
            join(list, separator.as_str(), meter)
        }
        _ => return None,
    })
}

/// Tells whether a value is in a list.
pub(super) fn has<'v>(list: &List<'v>, wanted: &Value<'v>, meter: &mut Meter) -> Result<bool> {
    for value in list.iter() {
        if equal(&value, wanted, meter, 0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn optional(value: Option<Value<'_>>) -> Value<'_> {
    value.map_or(Value::Optional(None), Value::some)
}

fn unwrap<'v>(list: &List<'v>, meter: &mut Meter) -> Result<Value<'v>> {
    meter.allocate_values(list.len())?;
    let mut values = Vec::new();
    for value in list.iter() {
        match value {
            Value::Optional(Some(value)) => values.push(Value::clone(&value)),
            Value::Optional(None) => {}
            _ => return Err(EvaluationError::InvalidArgument("value is not optional")),
        }
    }
    Ok(Value::list(values))
}

fn contains<'v>(set: &List<'v>, part: &List<'v>, meter: &mut Meter) -> Result<bool> {
    for value in part.iter() {
        if !has(set, &value, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equivalent<'v>(left: &List<'v>, right: &List<'v>, meter: &mut Meter) -> Result<bool> {
    Ok(contains(left, right, meter)? && contains(right, left, meter)?)
}

fn intersects<'v>(left: &List<'v>, right: &List<'v>, meter: &mut Meter) -> Result<bool> {
    for value in left.iter() {
        if has(right, &value, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn join<'v>(list: &List<'v>, separator: &str, meter: &mut Meter) -> Result<Value<'v>> {
    let mut joined = String::new();
    for (index, value) in list.iter().enumerate() {
        let Value::String(text) = value else {
            return Err(EvaluationError::NoSuchOverload("join"));
        };
        let separator = if index == 0 { "" } else { separator };
        meter.step(1)?;
        meter.allocate(separator.len().saturating_add(text.as_str().len()))?;
        joined.push_str(separator);
        joined.push_str(text.as_str());
    }
    Ok(Value::text(joined))
}
