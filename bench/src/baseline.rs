//! Counts that were recorded, and whether new ones went beyond them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::figure::{Figure, number};

/// How much more is a change of the program, and not of the compiler's or the processor's mood.
const TOLERANCE: f64 = 1.15;
/// What ids begin with that are recorded; they do not depend on the machine's speed.
const RECORDED: &str = "instructions/";

/// What was recorded, by figure.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// At most so many times the recorded number is allowed.
    tolerance: f64,
    figures: BTreeMap<String, f64>,
}

impl Baseline {
    /// What may be recorded of these.
    pub(crate) fn of(figures: &[Figure]) -> Self {
        let recorded = figures
            .iter()
            .filter(|figure| figure.id.starts_with(RECORDED));
        Self {
            tolerance: TOLERANCE,
            figures: recorded
                .map(|figure| (figure.id.clone(), figure.value.round()))
                .collect(),
        }
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// As a file has it.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// Figures that went beyond; one that was not measured is none of them.
    pub(crate) fn exceeded(&self, figures: &[Figure]) -> Vec<String> {
        self.compare(figures, |ratio| ratio > self.tolerance)
    }

    /// Figures that became so much better that the record should follow.
    pub(crate) fn outdated(&self, figures: &[Figure]) -> Vec<String> {
        self.compare(figures, |ratio| ratio < 1.0 / self.tolerance)
    }

    fn compare(&self, figures: &[Figure], is_meant: impl Fn(f64) -> bool) -> Vec<String> {
        figures
            .iter()
            .filter_map(|figure| Some((figure, *self.figures.get(&figure.id)?)))
            .filter(|(figure, recorded)| is_meant(figure.value / recorded))
            .map(|(figure, recorded)| {
                let percent = (figure.value / recorded - 1.0) * 100.0;
                let (now, before) = (number(figure.value), number(recorded));
                format!("{} is {now}, was {before} ({percent:+.0} %)", figure.id)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(value: f64) -> Vec<Figure> {
        vec![
            Figure::lower("instructions/accept", value, "instructions"),
            Figure::lower("accept-5000/healthy/p99", 3.0, "ms"),
        ]
    }

    #[test]
    fn more_than_the_tolerance_is_too_much_and_much_less_is_worth_recording() {
        let baseline = Baseline::of(&measured(1000.0));
        assert!(baseline.exceeded(&measured(1149.0)).is_empty());
        assert_eq!(
            baseline.exceeded(&measured(1200.0)),
            ["instructions/accept is 1,200, was 1,000 (+20 %)"]
        );
        assert!(baseline.outdated(&measured(900.0)).is_empty());
        assert_eq!(baseline.outdated(&measured(800.0)).len(), 1);
        assert!(baseline.exceeded(&[]).is_empty());
    }

    #[test]
    fn a_record_has_counts_only_and_reads_as_it_was_written() {
        let text = Baseline::of(&measured(1000.4)).text().unwrap();
        assert!(!text.contains("p99"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline.json");
        std::fs::write(&path, text).unwrap();
        let read = Baseline::read(&path).unwrap();
        assert!((read.figures["instructions/accept"] - 1000.0).abs() < f64::EPSILON);
    }
}
