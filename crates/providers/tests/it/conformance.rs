//! Plays the recordings of the reference through matching, planning, the courier and the retry
//! rules, and compares what would have gone out.
//!
//! What differs on purpose is listed in `conformance/differences.toml`. A difference that is not
//! listed fails, and so does a listed one that is none any more. Cases of types that are not built
//! are skipped and counted.

mod compare;
mod differences;
mod labels;
mod nats;
mod protocols;
mod replay;

use std::collections::BTreeSet;

use testkit::corpus::{self, Case};

use differences::Differences;

/// Types that the reference lacks, so there is nothing to compare with.
const OURS: [&str; 3] = ["email", "mattermost", "ntfy"];

/// What playing recordings led to.
#[derive(Default)]
struct Report {
    failures: Vec<String>,
    rules: BTreeSet<&'static str>,
}

impl Report {
    /// Plays all cases of a file.
    async fn play(&mut self, file: &str, listed: &Differences) {
        let recording = corpus::outgoing(file).unwrap_or_else(|| panic!("no recording {file}"));
        let mut skipped = Vec::new();
        for case in &recording.cases {
            match replay::missing_kind(case) {
                Some(kind) => skipped.push(format!("{} ({kind})", case.name)),
                None => self.play_case(file, case, listed).await,
            }
        }
        for name in listed.cases(file) {
            if !recording.cases.iter().any(|case| case.name == name) {
                let failure = format!("{file}/{name}: listed as a difference, but no such case");
                self.failures.push(failure);
            }
        }
        println!(
            "{file}: {} cases, {} skipped because their types are not built: {skipped:?}",
            recording.cases.len(),
            skipped.len()
        );
    }

    async fn play_case(&mut self, file: &str, case: &Case, listed: &Differences) {
        let replayed = replay::replay(case).await;
        let (found, applied) = compare::compare(case, &replayed);
        self.rules.extend(applied);
        self.rules.extend(&replayed.rules);
        match (found.is_empty(), listed.reason(file, &case.name)) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => self.failures.push(format!(
                "{file}/{}: listed as a difference, but there is none",
                case.name
            )),
            (false, None) => self.failures.push(format!(
                "{file}/{}:\n  {}\n  (failures: {:?}; wart: {:?})",
                case.name,
                found.join("\n  "),
                replayed.failures,
                case.wart
            )),
        }
    }
}

#[tokio::test]
async fn what_goes_out_is_what_was_recorded_or_a_listed_difference() {
    let listed = Differences::load();
    let mut report = Report::default();
    report.play("_dispatch-gate", &listed).await;
    for kind in providers::kinds::ALL {
        if !OURS.contains(&kind.name) {
            report.play(kind.name, &listed).await;
        }
    }
    for rule in &report.rules {
        if !listed.has_rule(rule) {
            let failure = format!("the rule `{rule}` is applied and not listed");
            report.failures.push(failure);
        }
    }
    for rule in listed.rules() {
        if !report.rules.contains(rule) {
            let failure = format!("the rule `{rule}` is listed and never applied");
            report.failures.push(failure);
        }
    }
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}

#[test]
fn listed_differences_name_known_types_and_rules() {
    let listed = Differences::load();
    assert_eq!(listed.problems(), Vec::<String>::new());
}
