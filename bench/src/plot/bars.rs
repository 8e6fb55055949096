//! Rows of horizontal bars; each row has a unit and a scale of its own.

use crate::figure::number;

use super::Colour;
use super::svg::{Anchor, Picture, WIDTH};

const LEFT: f64 = 210.0;
const RIGHT: f64 = 110.0;
const THICK: f64 = 16.0;
const GAP: f64 = 5.0;

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    name: String,
    colour: Colour,
    value: f64,
}

/// Bars of the same unit.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What is compared.
    pub(crate) title: String,
    /// The unit of the values.
    pub(crate) unit: &'static str,
    /// The bars, from top to bottom.
    pub(crate) bars: Vec<Bar>,
}

/// All rows.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    /// From top to bottom.
    pub(crate) rows: Vec<Row>,
}

impl Bar {
    /// A bar.
    pub(crate) fn new(name: &str, colour: Colour, value: f64) -> Self {
        Self {
            name: name.to_owned(),
            colour,
            value,
        }
    }
}

impl Bars {
    /// Adds them below what is there.
    pub(crate) fn draw(&self, picture: &mut Picture) {
        for row in &self.rows {
            let mut y = picture.height + 30.0;
            picture.text((24.0, y), Anchor::Start, "title", &row.title);
            y += 12.0;
            let most = row.bars.iter().map(|bar| bar.value).fold(1e-9, f64::max);
            for bar in &row.bars {
                let wide = (WIDTH - LEFT - RIGHT) * (bar.value / most);
                let text = y + THICK - 4.0;
                picture.text((LEFT - 10.0, text), Anchor::End, "axis", &bar.name);
                picture.bar(bar.colour, (LEFT, y), (wide.max(1.5), THICK));
                let value = format!("{} {}", number(bar.value), row.unit);
                let end = LEFT + wide.max(1.5) + 8.0;
                picture.text((end, text), Anchor::Start, "value", &value);
                y += THICK + GAP;
            }
            picture.height = y;
        }
        picture.height += 18.0;
    }
}
