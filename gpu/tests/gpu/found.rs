//! The adapters of this machine.

use conclave_gpu::{GpuAdapter, Software, adapters};
use std::io::Write;
use std::sync::Once;

fn is_set(name: &str, value: &str) -> bool {
    std::env::var(name).is_ok_and(|found| found == value)
}

/// How many random councils are drawn where many are.
pub(crate) fn council_count() -> u64 {
    std::env::var("CONCLAVE_GPU_COUNCILS").map_or(20, |count| count.parse().unwrap())
}

/// All adapters. Without any, says so where everyone sees it, or fails where one is needed.
pub(crate) fn found(test: &str) -> Vec<GpuAdapter> {
    let is_hardware_only = is_set("CONCLAVE_GPU_SOFTWARE", "0");
    let software = if is_hardware_only { Software::Refused } else { Software::Allowed };
    let found = adapters(software).unwrap();
    if found.is_empty() {
        assert!(!is_set("CONCLAVE_NEED_GPU", "1"), "{test}: no adapter, and one is needed");
        say(&format!("SKIPPED {test}: this machine has no adapter (mesa-vulkan-drivers is one)"));
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| found.iter().for_each(|adapter| say(&format!("on {}", adapter.card()))));
    found
}

/// Writes a line that no test harness keeps to itself.
pub(crate) fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}
