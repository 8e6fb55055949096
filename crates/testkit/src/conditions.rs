//! Under which conditions something was measured: what readers of a report need to judge it.

use std::path::Path;

use serde::Serialize;

/// Names and values, in the order of a report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Conditions(Vec<(String, String)>);

impl Conditions {
    /// Adds one.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// Adds what is known of this machine now, and of the file system that a folder is on. What
    /// cannot be found out is said to be unknown.
    pub fn add_machine(&mut self, folder: &Path) {
        let cores = std::thread::available_parallelism();
        self.add(
            "cores",
            cores.map_or_else(|_| "unknown".to_owned(), |cores| cores.to_string()),
        );
        self.add("processor", field(&file("/proc/cpuinfo"), "model name"));
        self.add("memory", field(&file("/proc/meminfo"), "MemTotal"));
        self.add("kernel", file("/proc/sys/kernel/osrelease").trim());
        self.add(
            "file system of the data",
            file_system(folder, &file("/proc/self/mounts")),
        );
        self.add("load average before", file("/proc/loadavg").trim());
    }

    /// Adds what somebody wants said about them.
    pub fn add_notes(&mut self, notes: &[String]) {
        for note in notes {
            self.add("note", note);
        }
    }

    /// All, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
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
