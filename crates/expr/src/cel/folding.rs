//! Works out what only depends on constants, so that mistakes in them show when a program is made.

use super::ast::{Element, Entry, Literal};
use super::error::{CompileProblem, EvaluationError};
use super::functions;
use super::meter::Meter;
use super::node::Node;
use super::signatures::Function;
use super::value::{Text, Value};
use crate::regex::Pattern;

type Result<T> = std::result::Result<T, CompileProblem>;

/// Converts constants and compiles constant patterns everywhere in `node`.
pub(super) fn fold(node: Node, meter: &mut Meter) -> Result<Node> {
    Ok(match node {
        Node::Call {
            function,
            arguments,
        } => {
            let arguments = all(arguments, meter)?;
            call(function, arguments, meter)?
        }
        Node::Select {
            operand,
            field,
            optional,
        } => Node::Select {
            operand: boxed(operand, meter)?,
            field,
            optional,
        },
        Node::Has { operand, field } => Node::Has {
            operand: boxed(operand, meter)?,
            field,
        },
        Node::Conditional(parts) => {
            let [condition, positive, negative] = *parts;
            Node::Conditional(Box::new([
                fold(condition, meter)?,
                fold(positive, meter)?,
                fold(negative, meter)?,
            ]))
        }
        Node::And(parts) => Node::And(all(parts, meter)?),
        Node::Or(parts) => Node::Or(all(parts, meter)?),
        Node::List(elements) => {
            let mut folded = Vec::with_capacity(elements.len());
            for Element { value, optional } in elements {
                folded.push(Element {
                    value: fold(value, meter)?,
                    optional,
                });
            }
            Node::List(folded)
        }
        Node::Map(entries) => {
            let mut folded = Vec::with_capacity(entries.len());
            for Entry {
                offset,
                key,
                value,
                optional,
            } in entries
            {
                let (key, value) = (fold(key, meter)?, fold(value, meter)?);
                folded.push(Entry {
                    offset,
                    key,
                    value,
                    optional,
                });
            }
            Node::Map(folded)
        }
        Node::Message { message, fields } => {
            let mut folded = Vec::with_capacity(fields.len());
            for Entry {
                offset,
                key,
                value,
                optional,
            } in fields
            {
                folded.push(Entry {
                    offset,
                    key,
                    value: fold(value, meter)?,
                    optional,
                });
            }
            Node::Message {
                message,
                fields: folded,
            }
        }
        Node::Loop {
            kind,
            range,
            condition,
            transform,
        } => Node::Loop {
            kind,
            range: boxed(range, meter)?,
            condition: condition.map(|node| boxed(node, meter)).transpose()?,
            transform: transform.map(|node| boxed(node, meter)).transpose()?,
        },
        Node::OptionalMap {
            target,
            transform,
            flat,
        } => Node::OptionalMap {
            target: boxed(target, meter)?,
            transform: boxed(transform, meter)?,
            flat,
        },
        leaf @ (Node::Constant(_) | Node::Variable(_) | Node::Local(_) | Node::Matches { .. }) => {
            leaf
        }
    })
}

fn all(nodes: Vec<Node>, meter: &mut Meter) -> Result<Vec<Node>> {
    nodes.into_iter().map(|node| fold(node, meter)).collect()
}

fn boxed(node: Box<Node>, meter: &mut Meter) -> Result<Box<Node>> {
    Ok(Box::new(fold(*node, meter)?))
}

fn call(function: Function, mut arguments: Vec<Node>, meter: &mut Meter) -> Result<Node> {
    if function == Function::Matches
        && let [_, Node::Constant(Literal::String(pattern))] = arguments.as_slice()
    {
        let pattern = Pattern::compile(pattern).map_err(CompileProblem::Pattern)?;
        arguments.truncate(1);
        if let Some(text) = arguments.pop() {
            return Ok(Node::Matches {
                text: Box::new(text),
                pattern,
            });
        }
    }
    if let Some(to) = functions::conversion_target(function)
        && let [Node::Constant(literal)] = arguments.as_slice()
    {
        let value = match functions::convert(to, &value(literal), meter) {
            Ok(value) => literal_of(&value),
            Err(error @ EvaluationError::BudgetExhausted(_)) => {
                return Err(CompileProblem::Constant(error));
            }
            Err(error) => return Err(CompileProblem::Constant(error)),
        };
        if let Some(literal) = value {
            return Ok(Node::Constant(literal));
        }
    }
    Ok(Node::Call {
        function,
        arguments,
    })
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
