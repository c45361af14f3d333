//! Small traces for tests, written by hand or by rule: never a published row.

use std::path::{Path, PathBuf};

/// The header of an openb node list.
pub(crate) const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\n";
/// The header of an openb pod list with times.
pub(crate) const PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,\
    creation_time,deletion_time,scheduled_time\n";
/// The header of a philly job list.
pub(crate) const JOBS: &str = "timestamp,duration,num_gpus,gpu_time,cluster\n";

/// Writes a file into a folder.
pub(crate) fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A philly list of so many jobs: bursts, gangs, three clusters and rows that are out of order.
pub(crate) fn philly_jobs(count: usize) -> String {
    let mut text = JOBS.to_owned();
    for index in 0..count {
        let second = (index ^ 3) * 37 + (index % 5) * 11;
        let (day, rest) = (second / 86_400 + 1, second % 86_400);
        let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
        let duration = 60 + index * 7_919 % 5_000;
        let gpus = [1, 1, 1, 2, 4, 8, 12, 16][index % 8];
        let (time, cluster) = (duration * gpus, ["blue", "green", "red"][index % 3]);
        text += &format!("2020-02-{day:02} {hour:02}:{minute:02}:{second:02},");
        text += &format!("{duration}.0,{gpus},{time}.0,{cluster}\n");
    }
    text
}
