//! The well-known messages that an expression can construct: `google.protobuf.Struct{…}` and such.

use std::sync::Arc;

use super::node::Message;
use super::types::Type;

/// Looks a message up by its full name.
pub(super) fn find(name: &str) -> Option<Message> {
    Some(match name.strip_prefix("google.protobuf.")? {
        "BoolValue" => Message::Bool,
        "BytesValue" => Message::Bytes,
        "DoubleValue" | "FloatValue" => Message::Double,
        "Int32Value" | "Int64Value" => Message::Int,
        "UInt32Value" | "UInt64Value" => Message::Uint,
        "StringValue" => Message::String,
        "Struct" => Message::Struct,
        "ListValue" => Message::List,
        "Timestamp" => Message::Timestamp,
        "Duration" => Message::Duration,
        _ => return None,
    })
}

/// Returns the type of a field.
pub(super) fn field_type(message: Message, field: &str) -> Option<Type> {
    match (message, field) {
        (Message::Bool, "value") => Some(Type::Bool),
        (Message::Bytes, "value") => Some(Type::Bytes),
        (Message::Double, "value") => Some(Type::Double),
        (Message::Int, "value") | (Message::Timestamp | Message::Duration, "seconds" | "nanos") => {
            Some(Type::Int)
        }
        (Message::Uint, "value") => Some(Type::Uint),
        (Message::String, "value") => Some(Type::String),
        (Message::Struct, "fields") => Some(Type::map(Type::String, Type::Dyn)),
        (Message::List, "values") => Some(Type::list(Type::Dyn)),
        _ => None,
    }
}

/// Returns the type of the whole.
pub(super) fn result_type(message: Message) -> Type {
    let wrapper = |of| Type::Wrapper(Arc::new(of));
    match message {
        Message::Bool => wrapper(Type::Bool),
        Message::Bytes => wrapper(Type::Bytes),
        Message::Double => wrapper(Type::Double),
        Message::Int => wrapper(Type::Int),
        Message::Uint => wrapper(Type::Uint),
        Message::String => wrapper(Type::String),
        Message::Struct => Type::map(Type::String, Type::Dyn),
        Message::List => Type::list(Type::Dyn),
        Message::Timestamp => Type::Timestamp,
        Message::Duration => Type::Duration,
    }
}
