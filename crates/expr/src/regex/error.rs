//! Why a regular expression was refused.

use thiserror::Error;

/// What is wrong with a regular expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid regular expression at character {position}: {problem}")]
pub struct PatternError {
    position: usize,
    problem: PatternProblem,
}

impl PatternError {
    /// Makes an error at the `offset`-th character, counted from zero.
    pub(crate) fn new(offset: usize, problem: PatternProblem) -> Self {
        Self {
            position: offset.saturating_add(1),
            problem,
        }
    }

    /// Returns the number of the character at which the problem starts, counted from one.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns what is wrong.
    pub fn problem(&self) -> &PatternProblem {
        &self.problem
    }
}

/// What is wrong with a regular expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PatternProblem {
    /// The source is longer than the limit.
    #[error("the pattern is longer than {0} bytes")]
    SourceTooLong(usize),
    /// The automaton would be larger than the limit.
    #[error("the pattern compiles to more than {0} bytes")]
    AutomatonTooLarge(usize),
    /// The character classes have too many ranges in total.
    #[error("the pattern's character classes are too large in total")]
    ClassesTooLarge,
    /// Groups, repetitions and alternations are nested too deeply.
    #[error("nested more than {0} levels deep")]
    NestedTooDeep(u32),
    /// A `(` without its `)`.
    #[error("this group lacks its closing `)`")]
    UnclosedGroup,
    /// A `)` without its `(`.
    #[error("`)` closes no group")]
    UnopenedGroup,
    /// A `[` without its `]`.
    #[error("this character class lacks its closing `]`")]
    UnclosedClass,
    /// A repetition with nothing before it.
    #[error("there is nothing to repeat before this operator")]
    NothingToRepeat,
    /// A repetition of a repetition.
    #[error("a repetition cannot be repeated; put it into a group")]
    RepeatedRepetition,
    /// A repetition count out of bounds.
    #[error("repetition counts must be ordered and, multiplied over nested ones, at most 1000")]
    RepetitionCount,
    /// A range that ends before it begins.
    #[error("this range of characters ends before it begins")]
    ReversedRange,
    /// An unknown class name.
    #[error("unknown character class `{0}`")]
    UnknownClass(String),
    /// A `\p{` without `}`.
    #[error("this class name lacks its closing `}}`")]
    UnclosedClassName,
    /// An escape that RE2 does not know.
    #[error("unknown escape sequence")]
    UnknownEscape,
    /// A backslash at the very end.
    #[error("a backslash at the end escapes nothing")]
    TrailingBackslash,
    /// A code point that text can never contain.
    #[error("surrogate code points never occur in text")]
    Surrogate,
    /// A `(?` that starts no known group.
    #[error("unknown group syntax after `(?`; look-around and comments are not supported")]
    UnknownGroup,
    /// A group name with other than letters, digits and underscores.
    #[error("group names consist of ASCII letters, digits and underscores and end with `>`")]
    GroupName,
}
