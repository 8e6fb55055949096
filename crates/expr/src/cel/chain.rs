//! Expressions that build on each other: named ones first, then conditions that may use them.
//!
//! Results keep their types on the way, so a definition may be a timestamp or an `int`.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;
use thiserror::Error;

use super::error::EvaluationError;
use super::meter::Meter;
use super::value::{Key, Map, Text, Value};
use super::{Budget, Program};

/// Memory of one definition, roughly.
const DEFINITION_SIZE: usize = 160;

/// A named expression.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name; a later one of the same name takes its place.
    pub name: String,
    /// The expression, compiled with the variable that holds earlier definitions.
    pub program: Program,
}

/// Which of the expressions could not be evaluated, and why.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ChainError {
    /// A definition.
    #[error("{error}")]
    Definition {
        /// Its place.
        index: usize,
        /// What went wrong.
        error: EvaluationError,
    },
    /// A condition.
    #[error("{error}")]
    Condition {
        /// Its place.
        index: usize,
        /// What went wrong.
        error: EvaluationError,
    },
}

/// Evaluates definitions in order, each of which sees the earlier ones as fields of the variable
/// `into`, and then the conditions. An optional is taken apart: its value, or `null`.
///
/// The budget is for all of them together.
pub fn evaluate_chain(
    variables: &[(&str, &Json)],
    into: &str,
    definitions: &[Definition],
    conditions: &[Program],
    budget: Budget,
) -> Result<Vec<bool>, ChainError> {
    let mut meter = Meter::new(budget);
    let mut defined: Rc<Defined<'_>> = Rc::default();
    for (index, definition) in definitions.iter().enumerate() {
        let fail = |error| ChainError::Definition { index, error };
        let value = evaluate(&definition.program, variables, into, &defined, &mut meter);
        let value = plain(value.map_err(fail)?);
        let name = definition.name.as_str();
        meter
            .allocate(DEFINITION_SIZE.saturating_add(name.len()))
            .map_err(fail)?;
        let entry = (Value::String(Text::Given(name)), value);
        Rc::make_mut(&mut defined).insert(Key::String(name.into()), entry);
    }
    conditions
        .iter()
        .enumerate()
        .map(|(index, condition)| {
            match evaluate(condition, variables, into, &defined, &mut meter) {
                Ok(Value::Bool(holds)) => Ok(holds),
                Ok(_) => Err(EvaluationError::WrongResult("bool")),
                Err(error) => Err(error),
            }
            .map_err(|error| ChainError::Condition { index, error })
        })
        .collect()
}

type Defined<'v> = BTreeMap<Key, (Value<'v>, Value<'v>)>;

fn evaluate<'v>(
    program: &'v Program,
    variables: &[(&str, &'v Json)],
    into: &str,
    defined: &Rc<Defined<'v>>,
    meter: &mut Meter,
) -> Result<Value<'v>, EvaluationError> {
    let given = |name: &str| {
        if name == into {
            return Some(Value::Map(Map::Made(defined.clone())));
        }
        let found = variables.iter().find(|(given, _)| *given == name);
        found.map(|(_, json)| Value::of(json))
    };
    let empty = Meter::new(Budget { steps: 0, bytes: 0 });
    let mut evaluator = program.evaluator(given, std::mem::replace(meter, empty));
    let value = evaluator.evaluate(&program.inner.node);
    *meter = evaluator.meter;
    value
}

fn plain(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Optional(None) => Value::Null,
        Value::Optional(Some(inner)) => plain(inner.as_ref().clone()),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cel::OutputType;

    const NAMES: [&str; 2] = ["claims", "vars"];

    fn run(definitions: &[(&str, &str)], conditions: &[&str]) -> Result<Vec<bool>, ChainError> {
        let claims = json!({"owner": "org", "repo": "org/app"});
        let definitions: Vec<Definition> = definitions
            .iter()
            .map(|(name, source)| Definition {
                name: (*name).to_owned(),
                program: Program::compile_any(source, &NAMES).unwrap(),
            })
            .collect();
        let conditions: Vec<Program> = conditions
            .iter()
            .map(|source| Program::compile(source, &NAMES, OutputType::Bool).unwrap())
            .collect();
        let variables: [(&str, &Json); 1] = [("claims", &claims)];
        let budget = Budget::default();
        evaluate_chain(&variables, "vars", &definitions, &conditions, budget)
    }

    #[test]
    fn definitions_build_on_earlier_ones_and_keep_their_types() {
        let definitions = [
            ("owner", "claims.owner"),
            ("allowed", "[vars.owner + '/app']"),
            ("n", "1 + 1"),
            ("t", "timestamp('2026-01-01T00:00:00Z')"),
            ("o", "claims.?nope"),
            ("p", "claims.?owner"),
        ];
        let conditions = [
            "claims.repo in vars.allowed",
            "vars.n + 1 == 3",
            "vars.t < timestamp('2027-01-01T00:00:00Z')",
            "vars.o == null && vars.p == 'org'",
            "claims.owner == 'other'",
        ];
        assert_eq!(
            run(&definitions, &conditions),
            Ok(vec![true, true, true, true, false])
        );
    }

    #[test]
    fn a_later_definition_takes_the_place_of_an_earlier_one() {
        let definitions = [("a", "'1'"), ("a", "vars.a + '2'")];
        assert_eq!(run(&definitions, &["vars.a == '12'"]), Ok(vec![true]));
    }

    #[test]
    fn errors_say_which_expression_failed() {
        let error = EvaluationError::NoSuchKey("b".to_owned());
        assert_eq!(
            run(&[("a", "vars.b"), ("b", "1")], &["true"]),
            Err(ChainError::Definition { index: 0, error })
        );
        let error = EvaluationError::NoSuchKey("x".to_owned());
        assert_eq!(
            run(&[], &["false", "claims.x == 1"]),
            Err(ChainError::Condition { index: 1, error })
        );
    }

    #[test]
    fn the_budget_is_for_all_expressions_together() {
        let definitions: Vec<(String, String)> = (0..40)
            .map(|index| {
                let before = format!("vars.v{}", i32::max(index - 1, 0));
                let source = if index == 0 {
                    "'x'".to_owned()
                } else {
                    format!("{before} + {before}")
                };
                (format!("v{index}"), source)
            })
            .collect();
        let definitions: Vec<(&str, &str)> = definitions
            .iter()
            .map(|(name, source)| (name.as_str(), source.as_str()))
            .collect();
        assert!(matches!(
            run(&definitions, &["true"]),
            Err(ChainError::Definition {
                error: EvaluationError::BudgetExhausted(_),
                ..
            })
        ));
    }
}
