//! A program: an expression whose names and functions are resolved.

use super::ast::{Element, Entry, Literal, Loop};
use super::signatures::Function;
use crate::regex::Pattern;

/// A step of a program. At most 250 levels deep.
#[derive(Debug)]
pub(super) enum Node {
    Constant(Literal),
    /// A variable by its place among those declared.
    Variable(usize),
    /// A loop variable by its place among those in scope.
    Local(usize),
    Select {
        operand: Box<Node>,
        field: Box<str>,
        optional: bool,
    },
    Has {
        operand: Box<Node>,
        field: Box<str>,
    },
    Conditional(Box<[Node; 3]>),
    And(Vec<Node>),
    Or(Vec<Node>),
    List(Vec<Element<Node>>),
    Map(Vec<Entry<Node, Node>>),
    Message {
        message: Message,
        fields: Vec<Entry<String, Node>>,
    },
    Call {
        function: Function,
        /// The target, if there is one, and the arguments.
        arguments: Vec<Node>,
    },
    /// A match with a constant pattern.
    Matches {
        text: Box<Node>,
        pattern: Pattern,
    },
    Loop {
        kind: Loop,
        range: Box<Node>,
        condition: Option<Box<Node>>,
        transform: Option<Box<Node>>,
    },
    OptionalMap {
        target: Box<Node>,
        transform: Box<Node>,
        flat: bool,
    },
}

/// The messages that can be constructed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    Bool,
    Bytes,
    Double,
    Int,
    Uint,
    String,
    Struct,
    List,
    Timestamp,
    Duration,
}
