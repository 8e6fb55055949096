//! A duration in Go's notation.

use std::time::Duration;

use super::Target;
use crate::features::feature;

pub(super) const TARGET: Target = Target {
    name: "duration",
    seeds: || {
        [
            "5m",
            "1h30m0.5s",
            "2562047h47m16.854775807s",
            "1.5h",
            "0",
            "100µs",
            "-3ns",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    },
    words: &[
        "h",
        "m",
        "s",
        "ms",
        "us",
        "µs",
        "μs",
        "ns",
        ".",
        "-",
        "+",
        "0",
        "9999999999",
        "1e9",
        " ",
    ],
    run,
};

/// What is read can be written, and reads the same again, up to whole milliseconds.
fn run(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let duration = match api::duration::parse(&text) {
        Ok(duration) => duration,
        Err(error) => {
            let text = error.to_string();
            // Up to what was written.
            feature(text.split('`').next().unwrap_or_default());
            return Ok(());
        }
    };
    let written = api::duration::format(duration);
    feature("a duration");
    let whole = Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    match api::duration::parse(&written) {
        Ok(again) if again == whole => Ok(()),
        other => Err(format!("{duration:?} became `{written}`, then {other:?}")),
    }
}
