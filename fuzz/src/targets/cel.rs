//! A CEL expression, compiled and evaluated under a small budget.

use std::time::{Duration, Instant};

use expr::cel::{Budget, OutputType, Program};
use serde_json::json;

use super::Target;
use crate::features::feature;
use crate::seeds;

pub(super) const TARGET: Target = Target {
    name: "cel",
    seeds: || seeds::column("cel.jsonl", &["expr"]),
    words: &[
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "?",
        ":",
        ".",
        ",",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        ">=",
        " in ",
        "'",
        "\"",
        "'''",
        "r'",
        "b'",
        "event",
        "alert",
        "provider",
        ".map(x, x)",
        ".filter(x, true)",
        ".all(x, x)",
        ".exists(x, x)",
        "has(event.a)",
        "size(",
        ".matches('",
        ".first()",
        ".last()",
        "timestamp(",
        "duration('1h')",
        "string(",
        "int(",
        ".format([",
        ".split('",
        ".replace('a','b')",
        "optional.of(",
        ".?",
        "[?",
        "1u",
        "1e3",
        "cel.bind(x, 1, ",
        "type(",
        "dyn(",
        "null",
        "true",
        ".join('",
        "lists.range(",
    ],
    run,
};

/// A budget of a million steps is a fraction of a second even without optimisation.
const LONGEST: Duration = Duration::from_secs(10);

/// Compiling and evaluating ends in time, and the same expression gives the same result again.
fn run(input: &[u8]) -> Result<(), String> {
    let source = String::from_utf8_lossy(input);
    let started = Instant::now();
    let names = ["event", "alert", "provider", "req", "res"];
    let value = json!({
        "metadata": {"name": "app", "labels": {"a": "b"}},
        "involvedObject": {"kind": "Kustomization", "name": "app"},
        "list": ["a", "b", {"c": 1.5}], "n": 3, "ok": true, "nil": null, "uni": "héllo",
    });
    let variables = names.map(|name| (name, &value));
    if let Err(error) = Program::compile(&source, &names, OutputType::String) {
        feature(&error.to_string());
    }
    if let Ok(program) = Program::compile_any(&source, &names) {
        let evaluate = || format!("{:?}", program.evaluate_any(&variables, Budget::default()));
        let first = evaluate();
        feature(&first);
        if first != evaluate() {
            return Err("two evaluations differ".to_owned());
        }
    }
    if started.elapsed() > LONGEST {
        return Err(format!("it took {:?}", started.elapsed()));
    }
    Ok(())
}
