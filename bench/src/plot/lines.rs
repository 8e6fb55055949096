//! Lines over evenly spaced or measured positions, with a scale of their own.

use crate::figure::number;

use super::Colour;
use super::svg::{Anchor, Picture, WIDTH};

const LEFT: f64 = 78.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 66.0;
const INNER: f64 = 200.0;
const BOTTOM: f64 = 58.0;
/// Height of a row of the legend.
const ROW: f64 = 18.0;
/// Width of a letter of a legend, about.
const LETTER: f64 = 6.6;

/// How values become heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero.
    Linear,
    /// By powers of ten; values above zero only.
    Logarithmic,
}

/// A mark on the horizontal axis.
#[derive(Clone, Debug)]
pub(crate) struct Tick {
    /// From 0, left, to 1, right.
    position: f64,
    label: String,
}

/// A line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Its name in the legend.
    pub(crate) name: String,
    /// Its colour.
    pub(crate) colour: Colour,
    /// Position from 0 to 1, and value.
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether its points are marked.
    pub(crate) has_marks: bool,
}

/// One chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// What it shows.
    pub(crate) title: String,
    /// The horizontal axis, with its unit.
    pub(crate) x: String,
    /// The vertical axis, with its unit.
    pub(crate) y: String,
    /// Marks on the horizontal axis.
    pub(crate) ticks: Vec<Tick>,
    /// The vertical scale.
    pub(crate) scale: Scale,
    /// Its lines.
    pub(crate) series: Vec<Series>,
}

impl Tick {
    /// Labels at even distances.
    pub(crate) fn evenly(labels: &[&str]) -> Vec<Self> {
        positions(labels.len())
            .zip(labels)
            .map(|(position, label)| Self {
                position,
                label: (*label).to_owned(),
            })
            .collect()
    }

    /// Numbers from zero to `end`, `step` apart.
    pub(crate) fn up_to(end: f64, step: f64) -> Vec<Self> {
        let mut ticks = Vec::new();
        let mut value = 0.0;
        while value <= end + 1e-9 && ticks.len() < 100 {
            ticks.push(Self {
                position: value / end.max(1e-9),
                label: number(value),
            });
            value += step;
        }
        ticks
    }
}

impl Series {
    /// Values at even distances; `None` if there are none.
    pub(crate) fn evenly(name: &str, colour: Colour, values: &[Option<f64>]) -> Option<Self> {
        let points: Vec<(f64, f64)> = positions(values.len())
            .zip(values)
            .filter_map(|(position, value)| Some((position, (*value)?)))
            .collect();
        (!points.is_empty()).then(|| Self {
            name: name.to_owned(),
            colour,
            points,
            has_marks: true,
        })
    }
}

/// Middles of so many equal parts.
fn positions(parts: usize) -> impl Iterator<Item = f64> {
    (0..parts).map(move |index| (count(index) + 0.5) / count(parts))
}

impl Chart {
    /// Adds it below what is there.
    pub(crate) fn draw(&self, picture: &mut Picture) {
        let top = picture.height;
        let places = self.places();
        let ceiling = top + TOP + places.last().map_or(0.0, |(_, row)| row * ROW);
        let floor = ceiling + INNER;
        picture.height = floor + BOTTOM;
        let wide = WIDTH - LEFT - RIGHT;
        picture.text((LEFT, top + 26.0), Anchor::Start, "title", &self.title);
        for (series, (x, row)) in self.series.iter().zip(places) {
            let (x, y) = (LEFT + 4.0 + x, top + 48.0 + row * ROW);
            picture.dot(series.colour, (x, y - 4.0));
            picture.text((x + 9.0, y), Anchor::Start, "axis", &series.name);
        }

        let axis = Axis::of(self.scale, &self.series);
        let height = |value: f64| floor - axis.share(value) * (floor - ceiling);
        for value in &axis.marks {
            let y = height(*value);
            picture.rule((LEFT, y), (WIDTH - RIGHT, y));
            picture.text((LEFT - 8.0, y + 4.0), Anchor::End, "axis", &number(*value));
        }
        let middle = f64::midpoint(floor, ceiling);
        picture.turned_text((20.0, middle), Anchor::Middle, "axis", &self.y, -90);
        for tick in &self.ticks {
            let x = LEFT + tick.position * wide;
            picture.text((x, floor + 18.0), Anchor::Middle, "axis", &tick.label);
        }
        let below = (LEFT + wide / 2.0, floor + 40.0);
        picture.text(below, Anchor::Middle, "axis", &self.x);

        for series in &self.series {
            let at = |(x, y): &(f64, f64)| (LEFT + x * wide, height(*y));
            let points: Vec<(f64, f64)> = series.points.iter().map(at).collect();
            picture.path(series.colour, &points);
            if series.has_marks {
                for point in points {
                    picture.dot(series.colour, point);
                }
            }
        }
    }

    /// Where the names of the lines go: distance from the left, and row. One line needs none.
    fn places(&self) -> Vec<(f64, f64)> {
        if self.series.len() < 2 {
            return Vec::new();
        }
        let (mut x, mut row) = (0.0, 0.0);
        let mut places = Vec::new();
        for series in &self.series {
            let wide = 9.0 + LETTER * count(series.name.chars().count());
            if x > 0.0 && LEFT + x + wide > WIDTH - RIGHT {
                (x, row) = (0.0, row + 1.0);
            }
            places.push((x, row));
            x += wide + 18.0;
        }
        places
    }
}

/// The vertical axis.
struct Axis {
    scale: Scale,
    least: f64,
    most: f64,
    marks: Vec<f64>,
}

impl Axis {
    fn of(scale: Scale, series: &[Series]) -> Self {
        let values = || {
            series
                .iter()
                .flat_map(|series| &series.points)
                .map(|(_, y)| *y)
        };
        let most = values().fold(0.0, f64::max).max(1e-9);
        match scale {
            Scale::Linear => {
                let step = step(most);
                let steps = (most / step - 1e-6).ceil();
                let mut marks = vec![0.0];
                while count(marks.len()) <= steps {
                    marks.push(count(marks.len()) * step);
                }
                Self {
                    scale,
                    least: 0.0,
                    most: steps * step,
                    marks,
                }
            }
            Scale::Logarithmic => {
                let least = values().filter(|value| *value > 0.0).fold(most, f64::min);
                let mut power = least.log10().floor();
                let end = most.log10().ceil().max(power + 1.0);
                let least = 10_f64.powf(power);
                let mut marks = Vec::new();
                while power <= end {
                    marks.push(10_f64.powf(power));
                    power += 1.0;
                }
                Self {
                    scale,
                    least,
                    most: 10_f64.powf(end),
                    marks,
                }
            }
        }
    }

    /// From 0, at the bottom, to 1.
    fn share(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => value / self.most,
            Scale::Logarithmic => {
                let value = value.max(self.least);
                (value / self.least).log10() / (self.most / self.least).log10()
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a handful of marks and letters")]
fn count(number: usize) -> f64 {
    number as f64
}

/// A round distance that fits about five times.
fn step(most: f64) -> f64 {
    let rough = most / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .find(|times| times * power >= rough * 0.999)
        .unwrap_or(10.0);
    times * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_go_beyond_the_largest_value() {
        assert!((step(100.0) - 20.0).abs() < 1e-9);
        assert!((step(0.13) - 0.05).abs() < 1e-9);
        let series = Series::evenly("a", Colour::Ours, &[Some(3.0), None, Some(41.0)]).unwrap();
        let axis = Axis::of(Scale::Linear, std::slice::from_ref(&series));
        assert_eq!(axis.marks, [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert!((axis.share(25.0) - 0.5).abs() < 1e-9);
        let axis = Axis::of(Scale::Logarithmic, &[series]);
        assert_eq!(axis.marks, [1.0, 10.0, 100.0]);
        assert!((axis.share(10.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_long_legend_goes_on_in_the_next_row() {
        let series = ["a".repeat(60), "b".repeat(60), "c".to_owned()]
            .map(|name| Series::evenly(&name, Colour::Ours, &[Some(1.0)]).unwrap());
        let chart = Chart {
            title: String::new(),
            x: String::new(),
            y: String::new(),
            ticks: Vec::new(),
            scale: Scale::Linear,
            series: series.to_vec(),
        };
        let rows: Vec<f64> = chart.places().iter().map(|(_, row)| *row).collect();
        assert_eq!(rows, [0.0, 1.0, 1.0]);
    }

    #[test]
    fn a_line_needs_at_least_one_value() {
        assert!(Series::evenly("a", Colour::Ours, &[None, None]).is_none());
    }
}
