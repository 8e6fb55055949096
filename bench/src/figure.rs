//! One measured number, with its budget and its floor.

use anyhow::Context;
use serde::Serialize;

use crate::histogram::Histogram;

/// What the id of a figure of Alertmanager begins with; the id of ours follows.
pub(crate) const PEER: &str = "alertmanager/";

/// Which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// A condition, not a merit.
    Neither,
}

/// One measured number.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// Scenario, variant and what was measured, with slashes between.
    pub(crate) id: String,
    /// The number; of several runs, the median.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// Which direction is better.
    pub(crate) better: Better,
    /// What we design for.
    pub(crate) budget: Option<f64>,
    /// What this machine can do at best, measured in the same run.
    pub(crate) floor: Option<Floor>,
    /// The numbers of all runs.
    pub(crate) runs: Vec<f64>,
    /// How it went over time: seconds since the start and the number then; of the last run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) course: Vec<(f64, f64)>,
}

/// What the machine can do, and how that was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Floor {
    /// The number, in the unit of its figure.
    pub(crate) value: f64,
    /// What was measured.
    pub(crate) what: &'static str,
}

/// A figure against its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is no budget.
    None,
    /// Within the budget.
    Ok,
    /// Not within the budget.
    Short,
}

impl Figure {
    /// A figure of which more is better.
    pub(crate) fn higher(id: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self::new(id.into(), value, unit, Better::Higher)
    }

    /// A figure of which less is better.
    pub(crate) fn lower(id: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self::new(id.into(), value, unit, Better::Lower)
    }

    /// A number that only explains others.
    pub(crate) fn note(id: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self::new(id.into(), value, unit, Better::Neither)
    }

    fn new(id: String, value: f64, unit: &'static str, better: Better) -> Self {
        Self {
            id,
            value,
            unit,
            better,
            budget: None,
            floor: None,
            runs: vec![value],
            course: Vec::new(),
        }
    }

    /// The same with a budget.
    pub(crate) fn budget(mut self, budget: f64) -> Self {
        self.budget = Some(budget);
        self
    }

    /// The same with a floor.
    pub(crate) fn floor(mut self, value: f64, what: &'static str) -> Self {
        self.floor = Some(Floor { value, what });
        self
    }

    /// The same with how it went over time.
    pub(crate) fn course(mut self, course: Vec<(f64, f64)>) -> Self {
        self.course = course;
        self
    }

    /// Whether it keeps its budget.
    pub(crate) fn verdict(&self) -> Verdict {
        match (self.budget, self.better) {
            (None, _) | (_, Better::Neither) => Verdict::None,
            (Some(budget), Better::Higher) if self.value >= budget => Verdict::Ok,
            (Some(budget), Better::Lower) if self.value <= budget => Verdict::Ok,
            (Some(_), Better::Higher | Better::Lower) => Verdict::Short,
        }
    }
}

/// Median, 99th and 99.9th percentile of latencies, below `id`.
pub(crate) fn percentiles(id: &str, latency: &Histogram) -> [Figure; 3] {
    [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)].map(|(what, share)| {
        Figure::lower(format!("{id}/{what}"), latency.milliseconds(share), "ms")
    })
}

/// One figure per id, in order of first appearance, each the median of its runs, as is its floor.
pub(crate) fn medians(figures: impl Iterator<Item = Figure>) -> Vec<Figure> {
    let mut medians: Vec<(Figure, Vec<f64>)> = Vec::new();
    for figure in figures {
        let floor = figure.floor.as_ref().map(|floor| floor.value);
        match medians.iter_mut().find(|(known, _)| known.id == figure.id) {
            Some((known, floors)) => {
                known.runs.extend(figure.runs);
                known.course = figure.course;
                floors.extend(floor);
            }
            None => medians.push((figure, floor.into_iter().collect())),
        }
    }
    medians
        .into_iter()
        .map(|(mut figure, floors)| {
            figure.value = median(&figure.runs);
            if let Some(floor) = &mut figure.floor {
                floor.value = median(&floors);
            }
            figure
        })
        .collect()
}

/// Those of the checks `FIGURE=RATIO` that do not hold.
pub(crate) fn missed(figures: &[Figure], checks: &[String]) -> anyhow::Result<Vec<String>> {
    let mut missed = Vec::new();
    for check in checks {
        let parsed = check
            .split_once('=')
            .and_then(|(id, ratio)| Some((id, ratio.parse::<f64>().ok()?)));
        let (id, ratio) = parsed.with_context(|| format!("`{check}` is not FIGURE=RATIO"))?;
        let figure = figures
            .iter()
            .find(|figure| figure.id == id)
            .with_context(|| format!("no figure `{id}` was measured"))?;
        let floor = figure
            .floor
            .as_ref()
            .with_context(|| format!("`{id}` has no floor"))?;
        let limit = floor.value * ratio;
        let holds = match figure.better {
            Better::Higher => figure.value >= limit,
            Better::Lower | Better::Neither => figure.value <= limit,
        };
        if !holds {
            let value = number(figure.value);
            missed.push(format!("{id} is {value}, the limit {}", number(limit)));
        }
    }
    Ok(missed)
}

/// A number as people read it.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1000.0 {
        let digits = format!("{value:.0}");
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    } else if size >= 100.0 || value.fract().abs() < f64::EPSILON {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) && middle > 0 {
        f64::midpoint(at(middle - 1), at(middle))
    } else {
        at(middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_kept_from_its_better_side() {
        assert_eq!(Figure::higher("a", 5.0, "/s").verdict(), Verdict::None);
        assert_eq!(
            Figure::higher("a", 5.0, "/s").budget(5.0).verdict(),
            Verdict::Ok
        );
        assert_eq!(
            Figure::higher("a", 4.0, "/s").budget(5.0).verdict(),
            Verdict::Short
        );
        assert_eq!(
            Figure::lower("a", 4.0, "ms").budget(5.0).verdict(),
            Verdict::Ok
        );
        assert_eq!(
            Figure::lower("a", 6.0, "ms").budget(5.0).verdict(),
            Verdict::Short
        );
    }

    #[test]
    fn several_runs_give_their_median() {
        let runs = [3.0, 1.0, 20.0]
            .map(|value| Figure::higher("a", value, "/s").floor(value * 10.0, "bare"));
        let medians = medians(runs.into_iter());
        assert_eq!(medians.len(), 1);
        assert!((medians[0].value - 3.0).abs() < f64::EPSILON);
        let floor = medians[0].floor.as_ref().unwrap();
        assert!((floor.value - 30.0).abs() < f64::EPSILON);
        assert!((median(&[1.0, 2.0]) - 1.5).abs() < f64::EPSILON);
    }

    #[test]
    fn checks_compare_with_the_floor_of_the_same_run() {
        let figures = [
            Figure::higher("rate", 10.0, "/s").floor(100.0, "bare"),
            Figure::lower("p99", 4.0, "ms").floor(1.0, "bare"),
        ];
        let check = |text: &str| missed(&figures, &[text.to_owned()]);
        assert!(check("rate=0.1").unwrap().is_empty());
        assert_eq!(check("rate=0.2").unwrap().len(), 1);
        assert!(check("p99=5").unwrap().is_empty());
        assert_eq!(check("p99=3").unwrap().len(), 1);
        assert!(check("other=1").is_err());
        assert!(check("rate").is_err());
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(1_234_567.4), "1,234,567");
        assert_eq!(number(-1234.0), "-1,234");
        assert_eq!(number(123.4), "123");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(0.5), "0.500");
    }
}
