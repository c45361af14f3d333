//! What a run is summed up in, and many runs.

use super::super::table::mean_and_sd;
use conclave_core::decision::{Decision, Event};
use conclave_core::units::{GpuMilli, RequestId, TenantId, TimeMs};
use serde::Serialize;
use std::collections::BTreeMap;

/// What one run found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Time that jobs spent waiting, once more after each preemption, in minutes: mean, half, nine
    /// in ten, 99 in 100.
    pub wait_min: [f64; 4],
    /// GPU time held until the last arrival, in % of what the fleet had.
    pub used_pct: f64,
    /// Jain's index over tenants of the GPU time that each got until the last arrival, divided by
    /// what it had got if all its jobs had started at once.
    pub fairness: f64,
    /// Leases that ended early for others.
    pub preemptions: f64,
    /// Jobs that were refused.
    pub refused: f64,
}

/// Mean and standard deviation of the same over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// As [`Figures::wait_min`].
    pub wait_min: [MeanSd; 4],
    /// As [`Figures::used_pct`].
    pub used_pct: MeanSd,
    /// As [`Figures::fairness`].
    pub fairness: MeanSd,
    /// As [`Figures::preemptions`].
    pub preemptions: MeanSd,
    /// As [`Figures::refused`].
    pub refused: MeanSd,
}

/// Mean, and sample standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MeanSd {
    /// The mean.
    pub mean: f64,
    /// The deviation; 0 of a single run.
    pub sd: f64,
}

impl Spread {
    pub(super) fn of(runs: &[Figures]) -> Self {
        let of = |value: &dyn Fn(&Figures) -> f64| {
            let (mean, sd) = mean_and_sd(&runs.iter().map(value).collect::<Vec<_>>());
            MeanSd { mean, sd }
        };
        Self {
            wait_min: [0, 1, 2, 3].map(|at| of(&|run| run.wait_min[at])),
            used_pct: of(&|run| run.used_pct),
            fairness: of(&|run| run.fairness),
            preemptions: of(&|run| run.preemptions),
            refused: of(&|run| run.refused),
        }
    }
}

/// A run as it goes on.
#[derive(Debug)]
pub(super) struct Tally {
    /// Until when GPU time counts.
    end: TimeMs,
    jobs: BTreeMap<RequestId, Job>,
    got: BTreeMap<TenantId, i128>,
    wanted: BTreeMap<TenantId, i128>,
    preemptions: u32,
    refused: u32,
}

#[derive(Debug)]
struct Job {
    tenant: TenantId,
    gpu_milli: GpuMilli,
    waits_since: TimeMs,
    waited_ms: i64,
    runs_since: Option<TimeMs>,
}

impl Tally {
    pub(super) fn new(end: TimeMs) -> Self {
        let (jobs, got, wanted) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { end, jobs, got, wanted, preemptions: 0, refused: 0 }
    }

    /// A job arrives, which would hold its GPUs until `until` if it started at once.
    pub(super) fn arrives(
        &mut self,
        (id, tenant): (&RequestId, &TenantId),
        gpu_milli: GpuMilli,
        (now, until): (TimeMs, TimeMs),
    ) {
        let (waits_since, tenant) = (now, tenant.clone());
        *self.wanted.entry(tenant.clone()).or_default() += self.gpu_time(gpu_milli, (now, until));
        let job = Job { tenant, gpu_milli, waits_since, waited_ms: 0, runs_since: None };
        self.jobs.insert(id.clone(), job);
    }

    /// A job was refused.
    pub(super) fn refuse(&mut self, id: &RequestId) {
        self.jobs.remove(id);
        self.refused += 1;
    }

    pub(super) fn see(&mut self, decision: &Decision) {
        let now = decision.time_ms;
        for event in &decision.events {
            match event {
                Event::LeaseGranted(granted) => {
                    let job = self.jobs.get_mut(&granted.request).expect("a job was sent");
                    job.waited_ms += now.0 - job.waits_since.0;
                    job.runs_since = Some(now);
                }
                Event::LeaseEnded(ended) => self.ends(&ended.request, now),
                Event::LeasePreempted(gone) => {
                    self.preemptions += 1;
                    self.ends(&gone.request, now);
                    let job = self.jobs.get_mut(&gone.request).expect("a job was sent");
                    job.waits_since = now;
                }
                _ => {}
            }
        }
    }

    fn ends(&mut self, id: &RequestId, now: TimeMs) {
        let job = self.jobs.get_mut(id).expect("a job was sent");
        let since = job.runs_since.take().expect("what ends ran");
        let (tenant, gpu_milli) = (job.tenant.clone(), job.gpu_milli);
        *self.got.entry(tenant).or_default() += self.gpu_time(gpu_milli, (since, now));
    }

    /// GPU milli times milliseconds until the end.
    fn gpu_time(&self, gpu_milli: GpuMilli, (from, until): (TimeMs, TimeMs)) -> i128 {
        let held = until.min(self.end).0.saturating_sub(from.0).max(0);
        i128::from(gpu_milli.0) * i128::from(held)
    }

    /// The figures of a run in which every job has ended, where the fleet had `capacity` GPU milli
    /// times milliseconds.
    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    pub(super) fn figures(self, capacity: i128) -> Figures {
        let mut waits: Vec<i64> = self.jobs.values().map(|job| job.waited_ms).collect();
        waits.sort_unstable();
        let minutes = |ms: i64| ms as f64 / 60_000.0;
        let at = |percent: usize| {
            let index = (waits.len() * percent / 100).min(waits.len().saturating_sub(1));
            minutes(waits.get(index).copied().unwrap_or(0))
        };
        let mean = minutes(waits.iter().sum()) / waits.len().max(1) as f64;
        let got = |tenant: &TenantId| self.got.get(tenant).copied().unwrap_or(0) as f64;
        let wanted = self.wanted.iter().filter(|(_, wanted)| **wanted > 0);
        let shares: Vec<f64> =
            wanted.map(|(tenant, wanted)| got(tenant) / *wanted as f64).collect();
        Figures {
            wait_min: [mean, at(50), at(90), at(99)],
            used_pct: self.got.values().sum::<i128>() as f64 * 100.0 / capacity.max(1) as f64,
            fairness: jain(&shares),
            preemptions: f64::from(self.preemptions),
            refused: f64::from(self.refused),
        }
    }
}

/// 1 when all have the same, and one over their number when one has all.
#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn jain(shares: &[f64]) -> f64 {
    let (sum, squares) = shares
        .iter()
        .fold((0.0, 0.0), |(sum, squares), share| (sum + share, squares + share * share));
    if squares == 0.0 { 1.0 } else { sum * sum / (shares.len() as f64 * squares) }
}

#[cfg(test)]
mod tests {
    use super::jain;

    #[test]
    fn jain_is_one_among_equals_and_least_when_one_has_all() {
        assert!((jain(&[0.5, 0.5, 0.5]) - 1.0).abs() < 1e-12);
        assert!((jain(&[0.9, 0.0, 0.0]) - 1.0 / 3.0).abs() < 1e-12);
        assert!((jain(&[1.0, 0.5]) - 0.9).abs() < 1e-12);
    }
}
