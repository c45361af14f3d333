//! The job list of Microsoft's Philly trace, as flattened for Pollux: who asked when for how many
//! GPUs, and how long they ran.

use super::table::{self, Cells, Format, Table};
use crate::error::Result;
use conclave_core::limits::{DURATION_MS_MAX, TENANTS_MAX};
use conclave_core::units::{DurationMs, TenantId, TimeMs};
use jiff::civil::DateTime;
use std::collections::BTreeSet;
use std::path::Path;

/// GPUs of one job: thirty times the largest published one, and as many as a gang of single GPUs
/// may have.
pub const JOB_GPUS_MAX: i64 = 1_024;

const JOBS: Format = Format {
    what: "a philly job list",
    required: &["timestamp", "duration", "num_gpus", "cluster"],
    optional: &["gpu_time"],
    separator: ',',
};

/// One job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// When it was submitted: local wall time, counted as if the place knew no summer time.
    pub submitted_ms: TimeMs,
    /// How long it ran.
    pub duration_ms: DurationMs,
    /// Its GPUs.
    pub gpu_count: i64,
    /// Its virtual cluster: the tenant.
    pub cluster: TenantId,
}

/// Reads a job list, in the order of the file, which need not be the order of time.
///
/// # Errors
/// As [`table::read`].
pub fn job_table(path: &Path) -> Result<Table<JobRow>> {
    let mut clusters = BTreeSet::new();
    table::read(path, &JOBS, |cells| job(cells, &mut clusters))
}

fn job(cells: &mut Cells<'_>, clusters: &mut BTreeSet<String>) -> Option<JobRow> {
    let submitted_ms = wall_time(cells, "timestamp");
    let duration_ms = cells.seconds_as_ms("duration", 1, DURATION_MS_MAX.0);
    let gpu_count = cells.integer("num_gpus", 1, JOB_GPUS_MAX);
    let cluster = cells.name("cluster");
    if let (Some(duration_ms), Some(gpu_count)) = (duration_ms, gpu_count) {
        check_gpu_time(cells, duration_ms * gpu_count);
    }
    let cluster = cluster?;
    clusters.insert(cluster.clone());
    if clusters.len() > TENANTS_MAX {
        clusters.remove(&cluster);
        let what = format!("'{cluster}' is one of more than {TENANTS_MAX} clusters");
        cells.damage("cluster", what, "cut the list: a pool has no more tenants");
    }
    Some(JobRow {
        submitted_ms: submitted_ms?,
        duration_ms: DurationMs(duration_ms?),
        gpu_count: gpu_count?,
        cluster: TenantId::from(cluster),
    })
}

/// The column repeats what two others say: when it does not, one of the three is damaged.
fn check_gpu_time(cells: &mut Cells<'_>, product_ms: i64) {
    if cells.text("gpu_time").is_empty() {
        return;
    }
    let stated_ms = cells.seconds_as_ms("gpu_time", 0, i64::MAX);
    if stated_ms.is_some_and(|stated_ms| stated_ms != product_ms) {
        let what = format!("'{}' is not duration x num_gpus", cells.text("gpu_time"));
        cells.damage("gpu_time", what, "one of the three is wrong");
    }
}

fn wall_time(cells: &mut Cells<'_>, column: &'static str) -> Option<TimeMs> {
    let text = cells.text(column);
    let moment = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok();
    // The form, digit for digit, so that one moment has one spelling.
    let moment = moment.filter(|moment| {
        text.len() == "2017-10-09 07:01:55".len() && (1_970..3_000).contains(&moment.year())
    });
    if moment.is_none() {
        let fix = "write local wall time as YYYY-MM-DD HH:MM:SS, of the years 1970 to 2999";
        cells.wrong(column, "a time", fix);
    }
    let since_1970 = moment?.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    i64::try_from(since_1970.as_millis()).ok().map(TimeMs)
}
