//! CEL expressions against recordings of the reference, and against hostile input.

use expr::cel::{Budget, EvaluationError, OutputType, Program, Resource};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::re2::{on_a_small_stack, recording};

/// What a recording calls the outcome of compiling and of evaluating an expression.
fn outcome(source: &str, variables: &[(&str, &Value)]) -> (String, String) {
    let names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
    match Program::compile_any(source, &names) {
        Err(error) if error.is_about_a_constant() => ("ok".to_owned(), format!("PROGERR {error}")),
        Err(error) => (format!("err: {error}"), String::new()),
        Ok(program) => {
            let value = program.evaluate_any(variables, Budget::default());
            let value = value.unwrap_or_else(|error| format!("ERR {error}"));
            (format!("ok:{}", program.static_type()), value)
        }
    }
}

/// Tells whether an outcome is as recorded; of errors only the kind counts.
fn is_as_recorded((compiled, value): &(String, String), case: &Value) -> bool {
    let (recorded, expected) = (
        case["compile"].as_str().unwrap(),
        case["eval"].as_str().unwrap(),
    );
    if recorded.starts_with("err") {
        return compiled.starts_with("err");
    }
    if expected.starts_with("PROGERR") {
        return value.starts_with("PROGERR");
    }
    let same_value = value == expected || (expected.starts_with("ERR") && value.starts_with("ERR"));
    compiled == recorded && same_value
}

#[test]
fn every_recorded_expression_does_as_in_the_reference() {
    let differences = on_a_small_stack(|| {
        let mut lines = recording("cel.jsonl").into_iter();
        let header = lines.next().unwrap();
        let variables = header["vars"].as_object().unwrap();
        let variables: Vec<(&str, &Value)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        let mut differences = Vec::new();
        let mut count = 0;
        for case in lines {
            count += 1;
            let outcome = outcome(case["expr"].as_str().unwrap(), &variables);
            if !is_as_recorded(&outcome, &case) {
                differences.push(format!("{case}\n    but {outcome:?}"));
            }
        }
        assert!(count > 190, "{count} cases");
        differences
    });
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
