//! Under which conditions a run took place.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::command_line::CommandLine;
use crate::event::{BODY, OBJECTS};
use crate::peer;
use crate::scenario::Laboratory;

/// Everything a reader needs to judge figures, as pairs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Conditions(pub(crate) Vec<(String, String)>);

/// Reads them.
pub(crate) fn read(laboratory: &Laboratory, command_line: &CommandLine) -> Conditions {
    let mut pairs = Vec::new();
    let mut add = |name: &str, value: String| pairs.push((name.to_owned(), value));
    add("date", command_line.date.clone());
    add("product", version(&laboratory.fanfare));
    add(
        "cores",
        std::thread::available_parallelism().map_or_else(
            |_| "unknown".to_owned(),
            |cores| format!("{cores}, shared by product, load generator and sink"),
        ),
    );
    add("processor", field(&file("/proc/cpuinfo"), "model name"));
    add("memory", field(&file("/proc/meminfo"), "MemTotal"));
    add(
        "kernel",
        file("/proc/sys/kernel/osrelease").trim().to_owned(),
    );
    add(
        "file system of the data",
        file_system(&laboratory.work, &file("/proc/self/mounts")),
    );
    add(
        "load average before",
        file("/proc/loadavg").trim().to_owned(),
    );
    add("seconds per load", laboratory.seconds.to_string());
    add("connections", laboratory.connections.to_string());
    add("runs per scenario", command_line.repeat.to_string());
    add(
        "events",
        format!("unique, {BODY} bytes, from {OBJECTS} objects"),
    );
    add(
        "arguments of the product",
        match laboratory.arguments.as_slice() {
            [] => "defaults, --log-level error".to_owned(),
            some => format!("--log-level error {}", some.join(" ")),
        },
    );
    add(
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
    for note in &command_line.note {
        add("note", note.clone());
    }
    Conditions(pairs)
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

fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn field(text: &str, name: &str) -> String {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))
        .map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
}

/// Type of the file system that a folder is on: that of the longest mount point above it.
fn file_system(folder: &Path, mounts: &str) -> String {
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_decides() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /data tmpfs rw 0 0\n/dev/b /data/x xfs rw 0 0\n";
        assert_eq!(file_system(Path::new("/data/x/y"), mounts), "xfs");
        assert_eq!(file_system(Path::new("/data/y"), mounts), "tmpfs");
        assert_eq!(file_system(Path::new("/database"), mounts), "ext4");
    }

    #[test]
    fn fields_are_found_whatever_the_spacing() {
        assert_eq!(field("model name\t: Some CPU\n", "model name"), "Some CPU");
        assert_eq!(field("MemTotal:  17 kB\n", "MemTotal"), "17 kB");
        assert_eq!(field("", "MemTotal"), "unknown");
    }
}
