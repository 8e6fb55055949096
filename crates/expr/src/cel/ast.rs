//! An expression as it was written, macros recognised.

/// An expression and where it starts.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) offset: u32,
    /// Levels of nesting, this one included.
    pub(super) depth: u16,
    /// In a box, because the parser hands expressions through many frames of a small stack.
    pub(super) kind: Box<Kind>,
}

/// A constant, in programs too.
#[derive(Debug, Clone)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Box<str>),
    Bytes(Box<[u8]>),
    /// Nanoseconds since 1970; only the result of converting another literal.
    Timestamp(i128),
    /// Nanoseconds; only the result of converting another literal.
    Duration(i64),
    /// The name of a type.
    Type(&'static str),
}

/// An element of a list that is left out when it is an optional without value.
#[derive(Debug)]
pub(super) struct Element<E> {
    pub(super) value: E,
    pub(super) optional: bool,
}

/// An entry of a map or a field of a message.
#[derive(Debug)]
pub(super) struct Entry<K, E> {
    pub(super) offset: u32,
    pub(super) key: K,
    pub(super) value: E,
    pub(super) optional: bool,
}

/// What goes through the elements of a list or the keys of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loop {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

/// What an expression is.
#[derive(Debug)]
pub(super) enum Kind {
    Literal(Literal),
    Identifier {
        name: String,
        /// Written with a leading dot, so not a loop variable.
        global: bool,
    },
    Select {
        operand: Box<Expression>,
        field: String,
        optional: bool,
    },
    Has {
        operand: Box<Expression>,
        field: String,
    },
    /// Operators are calls of functions named like `_+_`.
    Call {
        function: String,
        target: Option<Box<Expression>>,
        arguments: Vec<Expression>,
    },
    And(Vec<Expression>),
    Or(Vec<Expression>),
    List(Vec<Element<Expression>>),
    Map(Vec<Entry<Expression, Expression>>),
    Message {
        name: String,
        fields: Vec<Entry<String, Expression>>,
    },
    Loop {
        kind: Loop,
        range: Box<Expression>,
        variable: String,
        /// What decides about an element; in [`Loop::Map`] it may be missing.
        condition: Option<Box<Expression>>,
        /// What an element becomes, in [`Loop::Map`] only.
        transform: Option<Box<Expression>>,
    },
    OptionalMap {
        target: Box<Expression>,
        variable: String,
        transform: Box<Expression>,
        /// Whether the transformation yields an optional itself.
        flat: bool,
    },
}
