//! What `sacct --parsable2` prints.

use super::moment::{Moment, limit, moment};
use super::tres::{Gpus, by_name};
use super::{JOB_GPUS_MAX, JobRow, JobState, Row, hosts};
use crate::error::Result;
use crate::trace::table::{self, Cells, Format, Table};
use conclave_core::units::DurationMs;
use std::path::Path;

const JOBS: Format = Format {
    what: "what `sacct -P` prints",
    required: &["JobID", "User", "State", "Submit", "Start", "End", "ReqTRES"],
    optional: &[
        "Account",
        "Partition",
        "QOS",
        "Eligible",
        "Timelimit",
        "NNodes",
        "NodeList",
        "AllocTRES",
    ],
    separator: '|',
};

/// Reads what `sacct -P` printed, in the order of the file.
///
/// # Errors
/// As [`table::read`].
pub fn job_table(path: &Path) -> Result<Table<Row>> {
    table::read(path, &JOBS, row)
}

fn row(cells: &mut Cells<'_>) -> Option<Row> {
    // 12.batch, 12.extern, 12.0: steps of job 12.
    if cells.text("JobID").contains('.') {
        return Some(Row::Step);
    }
    let id = cells.name("JobID");
    let user = cells.name("User");
    let state = JobState::named(cells.text("State"));
    if state.is_none() {
        cells.wrong("State", "a state of a job", "write one as sacct does, such as COMPLETED");
    }
    let submitted = time(cells, "Submit");
    let eligible = time(cells, "Eligible");
    let (started, ended) = (time(cells, "Start"), time(cells, "End"));
    let limit = span(cells);
    let (gpus, held) = (gpus(cells, "ReqTRES"), gpus(cells, "AllocTRES"));
    let node_count = cells.integer_or_empty("NNodes", 0, JOB_GPUS_MAX);
    let names = node_names(cells, "NodeList");
    if submitted == Some(None) {
        cells.wrong("Submit", "a time", "write YYYY-MM-DDTHH:MM:SS, or seconds since 1970");
    }
    let submitted = submitted??;
    Some(Row::Job(Box::new(JobRow {
        id: Some(id?),
        user: user?,
        account: some(cells.text("Account")),
        partition: cells.text("Partition").to_owned(),
        qos: cells.text("QOS").to_owned(),
        state: state?,
        eligible_ms: eligible?.unwrap_or(submitted).max(submitted),
        started_ms: started?,
        ended_ms: ended?,
        limit_ms: limit?,
        gpus: gpus?,
        held: held?,
        node_count: node_count?.unwrap_or(1).max(1),
        hosts: names?,
    })))
}

/// A cell that may be empty.
pub(super) fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) fn time(cells: &mut Cells<'_>, column: &'static str) -> Option<Moment> {
    let found = moment(cells.text(column));
    if found.is_none() {
        let fix = "write YYYY-MM-DDTHH:MM:SS, seconds since 1970, or Unknown";
        cells.wrong(column, "a time", fix);
    }
    found
}

pub(super) fn node_names(cells: &mut Cells<'_>, column: &'static str) -> Option<Vec<String>> {
    let found = hosts::expand(cells.text(column));
    if found.is_none() {
        let fix = "write names as Slurm does, such as gpu[01-04],gpu07";
        cells.wrong(column, "a list of nodes", fix);
    }
    found
}

pub(super) fn checked(
    cells: &mut Cells<'_>,
    column: &'static str,
    found: Option<Gpus>,
) -> Option<Gpus> {
    let gpus = found.filter(|gpus| gpus.count <= JOB_GPUS_MAX);
    if gpus.is_none() {
        let fix = format!("write resource=amount, ..., with at most {JOB_GPUS_MAX} GPUs");
        cells.wrong(column, "a list of resources", &fix);
    }
    gpus
}

fn gpus(cells: &mut Cells<'_>, column: &'static str) -> Option<Gpus> {
    let found = by_name(cells.text(column));
    checked(cells, column, found)
}

fn span(cells: &mut Cells<'_>) -> Option<Option<DurationMs>> {
    let found = limit(cells.text("Timelimit"));
    if found.is_none() {
        cells.wrong("Timelimit", "a time limit", "write D-HH:MM:SS, or UNLIMITED");
    }
    found
}
