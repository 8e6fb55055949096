//! Under which conditions a run took place.

use std::path::Path;
use std::process::Command;

use testkit::Conditions;

use crate::command_line::CommandLine;
use crate::event::{BODY, OBJECTS};
use crate::peer;
use crate::scenario::Laboratory;

/// Reads them.
pub(crate) fn read(laboratory: &Laboratory, command_line: &CommandLine) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.add("date", &command_line.date);
    conditions.add("product", version(&laboratory.fanfare));
    conditions.add_machine(&laboratory.work);
    conditions.add("who shares it", "product, load generator and destinations");
    conditions.add("seconds per load", laboratory.seconds.to_string());
    conditions.add("connections", laboratory.connections.to_string());
    conditions.add("runs per scenario", command_line.repeat.to_string());
    conditions.add(
        "events",
        format!("unique, {BODY} bytes, from {OBJECTS} objects"),
    );
    conditions.add(
        "arguments of the product",
        match laboratory.arguments.as_slice() {
            [] => "defaults, --log-level error".to_owned(),
            some => format!("--log-level error {}", some.join(" ")),
        },
    );
    conditions.add(
        "Alertmanager",
        peer::version(&laboratory.alertmanager).map_or_else(
            || "not there, so nothing stands beside".to_owned(),
            |version| {
                format!(
                    "{version}; alone, alerts in memory only; unique alerts of {BODY} bytes, one per request; \
                     `group_wait: 0s`, one notification per alert, or per object where the destination hangs"
                )
            },
        ),
    );
    conditions.add_notes(&command_line.note);
    conditions
}

fn version(binary: &Path) -> String {
    Command::new(binary)
        .arg("version")
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map_or_else(
            || "unknown".to_owned(),
            |output| {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                text.lines().collect::<Vec<_>>().join(", ")
            },
        )
}
