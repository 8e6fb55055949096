//! Comparing and calculating.

use std::cmp::Ordering;

use super::error::EvaluationError;
use super::value::Value;

type Result<'v> = std::result::Result<Value<'v>, EvaluationError>;

/// Compares two numbers of any types; `None` if they are not numbers or not comparable.
pub(super) fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Double(left), right) => compare_mixed(*left, integer(right)?),
        (left, Value::Double(right)) => {
            compare_mixed(*right, integer(left)?).map(Ordering::reverse)
        }
        (left, right) => Some(integer(left)?.cmp(&integer(right)?)),
    }
}

fn integer(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    }
}

/// Compares as doubles, as the reference does, when the double is within the range of integers.
fn compare_mixed(double: f64, integer: i128) -> Option<Ordering> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the comparison is one of doubles"
    )]
    double.partial_cmp(&(integer as f64))
}

/// Orders two values; an error if their types have no order.
pub(super) fn order(
    left: &Value<'_>,
    right: &Value<'_>,
) -> std::result::Result<Option<Ordering>, EvaluationError> {
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => Some(left.as_str().cmp(right.as_str())),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
        (left, right) if is_number(left) && is_number(right) => compare(left, right),
        _ => return Err(EvaluationError::NoSuchOverload("comparison")),
    })
}

fn is_number(value: &Value<'_>) -> bool {
    matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_))
}

/// Adds numbers.
pub(super) fn add<'v>(left: &Value<'v>, right: &Value<'v>) -> Result<'v> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(left.checked_add(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_add(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left + right)),
        _ => Err(EvaluationError::NoSuchOverload("_+_")),
    }
}

/// Subtracts numbers.
pub(super) fn subtract<'v>(left: &Value<'v>, right: &Value<'v>) -> Result<'v> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(left.checked_sub(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_sub(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left - right)),
        _ => Err(EvaluationError::NoSuchOverload("_-_")),
    }
}

/// Multiplies numbers.
pub(super) fn multiply<'v>(left: &Value<'v>, right: &Value<'v>) -> Result<'v> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(left.checked_mul(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_mul(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left * right)),
        _ => Err(EvaluationError::NoSuchOverload("_*_")),
    }
}

/// Divides numbers; integers lose their fraction.
pub(super) fn divide<'v>(left: &Value<'v>, right: &Value<'v>) -> Result<'v> {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Err(EvaluationError::DivisionByZero)
        }
        (Value::Int(left), Value::Int(right)) => int(left.checked_div(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_div(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left / right)),
        _ => Err(EvaluationError::NoSuchOverload("_/_")),
    }
}

/// Returns what a division of integers leaves over; it has the sign of the left one.
pub(super) fn remainder<'v>(left: &Value<'v>, right: &Value<'v>) -> Result<'v> {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Err(EvaluationError::ModulusByZero)
        }
        (Value::Int(left), Value::Int(right)) => int(left.checked_rem(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_rem(*right)),
        _ => Err(EvaluationError::NoSuchOverload("_%_")),
    }
}

/// Changes the sign.
pub(super) fn negate<'v>(value: &Value<'v>) -> Result<'v> {
    match value {
        Value::Int(value) => int(value.checked_neg()),
        Value::Double(value) => Ok(Value::Double(-value)),
        _ => Err(EvaluationError::NoSuchOverload("-_")),
    }
}

fn int<'v>(value: Option<i64>) -> Result<'v> {
    value
        .map(Value::Int)
        .ok_or(EvaluationError::Overflow("integer"))
}

fn uint<'v>(value: Option<u64>) -> Result<'v> {
    value
        .map(Value::Uint)
        .ok_or(EvaluationError::Overflow("unsigned integer"))
}
