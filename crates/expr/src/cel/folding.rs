//! Works out what only depends on constants, so that mistakes in them show when a program is made.

use super::ast::Literal;
use super::error::CompileProblem;
use super::functions;
use super::meter::Meter;
use super::node::Node;
use super::signatures::Function;
use super::value::{Text, Value};
use crate::regex::Pattern;

type Result<T> = std::result::Result<T, Box<CompileProblem>>;

/// Converts constants and compiles constant patterns everywhere in `node`.
pub(super) fn fold(node: &mut Node, meter: &mut Meter) -> Result<()> {
    match node {
        Node::Call { arguments, .. } => all(arguments, meter)?,
        Node::Select { operand, .. } | Node::Has { operand, .. } => fold(operand, meter)?,
        Node::Conditional(parts) => parts.iter_mut().try_for_each(|part| fold(part, meter))?,
        Node::And(parts) | Node::Or(parts) => all(parts, meter)?,
        Node::List(elements) => {
            elements
                .iter_mut()
                .try_for_each(|element| fold(&mut element.value, meter))?;
        }
        Node::Map(entries) => entries.iter_mut().try_for_each(|entry| {
            fold(&mut entry.key, meter)?;
            fold(&mut entry.value, meter)
        })?,
        Node::Message { fields, .. } => {
            fields
                .iter_mut()
                .try_for_each(|field| fold(&mut field.value, meter))?;
        }
        Node::Loop {
            range,
            condition,
            transform,
            ..
        } => {
            fold(range, meter)?;
            let parts = condition.iter_mut().chain(transform);
            parts.into_iter().try_for_each(|part| fold(part, meter))?;
        }
        Node::OptionalMap {
            target, transform, ..
        } => {
            fold(target, meter)?;
            fold(transform, meter)?;
        }
        Node::Constant(_) | Node::Variable(_) | Node::Local(_) | Node::Matches { .. } => {}
    }
    replace(node, meter)
}

fn all(nodes: &mut [Node], meter: &mut Meter) -> Result<()> {
    nodes.iter_mut().try_for_each(|node| fold(node, meter))
}

/// Replaces a call of a constant kind, its arguments being folded.
fn replace(node: &mut Node, meter: &mut Meter) -> Result<()> {
    let Node::Call {
        function,
        arguments,
    } = node
    else {
        return Ok(());
    };
    if *function == Function::Matches
        && let [_, Node::Constant(Literal::String(pattern))] = arguments.as_slice()
    {
        let pattern =
            Pattern::compile(pattern).map_err(|error| Box::new(CompileProblem::Pattern(error)))?;
        arguments.truncate(1);
        if let Some(text) = arguments.pop() {
            *node = Node::Matches {
                text: Box::new(text),
                pattern,
            };
        }
        return Ok(());
    }
    if let Some(to) = functions::conversion_target(*function)
        && let [Node::Constant(literal)] = arguments.as_slice()
    {
        let value = functions::convert(to, &value(literal), meter)
            .map_err(|error| Box::new(CompileProblem::Constant(error)))?;
        if let Some(literal) = literal_of(&value) {
            *node = Node::Constant(literal);
        }
    }
    Ok(())
}

fn value(literal: &Literal) -> Value<'_> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Uint(value) => Value::Uint(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::String(text) => Value::String(Text::Given(text)),
        Literal::Bytes(bytes) => Value::Bytes(bytes.as_ref().into()),
        Literal::Timestamp(nanoseconds) => Value::Timestamp(*nanoseconds),
        Literal::Duration(nanoseconds) => Value::Duration(*nanoseconds),
        Literal::Type(name) => Value::Type(name),
    }
}

fn literal_of(value: &Value<'_>) -> Option<Literal> {
    Some(match value {
        Value::Null => Literal::Null,
        Value::Bool(value) => Literal::Bool(*value),
        Value::Int(value) => Literal::Int(*value),
        Value::Uint(value) => Literal::Uint(*value),
        Value::Double(value) => Literal::Double(*value),
        Value::String(text) => Literal::String(text.as_str().into()),
        Value::Bytes(bytes) => Literal::Bytes(bytes.as_ref().into()),
        Value::Timestamp(nanoseconds) => Literal::Timestamp(*nanoseconds),
        Value::Duration(nanoseconds) => Literal::Duration(*nanoseconds),
        Value::Type(name) => Literal::Type(name),
        Value::List(_) | Value::Map(_) | Value::Optional(_) => return None,
    })
}
