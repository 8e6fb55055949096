//! What this process takes, under the names that all Prometheus clients give it. Read from `/proc`
//! (`proc(5)`) when somebody asks; where there is none, there are no such metrics.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Clock ticks per second in `/proc`: a constant of the kernel's interface on all that Rust runs on.
const TICKS: f64 = 100.0;

/// Registers the metrics.
pub(crate) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Process));
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(seconds) = processor_seconds() {
            let counter = ConstCounter::new(seconds);
            let family = encoder.encode_descriptor(
                "process_cpu_seconds",
                "Processor time that this process took, in seconds",
                None,
                EncodeMetric::metric_type(&counter),
            )?;
            EncodeMetric::encode(&counter, family)?;
        }
        for (name, help, value) in [
            (
                "process_resident_memory_bytes",
                "Memory of this process that is resident",
                resident_bytes(),
            ),
            (
                "process_open_fds",
                "File descriptors that this process has open",
                open_descriptors(),
            ),
        ] {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            let family =
                encoder.encode_descriptor(name, help, None, EncodeMetric::metric_type(&gauge))?;
            EncodeMetric::encode(&gauge, family)?;
        }
        Ok(())
    }
}

fn processor_seconds() -> Option<f64> {
    seconds_of(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// The sum of `utime` and `stime`.
fn seconds_of(stat: &str) -> Option<f64> {
    // The name before may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some((f64::from(ticks()?) + f64::from(ticks()?)) / TICKS)
}

fn resident_bytes() -> Option<i64> {
    bytes_of(&fs::read_to_string("/proc/self/status").ok()?)
}

fn bytes_of(status: &str) -> Option<i64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn open_descriptors() -> Option<i64> {
    i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        let stat = "12 (odd) name) S 1 12 12 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 1 0 7 8 9";
        assert_eq!(seconds_of(stat), Some(2.0));
        assert_eq!(seconds_of("nonsense"), None);
        assert_eq!(bytes_of("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(bytes_of("Name:\tx\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_all_of_them() {
        let mut registry = Registry::default();
        register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for name in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
        ] {
            let value = text.lines().find_map(|line| line.strip_prefix(name));
            let value: f64 = value
                .unwrap_or_else(|| panic!("{name}\n{text}"))
                .parse()
                .unwrap();
            assert!(value >= 0.0);
        }
    }
}
