//! Plays the recordings of the reference through matching, planning, the courier and the retry
//! rules, and compares what would have gone out.
//!
//! What differs on purpose is listed in `conformance/differences.toml`. A difference that is not
//! listed fails, and so does a listed one that is none any more. Cases of types that are not built
//! are skipped and counted.

mod compare;
mod differences;
mod replay;

use testkit::corpus;

use differences::Differences;

/// Plays all cases of a file.
async fn play(file: &str) {
    let recording = corpus::outgoing(file).unwrap_or_else(|| panic!("no recording {file}"));
    let listed = Differences::load();
    let mut failures = Vec::new();
    let mut skipped = Vec::new();
    let mut rules = Vec::new();
    for case in &recording.cases {
        if let Some(kind) = replay::missing_kind(case) {
            skipped.push(format!("{} ({kind})", case.name));
            continue;
        }
        let replayed = replay::replay(case).await;
        rules.extend(replayed.rules.iter().copied());
        let found = compare::compare(case, &replayed);
        match (found.is_empty(), listed.reason(file, &case.name)) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => failures.push(format!(
                "{file}/{}: listed as a difference, but there is none",
                case.name
            )),
            (false, None) => failures.push(format!(
                "{file}/{}:\n  {}\n  (failures: {:?}; wart: {:?})",
                case.name,
                found.join("\n  "),
                replayed.failures,
                case.wart
            )),
        }
    }
    for name in listed.cases(file) {
        if !recording.cases.iter().any(|case| case.name == name) {
            failures.push(format!(
                "{file}/{name}: listed as a difference, but no such case"
            ));
        }
    }
    for rule in rules {
        if !listed.has_rule(rule) {
            failures.push(format!(
                "{file}: the rule `{rule}` is applied and not listed"
            ));
        }
    }
    println!(
        "{file}: {} cases, {} skipped for types that are not built: {skipped:?}",
        recording.cases.len(),
        skipped.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn matching_and_gating_are_as_recorded() {
    play("_dispatch-gate").await;
}

#[tokio::test]
async fn every_built_type_sends_what_was_recorded() {
    for kind in providers::kinds::ALL {
        play(kind.name).await;
    }
}

#[test]
fn listed_differences_name_known_areas_types_and_rules() {
    let listed = Differences::load();
    assert_eq!(listed.problems(), Vec::<String>::new());
}
