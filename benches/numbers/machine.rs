//! What the figures were measured on, and the clocks of this process.

use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

/// CPU model, cores, load and memory.
pub(crate) fn describe() -> Value {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    json!({ "machine": { "cpu": cpu, "cores": cores, "load": load, "memory": memory } })
}

/// Resident memory of this process in MB: now, and at its highest.
pub(crate) fn resident_mb() -> (f64, f64) {
    let of = |name| {
        let kib = field("/proc/self/status", name).unwrap_or_default();
        let kib = kib.trim_end_matches("kB").trim().parse::<f64>().unwrap_or(f64::NAN);
        kib * 1_024.0 / 1e6
    };
    (of("VmRSS"), of("VmHWM"))
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

/// A span of time, on the wall and on this thread's core: the machine may have other work.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    pub(crate) core: Duration,
}

impl Spent {
    /// Runs `work` and adds what it took.
    pub(crate) fn on<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (started, core) = (Instant::now(), core_time());
        let result = work();
        self.wall += started.elapsed();
        self.core += core_time().saturating_sub(core);
        result
    }

    pub(crate) fn wall_per_second(&self, count: usize) -> f64 {
        count as f64 / self.wall.as_secs_f64()
    }

    pub(crate) fn core_per_second(&self, count: usize) -> f64 {
        count as f64 / self.core.as_secs_f64()
    }
}

/// How long this thread has run, as the scheduler counts it.
pub(crate) fn core_time() -> Duration {
    let counted = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = counted.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
