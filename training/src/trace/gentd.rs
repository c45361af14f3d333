//! `GenTD26`: requests for inference with group and outcome (Alibaba, cluster-trace-v2026-GenAI).
//!
//! A group is a tenant. A row names no GPU: it is one worker at a time, so one whole GPU here.

use super::{Row, Rows};
use crate::error::Result;
use crate::job::{Ending, Job, NodeSpec, Scenario, TenantSpec};
use crate::number::{index, nearest, nearest_within};
use conclave_core::command::WorkOutcome;
use std::collections::BTreeMap;

/// The file, as published and cut.
pub const FILE: &str = "gentd26_requests_before_2024-12-04.csv";
/// The source's name.
pub const NAME: &str = "gentd26";
/// A denoising step takes about so long; it is all that a sender could say beforehand.
const STEP_MS: f64 = 700.0;
/// Each image beyond the first.
const IMAGE_MS: f64 = 1_000.0;
/// Nobody waits in this trace, so the fleet is larger than what is asked at once.
const NODES: i64 = 16;

/// The trace as a scenario.
///
/// # Errors
/// [`crate::error::Error::Invalid`] naming row and column when a cell is not as published.
pub fn scenario(rows: &Rows) -> Result<Scenario> {
    let mut groups = BTreeMap::new();
    let all = rows.iter().map(|row| job(row, &mut groups)).collect::<Result<Vec<_>>>()?;
    let mut jobs: Vec<_> = all.into_iter().flatten().collect();
    jobs.sort_by_key(|job| job.at_ms);
    let node = NodeSpec {
        gpu_model: "worker".to_owned(),
        gpu_count: 8,
        cpu_milli: 128_000,
        memory_mib: 1_048_576,
    };
    let whole = 8_000 * NODES;
    let share = TenantSpec { guarantee_gpu_milli: 0, limit_gpu_milli: whole };
    let tenants = vec![share; groups.len()];
    Ok(Scenario {
        name: NAME,
        nodes: vec![node; index(NODES)],
        tenants,
        wait_bound_ms: 3_600_000,
        jobs,
    })
}

/// None for a request whose end nobody saw.
fn job<'a>(row: Row<'a>, groups: &mut BTreeMap<&'a str, usize>) -> Result<Option<Job>> {
    let count = groups.len();
    let tenant = *groups.entry(row.text("groupId")?).or_insert(count);
    let steps = row.number("num_inference_steps")?.unwrap_or(30.0);
    let images = row.number("num_images_per_prompt")?.unwrap_or(1.0);
    let adapters = row.number("num_lora")?.unwrap_or(0.0);
    let expected_ms = nearest_within(steps * STEP_MS + (images - 1.0) * IMAGE_MS, 1_000, 3_600_000);
    let cpu_milli = match row.text("predict_type")? {
        "TXT_2_IMG" => 4_000,
        "IMG_2_IMG" => 6_000,
        "INPAINTING" => 8_000,
        other => return Err(row.bad("predict_type", &format!("'{other}' is unknown"), "name one")),
    };
    let ending = match row.text("predict_status")? {
        "SUCCEED" => Ending::Released(WorkOutcome::Succeeded),
        "FAILED" => Ending::Released(WorkOutcome::Failed),
        "PENDING" | "PROCESSING" => return Ok(None),
        other => {
            let what = format!("'{other}' is unknown");
            return Err(row.bad("predict_status", &what, "name a status of the trace"));
        }
    };
    Ok(Some(Job {
        tenant,
        at_ms: wall_ms(row)?,
        replicas: 1,
        gpu_count: 1,
        gpu_milli: 1_000,
        cpu_milli,
        memory_mib: 16_384 + 2_048 * nearest_within(adapters, 0, 16) + 1_024 * nearest(images),
        gpu_models: vec![],
        expected_ms,
        priority: 5,
        preemptible: false,
        patience_ms: None,
        run_ms: nearest(1_000.0 * row.number("exec_time_seconds")?.unwrap_or(0.0)).max(1),
        ending,
        utilisation_bp: None,
    }))
}

/// Wall time as written, as if it were UTC: the trace names no zone and is shifted anyway.
fn wall_ms(row: Row<'_>) -> Result<i64> {
    let text = row.text("gmt_create")?;
    let bad = || row.bad("gmt_create", &format!("'{text}' is no time"), "YYYY-MM-DD HH:MM:SS");
    let time = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).map_err(|_| bad())?;
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| bad())?;
    Ok(zoned.timestamp().as_millisecond())
}
