//! An SVG document that grows downwards.

use std::fmt::Write;

use super::Colour;

/// Width of every picture.
pub(crate) const WIDTH: f64 = 760.0;

/// Colours for light and dark backgrounds, told apart also by those who see few colours.
const COLOURS: [(Colour, &str, &str, &str); 7] = [
    (Colour::Ours, "a", "#1f6feb", "#6cb0ff"),
    (Colour::OursToo, "b", "#0b7a53", "#4fd1a1"),
    (Colour::OursAsWell, "c", "#7a3fc4", "#c09bff"),
    (Colour::Floor, "d", "#6e7781", "#9aa4ae"),
    (Colour::FloorToo, "g", "#8a7a1f", "#d8c45a"),
    (Colour::Peer, "e", "#c2570c", "#ff9d57"),
    (Colour::PeerToo, "f", "#b3261e", "#ff8f86"),
];

/// How a text is aligned to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// It starts there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// A picture under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    body: String,
    /// How far down it goes.
    pub(crate) height: f64,
}

// Writing to a string cannot fail, so its results are of no interest.
impl Picture {
    /// A text; `class` is `title`, `axis` or `value`.
    pub(crate) fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        self.turned_text(at, anchor, class, text, 0);
    }

    /// A text that is turned by so many degrees.
    pub(crate) fn turned_text(
        &mut self,
        (x, y): (f64, f64),
        anchor: Anchor,
        class: &str,
        text: &str,
        degrees: i32,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let turn = if degrees == 0 {
            String::new()
        } else {
            format!(" transform=\"rotate({degrees} {x:.1} {y:.1})\"")
        };
        let text = escaped(text);
        let _ = writeln!(
            self.body,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}"{turn}>{text}</text>"#
        );
    }

    /// A line of the grid or of an axis.
    pub(crate) fn rule(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let _ = writeln!(
            self.body,
            r#"<line class="rule" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
    }

    /// A line through points.
    pub(crate) fn path(&mut self, colour: Colour, points: &[(f64, f64)]) {
        let points: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            self.body,
            r#"<polyline class="line {}" points="{}"/>"#,
            class(colour),
            points.join(" ")
        );
    }

    /// A point.
    pub(crate) fn dot(&mut self, colour: Colour, (x, y): (f64, f64)) {
        let class = class(colour);
        let _ = writeln!(
            self.body,
            r#"<circle class="fill {class}" cx="{x:.1}" cy="{y:.1}" r="4"/>"#
        );
    }

    /// A filled rectangle.
    pub(crate) fn bar(&mut self, colour: Colour, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let class = class(colour);
        let _ = writeln!(
            self.body,
            r#"<rect class="fill {class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="2"/>"#
        );
    }

    /// The whole document.
    pub(crate) fn finish(self) -> String {
        let height = self.height;
        let mut colours = (String::new(), String::new());
        for (_, class, light, dark) in COLOURS {
            let _ = write!(
                colours.0,
                ".fill.{class}{{fill:{light}}}.line.{class}{{stroke:{light}}}"
            );
            let _ = write!(
                colours.1,
                ".fill.{class}{{fill:{dark}}}.line.{class}{{stroke:{dark}}}"
            );
        }
        let (light, dark) = colours;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\">\n\
             <style>\n.paper{{fill:#ffffff}}.title{{font-size:15px;font-weight:600;fill:#1f2328}}\
             .axis{{font-size:12px;fill:#57606a}}.value{{font-size:12px;fill:#1f2328}}\
             .rule{{stroke:#d8dee4;stroke-width:1}}.line{{fill:none;stroke-width:2.2;stroke-linejoin:round}}{light}\n\
             @media (prefers-color-scheme: dark){{.paper{{fill:#161b22}}.title,.value{{fill:#e6edf3}}\
             .axis{{fill:#9aa4ae}}.rule{{stroke:#30363d}}{dark}}}\n</style>\n\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n{}</svg>\n",
            self.body
        )
    }
}

fn class(colour: Colour) -> &'static str {
    COLOURS
        .iter()
        .find(|(known, ..)| *known == colour)
        .map_or("a", |(_, class, ..)| class)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_break_the_document() {
        let mut picture = Picture::default();
        picture.text((1.0, 2.0), Anchor::End, "axis", "a < b & c");
        assert!(picture.finish().contains(">a &lt; b &amp; c</text>"));
    }

    #[test]
    fn every_colour_has_a_class_of_its_own() {
        let classes: std::collections::BTreeSet<_> =
            COLOURS.iter().map(|(_, class, ..)| class).collect();
        assert_eq!(classes.len(), COLOURS.len());
        assert_eq!(class(Colour::Peer), "e");
    }
}
