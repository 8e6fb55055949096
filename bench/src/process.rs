//! What the kernel says about a process: memory and processor time.

use std::time::Duration;

use anyhow::Context;

/// Ticks per second in `/proc/PID/stat`; the same on every Linux that we run on.
const TICKS: u64 = 100;

/// Memory of a process in megabytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: f64,
    /// Most that ever was resident.
    pub(crate) peak: f64,
}

/// Reads the memory of a process.
pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    Ok(Memory {
        resident: megabytes(&status, "VmRSS:")?,
        peak: megabytes(&status, "VmHWM:")?,
    })
}

/// Reads the processor time that a process used so far, in user and kernel mode.
pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    ticks(&stat)
        .map(|ticks| Duration::from_millis(ticks * 1000 / TICKS))
        .with_context(|| format!("{path} looks different than expected"))
}

fn megabytes(status: &str, field: &str) -> anyhow::Result<f64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<f64>().ok())
        .map(|kibibytes| kibibytes * 1024.0 / 1e6)
        .with_context(|| format!("no {field} in the status of the process"))
}

fn ticks(stat: &str) -> Option<u64> {
    // The name in parentheses may contain anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_read_its_own_numbers() {
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.resident > 0.5 && memory.peak >= memory.resident * 0.5);
        assert!(processor_time(std::process::id()).is_ok());
        assert!(processor_time(u32::MAX).is_err());
    }

    #[test]
    fn names_with_spaces_and_parentheses_do_not_shift_fields() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 31 11 0 0";
        assert_eq!(ticks(stat), Some(42));
    }
}
