//! Rows of slurmdbd's job table (`CLUSTER_job_table`), as comma-separated values.

use super::sacct::{checked, node_names, some, time};
use super::tres::{Gpus, by_number};
use super::{JOB_GPUS_MAX, JobRow, JobState, Row};
use crate::error::Result;
use crate::trace::table::{self, Cells, Format, Table};
use conclave_core::limits::DURATION_MS_MAX;
use conclave_core::units::DurationMs;
use std::collections::BTreeMap;
use std::path::Path;

const JOBS: Format = Format {
    what: "an export of slurmdbd's job table",
    required: &["id_job", "id_user", "state", "time_submit", "time_start", "time_end", "tres_req"],
    optional: &[
        "account",
        "partition",
        "id_qos",
        "time_eligible",
        "timelimit",
        "nodes_alloc",
        "nodelist",
        "tres_alloc",
    ],
    separator: ',',
};

/// What the table writes where there is no number, and where there is no limit.
const NO_LIMIT: [&str; 3] = ["4294967294", "4294967295", ""];
const MINUTE_MS: i64 = 60_000;

/// Reads an export, in the order of the file. `names` says which numbers of resources are GPUs, as
/// in [`by_number`].
///
/// # Errors
/// As [`table::read`].
pub fn job_table(path: &Path, names: &BTreeMap<i64, String>) -> Result<Table<Row>> {
    table::read(path, &JOBS, |cells| row(cells, names))
}

fn row(cells: &mut Cells<'_>, names: &BTreeMap<i64, String>) -> Option<Row> {
    let id = cells.text("id_job").to_owned();
    let is_whole = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let user = cells.name("id_user");
    let number = cells.integer("state", 0, i64::from(u32::MAX));
    let state = number.and_then(JobState::numbered);
    if number.is_some() && state.is_none() {
        cells.wrong("state", "a state of a job", "write its number, 0 to 11 in the lowest byte");
    }
    let submitted = time(cells, "time_submit");
    let eligible = time(cells, "time_eligible");
    let (started, ended) = (time(cells, "time_start"), time(cells, "time_end"));
    let limit = limit(cells);
    let (gpus, held) = (gpus(cells, "tres_req", names), gpus(cells, "tres_alloc", names));
    let node_count = cells.integer_or_empty("nodes_alloc", 0, JOB_GPUS_MAX);
    let hosts = node_names(cells, "nodelist");
    if submitted == Some(None) {
        cells.wrong("time_submit", "a time", "write seconds since 1970");
    }
    let submitted = submitted??;
    Some(Row::Job(Box::new(JobRow {
        id: is_whole.then_some(id),
        user: user?,
        account: some(cells.text("account")),
        partition: cells.text("partition").to_owned(),
        qos: cells.text("id_qos").to_owned(),
        state: state?,
        eligible_ms: eligible?.unwrap_or(submitted).max(submitted),
        started_ms: started?,
        ended_ms: ended?,
        limit_ms: limit?,
        gpus: gpus?,
        held: held?,
        node_count: node_count?.unwrap_or(1).max(1),
        hosts: hosts?,
    })))
}

fn gpus(
    cells: &mut Cells<'_>,
    column: &'static str,
    names: &BTreeMap<i64, String>,
) -> Option<Gpus> {
    let found = by_number(cells.text(column), names);
    checked(cells, column, found)
}

/// Minutes; nothing where there is no limit.
fn limit(cells: &mut Cells<'_>) -> Option<Option<DurationMs>> {
    if NO_LIMIT.contains(&cells.text("timelimit")) {
        return Some(None);
    }
    let minutes = cells.integer("timelimit", 0, DURATION_MS_MAX.0 / MINUTE_MS)?;
    Some((minutes > 0).then_some(DurationMs(minutes * MINUTE_MS)))
}
