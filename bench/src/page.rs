//! The page for users: conditions, what we claim and pictures, put between two marks of a document.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use testkit::Conditions;

use crate::figure::{Figure, number};
use crate::report::{line, peer};

const START: &str = "<!-- measured -->\n";
const END: &str = "<!-- /measured -->";

/// What we claim, and the figure that shows it.
const CLAIMS: [(&str, &str); 25] = [
    (
        "accepted, each synced to disk",
        "accept-saturated/no-alert/accepted",
    ),
    (
        "accepted while the destination hangs",
        "accept-saturated/hanging/accepted",
    ),
    (
        "time to the 202 at 5,000 events/s, p50",
        "accept-5000/healthy/p50",
    ),
    ("the same, p99", "accept-5000/healthy/p99"),
    ("the same, p99.9", "accept-5000/healthy/p99.9"),
    (
        "the same while the destination hangs, p99",
        "accept-5000/hanging/p99",
    ),
    (
        "from event to destination at 5,000 events/s, p99",
        "accept-5000/healthy/end-to-end/p99",
    ),
    ("delivered over HTTP", "deliver-http/delivered"),
    ("delivered over TLS", "deliver-tls/delivered"),
    (
        "processor time per 1,000 deliveries",
        "deliver-http/cpu-per-1000",
    ),
    (
        "the same when an event goes to 100 Providers",
        "fan-out/100/cpu-per-1000",
    ),
    (
        "cost of an event with 10,000 Alerts to that with one",
        "alerts-regex/cost-of-10000-to-1",
    ),
    (
        "cost of an event with 1,000,000 waiting to that with none",
        "depth/cost-of-1000000-to-0",
    ),
    (
        "start with 1 Alert until `/readyz` is 200",
        "ready/1-alert/readyz",
    ),
    ("start with 10,000 Alerts", "ready/10000-alerts/readyz"),
    (
        "start after a kill with 1,000,000 deliveries waiting",
        "restart-1m/readyz",
    ),
    ("lost by that kill", "restart-1m/missing"),
    ("memory without work", "idle-memory/1-alert/resident"),
    (
        "memory with 100,000 deliveries waiting",
        "queue-100k/resident",
    ),
    (
        "memory after a start with 1,000,000 waiting",
        "restart-1m/resident",
    ),
    ("genuine webhooks of GitHub", "webhooks/github/verified"),
    (
        "genuine webhooks in a flood of forged ones, p99",
        "webhooks-flood/wrong-signature/calls/p99",
    ),
    (
        "events meanwhile, p99",
        "webhooks-flood/wrong-signature/events/p99",
    ),
    (
        "processor time per 10,000 forged webhooks",
        "webhooks-flood/wrong-signature/cpu-per-10000-refused",
    ),
    ("size of the binary", "binary-size/file"),
];

/// What was measured, and where its pictures are.
pub(crate) struct Measured<'a> {
    /// Under which conditions.
    pub(crate) conditions: &'a Conditions,
    /// All figures.
    pub(crate) figures: &'a [Figure],
    /// Names of the pictures.
    pub(crate) pictures: Vec<&'static str>,
    /// The report, seen from the same folder as the page.
    pub(crate) report: &'a Path,
}

impl Measured<'_> {
    /// The page with everything between its marks written anew.
    pub(crate) fn put_into(&self, page: &str, path: &Path) -> anyhow::Result<String> {
        let missing = || {
            format!(
                "{} needs a line {START:?} and a later {END:?}",
                path.display()
            )
        };
        let (before, rest) = page.split_once(START).with_context(missing)?;
        let (_, after) = rest.split_once(END).with_context(missing)?;
        let up = "../".repeat(path.components().count().saturating_sub(1));
        Ok(format!("{before}{START}{}{END}{after}", self.text(&up)))
    }

    fn text(&self, up: &str) -> String {
        let report = self.report.display();
        // Writing to a string cannot fail.
        let mut text = format!("\n[All figures of this run]({up}{report}).\n\n");
        text.push_str(
            "| What | Fanfare | Floor | Alertmanager | Scenario |\n|---|---:|---|---:|---|\n",
        );
        for (words, id) in CLAIMS {
            let Some(figure) = self.figures.iter().find(|figure| figure.id == id) else {
                continue;
            };
            let with_unit = |value: f64| format!("{} {}", number(value), figure.unit);
            let floor = figure.floor.as_ref();
            let floor = floor.map_or_else(String::new, |floor| {
                format!("{} ({})", with_unit(floor.value), floor.what)
            });
            let peer = peer(self.figures, id);
            let peer = peer.map_or_else(String::new, |peer| with_unit(peer.value));
            let scenario = id.split('/').next().unwrap_or(id);
            let scenario = format!("`{scenario}`");
            line(
                &mut text,
                &[words, &with_unit(figure.value), &floor, &peer, &scenario],
            );
        }
        for name in &self.pictures {
            let stem = self.report.with_extension("");
            let _ = write!(text, "\n![{name}]({up}{}-{name}.svg)\n", stem.display());
        }
        text.push_str("\n| Condition | Value |\n|---|---|\n");
        for (name, value) in self.conditions.pairs() {
            line(&mut text, &[name, value]);
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_written_anew() {
        let mut conditions = Conditions::default();
        conditions.add("cores", "2");
        let figures = [Figure::lower("binary-size/file", 26.5, "MB")];
        let measured = Measured {
            conditions: &conditions,
            figures: &figures,
            pictures: vec!["latency"],
            report: Path::new("bench/results/two.md"),
        };
        let path = Path::new("docs/concepts/performance.md");
        let page = format!("before\n{START}old\n{END}\nafter\n");
        let written = measured.put_into(&page, path).unwrap();
        assert!(written.starts_with("before\n") && written.ends_with("\nafter\n"));
        assert!(!written.contains("old"));
        assert!(written.contains("| size of the binary | 26.5 MB |  |  | `binary-size` |"));
        assert!(written.contains("![latency](../../bench/results/two-latency.svg)"));
        assert_eq!(measured.put_into(&written, path).unwrap(), written);
        assert!(measured.put_into("no marks", path).is_err());
    }
}
