//! Reports for people and for machines.

use std::fmt::Write as _;

use serde::Serialize;
use testkit::Conditions;

use crate::run::Outcome;
use crate::tally::counts;

/// Sums of all rounds of one name, in order of first appearance.
pub(crate) fn merged(outcomes: &[Outcome]) -> Vec<Outcome> {
    let mut merged: Vec<Outcome> = Vec::new();
    for outcome in outcomes {
        let Some(known) = merged.iter_mut().find(|known| known.name == outcome.name) else {
            merged.push(outcome.clone());
            continue;
        };
        known.strikes += outcome.strikes;
        known.seconds += outcome.seconds;
        known.account.add(&outcome.account);
        let (sum, more) = (&mut known.tally, &outcome.tally);
        sum.kills += more.kills;
        sum.stops += more.stops;
        sum.longest_restart = sum.longest_restart.max(more.longest_restart);
        sum.longest_stop = sum.longest_stop.max(more.longest_stop);
        sum.most_resident = sum.most_resident.max(more.most_resident);
        sum.complaints.extend(more.complaints.iter().cloned());
        sum.notes.extend(more.notes.iter().cloned());
        for (what, count) in &more.counts {
            *sum.counts.entry(what.clone()).or_default() += count;
        }
    }
    merged
}

/// The table of results.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "| Fault | Strikes | Accepted | Owed | Once | More than once | Settled | Lost | Out of order | \
         Kills | Stops | Longest start | Longest stop | Most memory | |\n\
         |---|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for outcome in outcomes {
        let (account, tally) = (&outcome.account, &outcome.tally);
        let verdict = if tally.complaints.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} ms | {} ms | {} MB | {verdict} |",
            outcome.name,
            outcome.strikes,
            account.accepted,
            account.owed,
            account.once,
            account.repeated,
            counts(&account.settled),
            account.lost,
            account.disordered,
            tally.kills,
            tally.stops,
            tally.longest_restart.as_millis(),
            tally.longest_stop.as_millis(),
            tally.most_resident / 1_000_000,
        );
    }
    text
}

/// What went wrong, and what else is worth knowing, in lines.
pub(crate) fn remarks(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        for complaint in &outcome.tally.complaints {
            let _ = writeln!(text, "- {}: FAILED: {complaint}", outcome.name);
        }
        for (what, count) in &outcome.tally.counts {
            let _ = writeln!(text, "- {}: {count} {what}", outcome.name);
        }
        for note in &outcome.tally.notes {
            let _ = writeln!(text, "- {}: {note}", outcome.name);
        }
    }
    text
}

/// A report in Markdown.
pub(crate) fn markdown(
    conditions: &Conditions,
    outcomes: &[Outcome],
    skipped: &[String],
) -> String {
    let mut text = String::from("# Torture\n\n");
    text.push_str(
        "Written by `cargo run -p torture`; `torture/README.md` explains the columns.\n\n",
    );
    text.push_str("| Condition | Value |\n|---|---|\n");
    for (name, value) in conditions.pairs() {
        let _ = writeln!(text, "| {name} | {} |", value.replace('|', "\\|"));
    }
    text.push('\n');
    text.push_str(&table(outcomes));
    let remarks = remarks(outcomes);
    if !remarks.is_empty() {
        let _ = write!(text, "\n## Remarks\n\n{remarks}");
    }
    if !skipped.is_empty() {
        text.push_str("\n## Not tried\n\n");
        for reason in skipped {
            let _ = writeln!(text, "- {reason}");
        }
    }
    text
}

#[derive(Serialize)]
struct Report<'a> {
    conditions: &'a Conditions,
    outcomes: &'a [Outcome],
    skipped: &'a [String],
}

/// The same in JSON.
pub(crate) fn json(
    conditions: &Conditions,
    outcomes: &[Outcome],
    skipped: &[String],
) -> anyhow::Result<String> {
    let report = Report {
        conditions,
        outcomes,
        skipped,
    };
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Account;
    use crate::tally::Tally;

    fn outcome(name: &str, kills: u64, complaints: &[&str]) -> Outcome {
        Outcome {
            name: name.to_owned(),
            strikes: 1,
            account: Account {
                accepted: 10,
                settled: [("failed: rejected".to_owned(), 2)].into(),
                ..Account::default()
            },
            tally: Tally {
                kills,
                complaints: complaints.iter().map(ToString::to_string).collect(),
                ..Tally::default()
            },
            seconds: 1,
        }
    }

    #[test]
    fn rounds_of_one_fault_are_one_row() {
        let merged = merged(&[
            outcome("kill", 3, &[]),
            outcome("hang", 0, &[]),
            outcome("kill", 4, &["lost"]),
        ]);
        assert_eq!(merged.len(), 2);
        assert_eq!((merged[0].tally.kills, merged[0].account.accepted), (7, 20));
        let table = table(&merged);
        assert!(table.contains("failed: rejected × 4"), "{table}");
        assert_eq!(table.matches("FAILED").count(), 1);
        assert!(remarks(&merged).contains("- kill: FAILED: lost"));
    }
}
