//! What can go wrong with an expression: when it is compiled, and when it is evaluated.

use thiserror::Error;

use crate::regex::PatternError;

/// Why an expression is not a program.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{}{problem}", position(*.line, *.column))]
pub struct CompileError {
    line: u32,
    column: u32,
    problem: CompileProblem,
}

impl CompileError {
    pub(super) fn new(source: &str, located: Located) -> Self {
        let (offset, problem) = *located.0;
        if matches!(problem, CompileProblem::OutputType { .. }) {
            // It is about the expression as a whole.
            return Self {
                line: 0,
                column: 0,
                problem,
            };
        }
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let (mut line, mut column) = (1, 1);
        for character in source.chars().take(offset) {
            if character == '\n' {
                line += 1;
                column = 1;
            } else {
                column += 1;
            }
        }
        Self {
            line,
            column,
            problem,
        }
    }

    /// Returns line and column of the problem, counted from one, unless it concerns the whole.
    pub fn position(&self) -> Option<(u32, u32)> {
        (self.line > 0).then_some((self.line, self.column))
    }

    /// Returns what is wrong.
    pub fn problem(&self) -> &CompileProblem {
        &self.problem
    }

    /// Tells whether the expression is well formed and well typed, but a constant in it is not
    /// usable, such as a regular expression with a syntax error.
    pub fn is_about_a_constant(&self) -> bool {
        matches!(
            self.problem,
            CompileProblem::Constant(_) | CompileProblem::Pattern(_)
        )
    }
}

fn position(line: u32, column: u32) -> String {
    if line == 0 {
        String::new()
    } else {
        format!("{line}:{column}: ")
    }
}

/// A problem and the character it starts at, counted from zero.
///
/// In a box, because it is handed through many frames of a small stack.
#[derive(Debug)]
pub(super) struct Located(Box<(u32, CompileProblem)>);

impl Located {
    pub(super) fn new(offset: u32, problem: CompileProblem) -> Self {
        Self(Box::new((offset, problem)))
    }
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum CompileProblem {
    /// The source is longer than the limit.
    #[error("the expression is longer than {0} characters")]
    SourceTooLong(usize),
    /// The expression is nested, or its chain of operators is, beyond the limit.
    #[error("the expression is nested more than {0} levels deep")]
    NestedTooDeep(u16),
    /// A character that starts nothing.
    #[error("unexpected character `{0}`")]
    UnexpectedCharacter(char),
    /// A string without its closing quote.
    #[error("this string lacks its closing quote")]
    UnterminatedString,
    /// An unknown or incomplete escape sequence.
    #[error("unknown escape sequence in a string")]
    UnknownEscape,
    /// A number that does not fit its type.
    #[error("this number is out of range")]
    NumberRange,
    /// Something else than the grammar wants.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What would have been right.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A name that is reserved.
    #[error("`{0}` is a reserved word")]
    ReservedWord(String),
    /// A macro called with something it cannot work on.
    #[error("{0}")]
    MacroArgument(&'static str),
    /// A name that stands for nothing.
    #[error("undeclared reference to '{0}'")]
    Undeclared(String),
    /// A call with arguments that no variant of the function takes.
    #[error("'{function}' cannot be applied to {arguments}")]
    NoMatchingOverload {
        /// The function or operator.
        function: String,
        /// The types it was given.
        arguments: String,
    },
    /// A value of the wrong type.
    #[error("expected type '{expected}', found '{found}'")]
    TypeMismatch {
        /// The type that is needed.
        expected: String,
        /// The type that is there.
        found: String,
    },
    /// A field of something that has no fields.
    #[error("type '{0}' has no fields")]
    NoFields(String),
    /// An unknown field of a message.
    #[error("unknown field '{0}'")]
    UnknownField(String),
    /// A message type that cannot be constructed here.
    #[error("'{0}' is not a message type")]
    NotAMessage(String),
    /// A loop over something that has no elements.
    #[error("type '{0}' has no elements to go through")]
    NoElements(String),
    /// Types of an absurd size.
    #[error("the types in this expression are too complex")]
    TypesTooComplex,
    /// A constant template for `format` that does not fit its arguments.
    #[error("{0}")]
    Format(&'static str),
    /// A constant that cannot be converted.
    #[error("{0}")]
    Constant(EvaluationError),
    /// A constant regular expression that does not compile.
    #[error("{0}")]
    Pattern(PatternError),
    /// A result of another type than its place demands.
    #[error("output type mismatch: expected {expected}, got {found}")]
    OutputType {
        /// The type that is demanded.
        expected: &'static str,
        /// The static type of the expression.
        found: String,
    },
}

/// Why the evaluation of a program ended without a value.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The program did more work, or used more memory, than it was given. Nothing in the program
    /// can catch this.
    #[error("the expression used more {0} than allowed")]
    BudgetExhausted(Resource),
    /// A value is nested beyond what can be handled. Nothing in the program can catch this.
    #[error("a value is nested too deeply")]
    ValueTooDeep,
    /// A variable was declared but not given.
    #[error("no such variable: {0}")]
    NoSuchVariable(String),
    /// A key that the map lacks.
    #[error("no such key: {0}")]
    NoSuchKey(String),
    /// A function met arguments it has no variant for.
    #[error("no such overload: {0}")]
    NoSuchOverload(&'static str),
    /// A position outside a list.
    #[error("index out of bounds: {0}")]
    IndexOutOfBounds(i64),
    /// A position outside a string.
    #[error("index out of range: {0}")]
    IndexOutOfRange(i64),
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A remainder of a division by zero.
    #[error("modulus by zero")]
    ModulusByZero,
    /// A result that does not fit its type.
    #[error("{0} overflow")]
    Overflow(&'static str),
    /// A value that has no counterpart in another type.
    #[error("type conversion error from '{from}' to '{to}'")]
    Conversion {
        /// The type of the value.
        from: &'static str,
        /// The type that was asked for.
        to: &'static str,
    },
    /// The value of an optional that has none.
    #[error("optional.none() dereference")]
    NoValue,
    /// A time zone that does not exist.
    #[error("unknown time zone: {0}")]
    UnknownTimeZone(String),
    /// A regular expression that does not compile.
    #[error("{0}")]
    Pattern(PatternError),
    /// Data that is not base64.
    #[error("invalid base64")]
    InvalidBase64,
    /// An argument that the function cannot work with.
    #[error("{0}")]
    InvalidArgument(&'static str),
    /// The result is not of the type that its place demands.
    #[error("expected a {0} as result")]
    WrongResult(&'static str),
}

impl EvaluationError {
    /// Tells whether evaluation must end, whatever the program says.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(
            self,
            EvaluationError::BudgetExhausted(_) | EvaluationError::ValueTooDeep
        )
    }
}

/// What a budget limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Resource {
    /// Units of work.
    #[error("steps")]
    Steps,
    /// Memory.
    #[error("memory")]
    Bytes,
}
