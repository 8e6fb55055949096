//! Names that stand for types, and the types of constants.

use std::sync::Arc;

use crate::cel::ast::{Expression, Kind, Literal};
use crate::cel::node::Node;
use crate::cel::types::Type;

/// Returns a constant and its type.
pub(super) fn constant(literal: Literal) -> (Node, Type) {
    let of = literal_type(&literal);
    (Node::Constant(literal), of)
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
        Literal::Timestamp(_) => Type::Timestamp,
        Literal::Duration(_) => Type::Duration,
        Literal::Type(_) => Type::Meta(Arc::new(Type::Dyn)),
    }
}

/// Returns `a.b.c` if that is what the expression is.
pub(super) fn qualified_name(expression: &Expression) -> Option<String> {
    let mut parts = Vec::new();
    let mut current = expression;
    loop {
        match current.kind.as_ref() {
            Kind::Identifier { name, .. } => {
                parts.push(name.as_str());
                parts.reverse();
                return Some(parts.join("."));
            }
            Kind::Select {
                operand,
                field,
                optional: false,
            } => {
                parts.push(field);
                current = operand;
            }
            _ => return None,
        }
    }
}

/// Returns the value and the type of a name that stands for a type.
pub(super) fn type_name(name: &str) -> Option<(Node, Type)> {
    let (name, of) = match name {
        "bool" => ("bool", Type::Bool),
        "bytes" => ("bytes", Type::Bytes),
        "double" => ("double", Type::Double),
        "int" => ("int", Type::Int),
        "list" => ("list", Type::list(Type::Dyn)),
        "map" => ("map", Type::map(Type::Dyn, Type::Dyn)),
        "null_type" => ("null_type", Type::Null),
        "optional_type" => ("optional_type", Type::optional(Type::Dyn)),
        "string" => ("string", Type::String),
        "type" => ("type", Type::Meta(Arc::new(Type::Dyn))),
        "uint" => ("uint", Type::Uint),
        "google.protobuf.Timestamp" => ("google.protobuf.Timestamp", Type::Timestamp),
        "google.protobuf.Duration" => ("google.protobuf.Duration", Type::Duration),
        _ => return None,
    };
    Some((
        Node::Constant(Literal::Type(name)),
        Type::Meta(Arc::new(of)),
    ))
}
