//! What a run costs: CPU and memory, as the kernel counts them in `/proc`.

use std::fs;

use crate::error::BenchError;

/// The kernel's ticks per second, which on Linux are always these for `/proc`.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU that a process has used, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct CpuSeconds {
    /// By itself.
    pub(crate) own: f64,
    /// By its children that have ended, and theirs.
    pub(crate) children: f64,
}

/// The CPU that the process `pid` (or `self`) has used.
pub(crate) fn cpu_of(pid: &str) -> Result<CpuSeconds, BenchError> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(BenchError::io(format!("read {path}")))?;
    parse_stat(&text).ok_or_else(|| BenchError::Wrong(format!("{path} is not as expected: {text:?}")))
}

/// CPU seconds in which the machine was not idle, over all cores, since it started.
pub(crate) fn busy_seconds() -> Result<f64, BenchError> {
    let text = fs::read_to_string("/proc/stat").map_err(BenchError::io("read /proc/stat"))?;
    parse_busy(&text).ok_or_else(|| BenchError::Wrong("/proc/stat is not as expected".to_owned()))
}

/// The load average over a minute.
pub(crate) fn load_average() -> Result<f64, BenchError> {
    let text = fs::read_to_string("/proc/loadavg").map_err(BenchError::io("read /proc/loadavg"))?;
    text.split(' ')
        .next()
        .and_then(|one| one.parse().ok())
        .ok_or_else(|| BenchError::Wrong(format!("/proc/loadavg is not as expected: {text:?}")))
}

/// The most memory that this process has had, in KiB.
pub(crate) fn own_peak_kib() -> Result<u64, BenchError> {
    let text = fs::read_to_string("/proc/self/status").map_err(BenchError::io("read /proc/self/status"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
        .ok_or_else(|| BenchError::Wrong("/proc/self/status has no VmHWM".to_owned()))
}

fn parse_stat(text: &str) -> Option<CpuSeconds> {
    // The name, in parentheses, may hold anything; after it come single words, the state being field 3.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_ascii_whitespace().collect();
    let seconds = |field: usize| Some(fields.get(field - 3)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    Some(CpuSeconds { own: seconds(14)? + seconds(15)?, children: seconds(16)? + seconds(17)? })
}

fn parse_busy(text: &str) -> Option<f64> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<f64> = line.split_ascii_whitespace().map_while(|tick| tick.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; what comes after is contained in user and nice.
    let busy: f64 =
        ticks.iter().take(8).enumerate().filter(|(i, _)| !(3..=4).contains(i)).map(|(_, t)| t).sum();
    (ticks.len() >= 8).then_some(busy / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 9 0 0 0 150 50 300 100 20 0 1 0 5 0 0";
        assert_eq!(parse_stat(stat), Some(CpuSeconds { own: 2.0, children: 4.0 }));
        assert_eq!(parse_stat("42"), None);
        let busy = parse_busy("cpu  100 0 100 9999 77 1 2 97 50 60\ncpu0 1 2 3\n").unwrap();
        assert!((busy - 3.0).abs() < 1e-9);
        assert_eq!(parse_busy("cpu 1 2"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        assert!(own_peak_kib().unwrap() > 100);
        assert!(busy_seconds().unwrap() > 0.0);
        assert!(load_average().unwrap() >= 0.0);
        assert!(cpu_of("self").is_ok() && cpu_of("0").is_err());
    }
}
