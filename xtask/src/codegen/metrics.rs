//! The metrics reference: names, types and help as a started binary exposes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use crate::fanfare::{self, Fanfare, Scratch};
use crate::tree;

/// Starts the binary on the example and reads its metrics.
pub(super) fn render(fanfare: &Fanfare) -> Result<String> {
    let scratch = Scratch::new("metrics")?;
    let config = tree::root().join("examples/quickstart");
    let running = fanfare.start(&config, &scratch.path().join("data"))?;
    let answer = fanfare::get(running.metrics, "/metrics")?;
    let (_, exposition) = answer
        .split_once("\r\n\r\n")
        .context("the metrics have no body")?;
    let mut page = String::from(
        "# Metrics\n\n\
         Served at `--metrics-addr` under `/metrics`, in the OpenMetrics format.\n\
         Counters are exposed with the ending `_total`, histograms with `_bucket`, `_sum` and `_count`.\n\n\
         | Name | Type | Meaning |\n|---|---|---|\n",
    );
    for (name, (kind, help)) in parse(exposition) {
        writeln!(page, "| `{name}` | {kind} | {help} |")?;
    }
    Ok(page)
}

/// Type and help by name.
fn parse(exposition: &str) -> BTreeMap<String, (String, String)> {
    let mut metrics: BTreeMap<String, (String, String)> = BTreeMap::new();
    for line in exposition.lines() {
        let mut words = line.splitn(4, ' ');
        let (Some("#"), Some(what), Some(name), text) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let entry = metrics.entry(name.to_owned()).or_default();
        let text = text.unwrap_or_default().trim_end_matches('.').to_owned();
        match what {
            "TYPE" => entry.0 = text,
            "HELP" => entry.1 = text,
            _ => {}
        }
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_types_and_help_are_read() {
        let parsed = parse("# HELP a_b Things done.\n# TYPE a_b counter\na_b_total 1\n# EOF\n");
        assert_eq!(parsed.len(), 1);
        assert_eq!(
            parsed["a_b"],
            ("counter".to_owned(), "Things done".to_owned())
        );
    }
}
