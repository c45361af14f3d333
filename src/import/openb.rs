//! openb: two files, nodes and pods. Times count from the trace's start; the classes of service
//! are the tenants.

use super::{Draft, Import, LeftOut, SENDER, Settings, check, rows};
use crate::demo::scale::{SHARES, ask, class_quotas, evenly};
use crate::demo::{Arrival, JobClass, Source};
use crate::error::Result;
use crate::trace::openb::{Times, node_table, task_table};
use crate::trace::table::Damage;
use conclave_core::command::WorkOutcome;
use conclave_core::units::TimeMs;
use std::path::Path;

pub(super) fn read(
    nodes: &Path,
    pods: &Path,
    nodes_permille: i64,
    settings: &Settings,
    tell: &mut dyn FnMut(&Damage),
) -> Result<Import> {
    let (nodes, tasks) = (node_table(nodes)?, task_table(pods, Times::Needed)?);
    check(&[&nodes.file, &tasks.file], settings, tell)?;
    let ((nodes, node_file), (tasks, task_file)) = (rows(nodes), rows(tasks));
    let all = nodes.into_iter().map(|(_, row)| row).collect();
    let tasks = tasks.into_iter().map(|(_, row)| row).collect();
    let source = Source::of(all, tasks, pods)?;
    let nodes = evenly(&source.nodes, nodes_permille);
    let mut assumed = vec![match nodes.len() {
        count if count == source.nodes.len() => format!("fleet: all {count} nodes of the list"),
        count => format!("fleet: {count} nodes, evenly from the list's {}", source.nodes.len()),
    }];
    assumed.push("time 0 is the start of the trace".to_owned());
    assumed.push(tenants());
    let arrivals = source.jobs.iter().map(|job| {
        let ask = ask(job, SENDER);
        let at_ms = TimeMs(job.created_s * 1_000);
        let (duration_ms, outcome) = (ask.expected_duration_ms, WorkOutcome::Unknown);
        Arrival { at_ms, duration_ms, ask, outcome }
    });
    let draft = Draft {
        format: "openb",
        starts_at_ms: TimeMs(0),
        quotas: class_quotas(&nodes),
        parents: vec![],
        nodes,
        arrivals: arrivals.collect(),
    };
    let files = vec![node_file, task_file];
    let workload = draft.workload(settings, &files)?;
    Ok(Import { workload, files, assumed, left_out: LeftOut::default() })
}

fn tenants() -> String {
    let tenant = |(class, guarantee, limit): (JobClass, i64, i64)| {
        format!("{} {guarantee}/{limit} % at priority {}", class.tenant(), class.priority())
    };
    let tenants: Vec<String> = SHARES.into_iter().map(tenant).collect();
    format!(
        "tenants: the classes of service, guarantee/limit of the pool: {}; only best-effort may \
         be interrupted",
        tenants.join(", ")
    )
}
