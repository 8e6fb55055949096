//! Reports for people and for machines.

use std::fmt::Write;

use serde::Serialize;
use testkit::Conditions;

use crate::figure::{Figure, PEER, Verdict, number};

/// A report in Markdown.
pub(crate) fn markdown(conditions: &Conditions, figures: &[Figure], errors: &[String]) -> String {
    let mut text = String::from("# Measured figures\n\n");
    text.push_str("Written by `cargo run --release -p bench`; see `bench/README.md`.\n");
    text.push_str("Only figures of one run compare with each other.\n\n## Conditions\n\n");
    text.push_str("| Condition | Value |\n|---|---|\n");
    for (name, value) in conditions.pairs() {
        line(&mut text, &[name, value]);
    }
    text.push_str("\n## Figures\n\n");
    text.push_str("| Figure | Fanfare | Budget | | Floor | Alertmanager | Runs |\n");
    text.push_str("|---|---:|---:|---|---|---:|---|\n");
    for figure in figures {
        if figure.id.starts_with(PEER) {
            continue;
        }
        let unit = figure.unit;
        let measured = format!("{} {unit}", number(figure.value));
        let budget = figure
            .budget
            .map_or_else(String::new, |budget| format!("{} {unit}", number(budget)));
        let verdict = match figure.verdict() {
            Verdict::None => "",
            Verdict::Ok => "ok",
            Verdict::Short => "short",
        };
        let floor = figure.floor.as_ref().map_or_else(String::new, |floor| {
            format!("{} {unit} ({})", number(floor.value), floor.what)
        });
        let peer = peer(figures, &figure.id)
            .map_or_else(String::new, |peer| format!("{} {unit}", number(peer.value)));
        let runs: Vec<String> = figure.runs.iter().copied().map(number).collect();
        let runs = if runs.len() > 1 {
            runs.join(" · ")
        } else {
            String::new()
        };
        line(
            &mut text,
            &[
                &figure.id, &measured, &budget, verdict, &floor, &peer, &runs,
            ],
        );
    }
    if !errors.is_empty() {
        text.push_str("\n## Harness errors\n\n");
        for error in errors {
            text.push_str("- ");
            text.push_str(error);
            text.push('\n');
        }
    }
    text
}

/// The same figure of Alertmanager.
pub(crate) fn peer<'a>(figures: &'a [Figure], id: &str) -> Option<&'a Figure> {
    figures
        .iter()
        .find(|figure| figure.id.strip_prefix(PEER) == Some(id))
}

#[derive(Serialize)]
struct Report<'a> {
    conditions: &'a Conditions,
    figures: &'a [Figure],
    errors: &'a [String],
}

/// The same in JSON.
pub(crate) fn json(
    conditions: &Conditions,
    figures: &[Figure],
    errors: &[String],
) -> anyhow::Result<String> {
    let report = Report {
        conditions,
        figures,
        errors,
    };
    let mut text = serde_json::to_string_pretty(&report)?;
    text.push('\n');
    Ok(text)
}

/// A row of a table.
pub(crate) fn line(text: &mut String, cells: &[&str]) {
    text.push('|');
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(text, " {} |", cell.replace('|', "\\|"));
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_budget_verdict_floor_peer_and_all_runs() {
        let mut conditions = Conditions::default();
        conditions.add("cores", "2");
        let mut figure = Figure::higher("accept/rate", 12_000.0, "/s")
            .budget(20_000.0)
            .floor(150_000.0, "bare 202 server");
        figure.runs = vec![11_000.0, 12_000.0, 13_000.0];
        let peer = Figure::higher(format!("{PEER}accept/rate"), 9000.0, "/s");
        let text = markdown(
            &conditions,
            &[figure, peer],
            &["queue: too late".to_owned()],
        );
        assert!(!text.contains(PEER));
        assert!(text.contains("| cores | 2 |"));
        assert!(text.contains(
            "| accept/rate | 12,000 /s | 20,000 /s | short | 150,000 /s (bare 202 server) | 9,000 /s | 11,000 · 12,000 · 13,000 |"
        ));
        assert!(text.contains("- queue: too late"));
    }
}
