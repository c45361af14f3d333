//! The experiment over traces, policies and seeds, beside the published means.

use super::{Contender, PlaceExperiment, PlaceReport, published, run};
use crate::error::Result;
use crate::trace::openb::{NodeRow, TaskRow};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a table is made of.
#[derive(Debug)]
pub struct Table<'a> {
    /// The fleet.
    pub nodes: &'a [NodeRow],
    /// Names and tasks.
    pub traces: &'a [(String, Vec<TaskRow>)],
    /// The policies.
    pub contenders: &'a [Contender],
    /// A run for each.
    pub seeds: RangeInclusive<u64>,
    /// How many runs go on at once.
    pub threads: NonZeroUsize,
}

/// One trace under one policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The trace.
    pub trace: String,
    /// The policy.
    pub policy: Contender,
    /// How many runs.
    pub seeds: usize,
    /// When 100 % of all GPUs were asked for.
    pub at_100: Allocated,
    /// When 130 % were.
    pub at_130: Allocated,
    /// Mean wall time to place or refuse one task, other runs going on beside.
    pub us_per_placement: f64,
}

/// Allocated share of all GPUs, in %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Allocated {
    /// Mean over the seeds.
    pub mean_pct: f64,
    /// Sample standard deviation over the seeds; 0 for a single one.
    pub sd_pct: f64,
    /// The published mean.
    pub published_pct: Option<f64>,
    /// What lies between the two.
    pub difference_pct: Option<f64>,
}

impl Table<'_> {
    /// How many runs it takes.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.traces.len() * self.contenders.len() * self.seeds.clone().count()
    }

    /// Makes all runs; `ran` is told after each of them how many there are by then.
    ///
    /// # Errors
    /// Those of [`run`], the first that a run met.
    ///
    /// # Panics
    /// When a run does.
    pub fn lines(&self, ran: impl Fn(usize) + Sync) -> Result<Vec<Line>> {
        let mut order = Vec::with_capacity(self.runs());
        for trace in 0..self.traces.len() {
            for policy in self.contenders {
                order.extend(self.seeds.clone().map(|seed| (trace, *policy, seed)));
            }
        }
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let slots: Vec<Mutex<Option<Result<PlaceReport>>>> =
            order.iter().map(|_| Mutex::new(None)).collect();
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((trace, policy, seed)) = order.get(at).copied() else { return };
                let tasks = &self.traces[trace].1;
                let report = run(&PlaceExperiment { nodes: self.nodes, tasks, policy, seed });
                *slots[at].lock().expect("nobody else writes here") = Some(report);
                ran(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.threads.get() {
                scope.spawn(work);
            }
        });
        let report = |slot: Mutex<Option<Result<PlaceReport>>>| {
            let report = slot.into_inner().expect("nobody else wrote here");
            report.expect("every run ended")
        };
        let reports = slots.into_iter().map(report).collect::<Result<Vec<_>>>()?;
        let seeds = self.seeds.clone().count().max(1);
        let line = |(index, reports): (usize, &[PlaceReport])| {
            self.line(&self.traces[index / self.contenders.len()].0, reports)
        };
        Ok(reports.chunks(seeds).enumerate().map(line).collect())
    }

    fn line(&self, trace: &str, reports: &[PlaceReport]) -> Line {
        let policy = reports[0].policy;
        let allocated = |asked_pct, value: fn(&PlaceReport) -> f64| {
            let (mean_pct, sd_pct) = mean_and_sd(&reports.iter().map(value).collect::<Vec<_>>());
            let published_pct = published(trace, policy, asked_pct);
            let difference_pct = published_pct.map(|published| mean_pct - published);
            Allocated { mean_pct, sd_pct, published_pct, difference_pct }
        };
        let times = reports.iter().map(|report| report.us_per_placement).collect::<Vec<_>>();
        Line {
            trace: trace.to_owned(),
            policy,
            seeds: reports.len(),
            at_100: allocated(100, |report| report.allocated_pct_at_100),
            at_130: allocated(130, |report| report.allocated_pct_at_130),
            us_per_placement: mean_and_sd(&times).0,
        }
    }
}

/// Mean and sample standard deviation.
pub(super) fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let count = f64::from(u32::try_from(values.len()).expect("a handful of seeds"));
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}
