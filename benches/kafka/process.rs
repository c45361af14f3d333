//! What another process takes, as the system counts it.

use std::fs;
use std::time::Duration;

/// Ticks per second of `/proc/PID/stat`: what Linux shows to programs everywhere.
const TICKS: f64 = 100.0;

/// Memory and time of a process, at its last look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// The highest that was seen.
    pub(crate) resident_mb: f64,
    /// Of all its threads.
    pub(crate) cpu: Duration,
}

impl Usage {
    /// Looks at a process; nothing changes once it has ended.
    pub(crate) fn look_at(&mut self, process: u32) {
        if let Some(resident) = resident_mb(process) {
            self.resident_mb = self.resident_mb.max(resident);
        }
        self.cpu = cpu(process).unwrap_or(self.cpu);
    }
}

/// Time of a process on all cores.
pub(crate) fn cpu(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before may hold anything, brackets as well.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some(Duration::from_secs_f64((ticks(11)? + ticks(12)?) / TICKS))
}

fn resident_mb(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib = line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()?;
    Some(kib * 1_024.0 / 1e6)
}
