//! Pictures of a report: which figures stand in which, drawn as SVG by hand.
//!
//! A few lines of text make a line chart and bars; a plotting library would bring fonts, colours and a
//! dozen crates for the same. The pictures follow the reader's light or dark scheme by themselves.

mod bars;
mod lines;
mod svg;

use crate::figure::{Figure, PEER};

use bars::{Bar, Bars, Row};
use lines::{Chart, Scale, Series, Tick};
use svg::Picture;

/// Who a line or a bar belongs to; each has a colour of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// The product.
    Ours,
    /// The product, in a second case.
    OursToo,
    /// The product, in a third case.
    OursAsWell,
    /// What the machine can do.
    Floor,
    /// What the machine can do when it has to sync.
    FloorToo,
    /// Alertmanager.
    Peer,
    /// Alertmanager, in a second case.
    PeerToo,
}

/// All pictures for which there are figures: the end of the file's name, and the SVG.
pub(crate) fn pictures(figures: &[Figure]) -> Vec<(&'static str, String)> {
    let figures = Figures(figures);
    let all = [
        ("side-by-side", side_by_side(&figures)),
        ("latency", latency(&figures)),
        ("alerts", alerts(&figures)),
        ("depth", depth(&figures)),
        ("fan-out", fan_out(&figures)),
        ("soak", soak(&figures)),
    ];
    all.into_iter()
        .filter_map(|(name, picture)| Some((name, picture?.finish())))
        .collect()
}

struct Figures<'a>(&'a [Figure]);

impl Figures<'_> {
    fn find(&self, id: &str) -> Option<&Figure> {
        self.0.iter().find(|figure| figure.id == id)
    }

    fn value(&self, id: &str) -> Option<f64> {
        self.find(id).map(|figure| figure.value)
    }
}

/// Bars of the product between those of the machine and of Alertmanager.
fn side_by_side(figures: &Figures<'_>) -> Option<Picture> {
    let rows: Vec<Row> = [
        (
            "accept-saturated/no-alert/accepted",
            "accepted, more is better",
        ),
        ("deliver-http/delivered", "delivered, more is better"),
        (
            "accept-5000/hanging/p99",
            "p99 of accepting 5,000/s while the destination hangs, less is better",
        ),
        (
            "deliver-http/cpu-per-1000",
            "processor time per 1,000 deliveries, less is better",
        ),
        (
            "idle-memory/1-alert/resident",
            "memory without work, less is better",
        ),
        (
            "deliver-http/resident-peak",
            "most memory while delivering, less is better",
        ),
        ("binary-size/file", "size of the binary, less is better"),
    ]
    .into_iter()
    .filter_map(|(id, title)| {
        let ours = figures.find(id)?;
        let mut bars = Vec::new();
        if let Some(floor) = &ours.floor {
            bars.push(Bar::new(floor.what, Colour::Floor, floor.value));
        }
        bars.push(Bar::new("Fanfare", Colour::Ours, ours.value));
        if let Some(peer) = figures.value(&format!("{PEER}{id}")) {
            bars.push(Bar::new("Alertmanager", Colour::Peer, peer));
        }
        Some(Row {
            title: title.to_owned(),
            unit: ours.unit,
            bars,
        })
    })
    .collect();
    let has_peer = figures.0.iter().any(|figure| figure.id.starts_with(PEER));
    (has_peer && rows.len() > 2).then(|| {
        let mut picture = Picture::default();
        Bars { rows }.draw(&mut picture);
        picture
    })
}

/// How long one waits for the answer, at 5,000 events per second.
fn latency(figures: &Figures<'_>) -> Option<Picture> {
    const SHARES: [&str; 3] = ["p50", "p99", "p99.9"];
    let line = |name: &str, colour, scenario: &str| {
        let values = SHARES.map(|share| figures.value(&format!("{scenario}/{share}")));
        Series::evenly(name, colour, &values)
    };
    let series: Vec<Series> = [
        line("bare 202 server", Colour::Floor, "floors/bare-202/at-5000"),
        line(
            "server that only syncs",
            Colour::FloorToo,
            "floors/synced-202/at-5000",
        ),
        line("healthy destination", Colour::Ours, "accept-5000/healthy"),
        line("it hangs", Colour::OursToo, "accept-5000/hanging"),
        line("it takes 1 s", Colour::OursAsWell, "accept-5000/slow-1s"),
        line(
            "Alertmanager, healthy",
            Colour::Peer,
            "alertmanager/accept-5000/healthy",
        ),
        line(
            "Alertmanager, it hangs",
            Colour::PeerToo,
            "alertmanager/accept-5000/hanging",
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    figures.find("accept-5000/healthy/p50")?;
    Some(one(&Chart {
        title: "Time to the 202 at 5,000 events/s".to_owned(),
        x: "share of the events that waited no longer".to_owned(),
        y: "milliseconds".to_owned(),
        ticks: Tick::evenly(&SHARES),
        scale: Scale::Logarithmic,
        series,
    }))
}

/// What an event costs with so many Alerts.
fn alerts(figures: &Figures<'_>) -> Option<Picture> {
    const NUMBERS: [&str; 5] = ["1", "10", "100", "1000", "10000"];
    let line = |name: &str, colour, scenario: &str| {
        let value = |number| figures.value(&format!("{scenario}/{number}/cpu-per-1000"));
        Series::evenly(name, colour, &NUMBERS.map(value))
    };
    let series: Vec<Series> = [
        line("told apart by name", Colour::Ours, "alerts-name"),
        line(
            "told apart by regular expression",
            Colour::OursToo,
            "alerts-regex",
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!series.is_empty()).then(|| {
        one(&Chart {
            title: "Cost of an event, of which one Alert takes notice".to_owned(),
            x: "Alerts".to_owned(),
            y: "processor seconds per 1,000 events".to_owned(),
            ticks: Tick::evenly(&["1", "10", "100", "1,000", "10,000"]),
            scale: Scale::Linear,
            series,
        })
    })
}

/// What an event costs, how long it waits and how many arrive, while so many wait for another
/// destination.
fn depth(figures: &Figures<'_>) -> Option<Picture> {
    const DEPTHS: [&str; 5] = ["0", "1000", "10000", "100000", "1000000"];
    let mut picture = Picture::default();
    for (title, y, scale, lines) in [
        (
            "Cost of an event while others wait",
            "processor seconds per 1,000 events",
            Scale::Linear,
            [("cpu-per-1000", "2,000 events/s"), ("", "")],
        ),
        (
            "Time to the 202 at 2,000 events/s",
            "milliseconds",
            Scale::Logarithmic,
            [("accept/p50", "p50"), ("accept/p99", "p99")],
        ),
        (
            "Deliveries to a healthy destination",
            "deliveries per second",
            Scale::Linear,
            [("delivered", "as fast as they are accepted"), ("", "")],
        ),
    ] {
        let colours = [Colour::Ours, Colour::OursToo];
        let series = lines
            .iter()
            .zip(colours)
            .filter_map(|((what, name), colour)| {
                let value = |depth| figures.value(&format!("depth/{depth}/{what}"));
                Series::evenly(name, colour, &DEPTHS.map(value))
            });
        let chart = Chart {
            title: title.to_owned(),
            x: "events that wait for a destination that is down".to_owned(),
            y: y.to_owned(),
            ticks: Tick::evenly(&["0", "1,000", "10,000", "100,000", "1,000,000"]),
            scale,
            series: series.collect(),
        };
        if chart.series.is_empty() {
            return None;
        }
        chart.draw(&mut picture);
    }
    Some(picture)
}

/// What a delivery costs when an event makes many.
fn fan_out(figures: &Figures<'_>) -> Option<Picture> {
    const WIDTHS: [&str; 3] = ["1", "10", "100"];
    let mut picture = Picture::default();
    for (what, title, y) in [
        (
            "cpu-per-1000",
            "Cost of a delivery",
            "processor seconds per 1,000 deliveries",
        ),
        ("delivered", "Deliveries", "deliveries per second"),
    ] {
        let value = |width| figures.value(&format!("fan-out/{width}/{what}"));
        let series = Series::evenly("Fanfare", Colour::Ours, &WIDTHS.map(value))?;
        Chart {
            title: title.to_owned(),
            x: "Providers that each event goes to".to_owned(),
            y: y.to_owned(),
            ticks: Tick::evenly(&WIDTHS),
            scale: Scale::Linear,
            series: vec![series],
        }
        .draw(&mut picture);
    }
    Some(picture)
}

/// Memory over time.
fn soak(figures: &Figures<'_>) -> Option<Picture> {
    let course = &figures.find("soak/resident")?.course;
    let (end, _) = course.last().copied()?;
    let minutes = end / 60.0;
    let points = course.iter().map(|(second, value)| (second / end, *value));
    let step = (minutes / 6.0).ceil().max(1.0);
    Some(one(&Chart {
        title: "Memory under 500 events/s".to_owned(),
        x: "minutes".to_owned(),
        y: "resident memory, MB".to_owned(),
        ticks: Tick::up_to(minutes, step),
        scale: Scale::Linear,
        series: vec![Series {
            name: "Fanfare".to_owned(),
            colour: Colour::Ours,
            points: points.collect(),
            has_marks: false,
        }],
    }))
}

fn one(chart: &Chart) -> Picture {
    let mut picture = Picture::default();
    chart.draw(&mut picture);
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_drawn_only_where_there_are_figures() {
        assert!(pictures(&[]).is_empty());
        let course = (1..=180)
            .map(|look| (f64::from(look) * 10.0, 40.0))
            .collect();
        let figures = [
            Figure::lower("soak/resident", 40.0, "MB").course(course),
            Figure::lower("fan-out/1/cpu-per-1000", 0.1, "s"),
        ];
        let pictures = pictures(&figures);
        assert_eq!(pictures.len(), 1);
        let (name, svg) = &pictures[0];
        assert_eq!(*name, "soak");
        assert!(svg.starts_with("<svg") && svg.contains("minutes") && svg.contains("</svg>"));
        assert!(svg.contains("prefers-color-scheme: dark"));
    }
}
