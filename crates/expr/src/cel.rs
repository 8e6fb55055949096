//! CEL expressions, as Flux understands them.
//!
//! The language is that of cel-go 0.27 with Flux's options: static types, optional types, lists and
//! maps of one element type, and the extensions for strings, sets and encoders. Variables are maps
//! from JSON objects; every JSON number is a double.
//!
//! Known differences, all towards refusing or plainer text: expressions and chains of operators may
//! be 250 levels deep; of messages only the well-known scalars, `Struct`, `ListValue`, `Timestamp`
//! and `Duration` can be constructed; a timestamp is shown in UTC, not in the offset it was read
//! in; `format` takes at most 1000 digits after the point; keys of maps are scalars.
//!
//! Expressions come from people who may be hostile. Compilation is limited by the length and the
//! nesting of the source, evaluation by a [`Budget`] that nothing in the language can get around.

mod ast;
mod chain;
mod checker;
mod clauses;
mod error;
mod evaluator;
mod folding;
mod functions;
mod lexer;
mod messages;
mod meter;
mod node;
mod notation;
mod numbers;
mod parser;
mod signatures;
mod types;
mod value;

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

pub use chain::{ChainError, Definition, evaluate_chain};
pub use error::{CompileError, CompileProblem, EvaluationError, Resource};

use error::Located;
use evaluator::Evaluator;
use meter::Meter;
use node::Node;
use value::Value;

/// Longest expression, in characters.
const SOURCE_LIMIT: usize = 100_000;

/// What the place where an expression stands demands of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputType {
    /// Exactly `bool`.
    Bool,
    /// Exactly `string`.
    String,
}

impl OutputType {
    fn name(self) -> &'static str {
        match self {
            OutputType::Bool => "bool",
            OutputType::String => "string",
        }
    }
}

/// What one evaluation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Units of work; one is about a node of the expression or 64 bytes looked at.
    pub steps: u64,
    /// Memory that is asked for, all in all, whether or not it is given back in between.
    pub bytes: u64,
}

impl Default for Budget {
    /// A million steps and 8 MiB.
    fn default() -> Self {
        Self {
            steps: 1_000_000,
            bytes: 8 * 1024 * 1024,
        }
    }
}

/// A compiled expression; cheap to clone.
#[derive(Clone)]
pub struct Program {
    inner: Arc<Inner>,
}

struct Inner {
    node: Node,
    static_type: String,
    variables: Vec<String>,
}

impl Program {
    /// Compiles `source`, in which each of `variables` is a map from strings to anything, and whose
    /// result must be of type `output`.
    pub fn compile(
        source: &str,
        variables: &[&str],
        output: OutputType,
    ) -> Result<Program, CompileError> {
        let program = Self::compile_any(source, variables)?;
        if program.inner.static_type == output.name() {
            return Ok(program);
        }
        let found = program.inner.static_type.clone();
        let problem = CompileProblem::OutputType {
            expected: output.name(),
            found,
        };
        Err(CompileError::new(source, Located::new(0, problem)))
    }

    /// Compiles `source` whatever the type of its result.
    pub fn compile_any(source: &str, variables: &[&str]) -> Result<Program, CompileError> {
        let at_start = |problem| CompileError::new(source, Located::new(0, problem));
        if source.chars().nth(SOURCE_LIMIT).is_some() {
            return Err(at_start(CompileProblem::SourceTooLong(SOURCE_LIMIT)));
        }
        let compile = || {
            let expression = parser::parse(source)?;
            checker::check(expression, variables)
        };
        let (mut node, static_type) =
            compile().map_err(|error| CompileError::new(source, error))?;
        let mut meter = Meter::new(Budget::default());
        folding::fold(&mut node, &mut meter).map_err(|problem| at_start(*problem))?;
        let variables = variables.iter().map(|name| (*name).to_owned()).collect();
        let static_type = static_type.to_string();
        Ok(Program {
            inner: Arc::new(Inner {
                node,
                static_type,
                variables,
            }),
        })
    }

    /// Returns the static type of the result, such as `bool` or `list(string)`.
    pub fn static_type(&self) -> &str {
        &self.inner.static_type
    }

    /// Evaluates a program whose result is a string.
    pub fn evaluate_string(
        &self,
        variables: &[(&str, &Json)],
        budget: Budget,
    ) -> Result<String, EvaluationError> {
        self.evaluate(variables, budget, |value, meter| match value {
            Value::String(text) => {
                meter.allocate(text.as_str().len())?;
                Ok(text.as_str().to_owned())
            }
            _ => Err(EvaluationError::WrongResult("string")),
        })
    }

    /// Evaluates a program whose result is a truth value.
    pub fn evaluate_bool(
        &self,
        variables: &[(&str, &Json)],
        budget: Budget,
    ) -> Result<bool, EvaluationError> {
        self.evaluate(variables, budget, |value, _| match value {
            Value::Bool(value) => Ok(*value),
            _ => Err(EvaluationError::WrongResult("bool")),
        })
    }

    /// Evaluates any program and writes the result as a line of text with its type, such as
    /// `int:3`, `list:["a"]`, `optional(string:"a")`.
    pub fn evaluate_any(
        &self,
        variables: &[(&str, &Json)],
        budget: Budget,
    ) -> Result<String, EvaluationError> {
        self.evaluate(variables, budget, notation::text)
    }

    fn evaluate<T>(
        &self,
        variables: &[(&str, &Json)],
        budget: Budget,
        finish: impl FnOnce(&Value<'_>, &mut Meter) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        let given = |name: &str| {
            let found = variables.iter().find(|(given, _)| *given == name);
            found.map(|(_, json)| Value::of(json))
        };
        let mut evaluator = self.evaluator(given, Meter::new(budget));
        let value = evaluator.evaluate(&self.inner.node)?;
        finish(&value, &mut evaluator.meter)
    }

    /// An evaluator whose variables are what `given` knows.
    fn evaluator<'v>(
        &'v self,
        given: impl Fn(&str) -> Option<Value<'v>>,
        meter: Meter,
    ) -> Evaluator<'v> {
        let names = &self.inner.variables;
        let variables = names.iter().map(|name| given(name)).collect();
        Evaluator::new(names, variables, meter)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Program")
            .field(&self.inner.static_type)
            .finish()
    }
}
