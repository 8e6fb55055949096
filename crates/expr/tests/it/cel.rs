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

fn payload() -> Value {
    json!({"list": ["a", "b", "c"], "text": "a/b:c", "n": 3, "nil": null, "map": {"k": "v"}})
}

/// Compiles and evaluates; whatever comes of it is fine as long as it comes.
fn survives(source: &str) {
    let payload = payload();
    if let Ok(program) = Program::compile_any(source, &["req"]) {
        let _ = program.evaluate_any(&[("req", &payload)], Budget::default());
    }
}

#[test]
fn hostile_sources_do_no_harm_on_a_small_stack() {
    on_a_small_stack(|| {
        for n in [200, 245, 249, 5_000, 40_000] {
            let nested = |open: &str, middle: &str, close: &str| {
                survives(&format!("{}{middle}{}", open.repeat(n), close.repeat(n)));
            };
            nested("(", "1", ")");
            nested("[", "1", "]");
            nested("{1:", "1", "}");
            nested("{{", "1", "}:1}");
            nested("optional.of(", "1", ")");
            nested("true ? ", "1", " : 2");
            nested("false ? 1 : ", "1", "");
            nested("[1].map(x, ", "x", ")");
            nested("[1].exists(x, ", "true", ")");
            nested("optional.of(1).optMap(x, ", "x", ")");
            nested("string(", "req.text", ")");
            nested("!", "true", "");
            nested("-", "1", "");
            nested("!(", "true", ")");
            nested("[", "", "");
            nested("((((", "", "]]]]");
            nested("{", "", "");
            nested("a.b{c:", "", "");
            nested("1+", "1", "");
            nested("[1]+", "[1]", "");
            nested("true||", "true", "");
            nested("true&&", "req.nope", "");
            nested("req", "", ".a");
            nested("req", "", ".?a");
            nested("req", "", "[0]");
            nested("'a'", "", ".trim()");
            nested("[[1]]", "", ".map(x, [x])");
            nested("[[]]", "", ".map(x, {x: x})");
            nested("[1].map(x, [x, x]).map(x, ", "[x, x]", ")");
            nested("'a' in ", "['a']", "");
            nested("req.text.matches(", "'a'", ")");
            nested("'", "", "");
            nested("\"\"\"", "", "");
            nested("\\", "", "");
        }
        survives(&"1".repeat(100_000));
        survives(&format!("{}1{}", "[".repeat(99_999), "é"));
    });
}

#[test]
fn deep_expressions_may_use_demanding_patterns_on_a_small_stack() {
    on_a_small_stack(|| {
        let pattern = format!("{}a{}", "(?:".repeat(48), "){0,3}".repeat(48));
        let matches = format!("req.text.matches({pattern:?} + '')");
        let source = format!(
            "{}{matches}{}",
            "[1].exists(x, ".repeat(120),
            ")".repeat(120)
        );
        let program = Program::compile(&source, &["req"], OutputType::Bool).unwrap();
        let payload = payload();
        let _ = program.evaluate_bool(&[("req", &payload)], Budget::default());
    });
}

#[test]
fn types_cannot_grow_without_bound() {
    let source = format!("[1]{}", ".map(x, {1: [x], 2: [x]})".repeat(100));
    survives(&source);
    let source = format!("{}x{}", "[1].map(x, {[x]: ".repeat(60), "})".repeat(60));
    survives(&source);
    let source = format!("[0]{}", ".map(x, {x: x})".repeat(200));
    let error = Program::compile_any(&source, &["req"]).unwrap_err();
    assert!(error.to_string().contains("too complex"), "{error}");
}

/// Evaluates something that must not fit the default budget.
fn exhausts(source: &str) -> Resource {
    let payload = payload();
    let program = Program::compile_any(source, &["req"]).unwrap();
    match program.evaluate_any(&[("req", &payload)], Budget::default()) {
        Err(EvaluationError::BudgetExhausted(resource)) => resource,
        other => panic!("{source:.80}: {other:?}"),
    }
}

#[test]
fn memory_is_bounded() {
    let replaced = format!("'a'{}", ".replace('', 'xxxxxxxxxx')".repeat(9));
    assert_eq!(exhausts(&replaced), Resource::Bytes);
    let doubled = format!("['abcdefgh']{}", ".map(x, x + x)".repeat(40));
    assert_eq!(exhausts(&doubled), Resource::Bytes);
    let doubled = format!("[[1]]{}", ".map(x, x + x)".repeat(40));
    assert_eq!(exhausts(&doubled), Resource::Bytes);
    let joined = format!("['abcdefgh']{}", ".map(x, [x, x, x, x].join(x))".repeat(20));
    assert_eq!(exhausts(&joined), Resource::Bytes);
    let formatted = format!(
        "['abcdefgh']{}",
        ".map(x, '%s%s%s'.format([x, x, x]))".repeat(20)
    );
    assert_eq!(exhausts(&formatted), Resource::Bytes);
    let shared = format!(
        "'%s'.format([1].map(x, [x, x]){})",
        ".map(x, [x, x])".repeat(40)
    );
    exhausts(&shared);
    let shown = format!("[1]{}", ".map(x, [x, x])".repeat(40));
    assert_eq!(exhausts(&shown), Resource::Bytes);
}

#[test]
fn time_is_bounded() {
    let nested = |loops: usize, body: &str| {
        format!(
            "{}{body}{}",
            "req.list.all(x, ".repeat(loops),
            ")".repeat(loops)
        )
    };
    assert_eq!(exhausts(&nested(14, "true")), Resource::Steps);
    let shared = ".map(x, [x, x])".repeat(40);
    assert_eq!(
        exhausts(&format!("[1]{shared} == [1]{shared}")),
        Resource::Steps
    );
}

#[test]
fn compiling_patterns_during_evaluation_costs() {
    let list = format!(
        "[{}]",
        (0..100)
            .map(|i| i.to_string())
            .collect::<Vec<_>>()
            .join(",")
    );
    let different = format!("{list}.all(x, req.text.matches('[a-z]{{300}}' + string(x)) || true)");
    assert_eq!(exhausts(&different), Resource::Steps);
    let same = format!("{list}.all(x, req.text.matches('[a-z]' + req.text))");
    let program = Program::compile(&same, &["req"], OutputType::Bool).unwrap();
    let payload = payload();
    assert_eq!(
        program.evaluate_bool(&[("req", &payload)], Budget::default()),
        Ok(false)
    );
    let same = same.replace("all", "exists");
    let program = Program::compile(&same, &["req"], OutputType::Bool).unwrap();
    assert_eq!(
        program.evaluate_bool(&[("req", &payload)], Budget::default()),
        Ok(false)
    );
}

#[test]
fn nothing_absorbs_an_exhausted_budget() {
    let costly = format!(
        "[1].all(x, 'a'{} == 'b')",
        ".replace('', 'xxxxxxxxxx')".repeat(9)
    );
    for source in [
        format!("{costly} || true"),
        format!("true && ({costly} || true)"),
        format!("{costly} && false"),
        format!("[1, 2].exists(x, x == 2 || {costly})"),
        format!("[1, 2].all(x, {costly} && false)"),
        format!("optional.of({costly}).orValue(true)"),
        format!("optional.of(1).optMap(x, {costly}).hasValue()"),
        format!("{{?'a': optional.of({costly})}}.size() == 1"),
        format!("has({{'a': {{'b': {costly}}}}}.a.b)"),
    ] {
        exhausts(&source);
    }
}

#[test]
fn a_program_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let program = Program::compile("req.n == 3", &["req"], OutputType::Bool).unwrap();
    shared(&program);
    let payload = payload();
    assert_eq!(
        program.evaluate_bool(&[("req", &payload)], Budget::default()),
        Ok(true)
    );
}

#[test]
fn the_result_must_be_of_the_demanded_type() {
    let error = |source, output| {
        Program::compile(source, &["req"], output)
            .unwrap_err()
            .to_string()
    };
    let message = "output type mismatch: expected string, got dyn";
    assert_eq!(error("req.text", OutputType::String), message);
    assert_eq!(
        error("req.n", OutputType::Bool),
        "output type mismatch: expected bool, got dyn"
    );
    assert!(error("'a'", OutputType::Bool).ends_with("expected bool, got string"));
}

#[test]
fn errors_name_line_and_column() {
    let error = Program::compile_any("req.n == 1 &&\n  nope.a", &["req"]).unwrap_err();
    assert_eq!(error.to_string(), "2:3: undeclared reference to 'nope'");
    let error = Program::compile_any("1 +", &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1:4: expected a value, found the end of the expression"
    );
    let error = Program::compile_any("claims.sub == 'x'", &["req"]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("undeclared reference to 'claims'")
    );
}

#[test]
fn a_missing_variable_is_an_error() {
    let program = Program::compile("req.a == 1", &["req"], OutputType::Bool).unwrap();
    let error = program.evaluate_bool(&[], Budget::default()).unwrap_err();
    assert_eq!(error.to_string(), "no such variable: req");
}

/// An expression of the recordings with a piece of it replaced.
fn mutated() -> impl Strategy<Value = String> {
    let sources: Vec<String> = recording("cel.jsonl")
        .iter()
        .filter_map(|case| Some(case["expr"].as_str()?.to_owned()))
        .collect();
    let other = sources.clone();
    (
        prop::sample::select(sources),
        any::<prop::sample::Index>(),
        0..6_usize,
        prop_oneof![
            "\\PC{0,3}",
            "[-+*/%.?!()\\[\\]{}'\"0-9a-z,: ]{0,4}",
            prop::sample::select(other)
        ],
    )
        .prop_map(|(source, place, length, piece)| {
            let characters: Vec<char> = source.chars().collect();
            let place = place.index(characters.len().max(1)).min(characters.len());
            let end = (place + length).min(characters.len());
            let (head, tail) = (&characters[..place], &characters[end..]);
            let (head, tail): (String, String) = (head.iter().collect(), tail.iter().collect());
            format!("{head}{piece}{tail}")
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_text_does_harm(source in "\\PC{0,60}") {
        survives(&source);
    }

    #[test]
    fn no_mutated_expression_does_harm(source in mutated()) {
        survives(&source);
    }
}
