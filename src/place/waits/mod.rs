//! Waiting, use and fairness under load with departures: a trace, its gaps divided until it asks
//! for a given part of a stated fleet, decided command by command by the real rules. A job gives
//! its GPUs back when its original duration has passed since it was granted.

mod rules;
mod run;
mod tally;

pub use rules::Rules;
pub use tally::{Figures, MeanSd, Spread};

use crate::demo::Workload;
use crate::error::Result;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a table is made of.
#[derive(Debug)]
pub struct WaitsTable<'a> {
    /// Names and workloads, with gaps of their own.
    pub traces: &'a [(String, Workload)],
    /// What is asked for, in percent of the fleet's GPU time until the last arrival.
    pub loads_pct: &'a [i64],
    /// A run for each: the order of nodes, of which the first of equals is chosen, is drawn. With
    /// one only, nothing else is left to chance.
    pub seeds: RangeInclusive<u64>,
    /// How many runs go on at once.
    pub threads: NonZeroUsize,
}

/// One trace at one load under one set of rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaitsLine {
    /// The trace.
    pub trace: String,
    /// What was asked for, in percent.
    pub load_pct: i64,
    /// Who decided.
    pub rules: Rules,
    /// How many runs.
    pub seeds: usize,
    /// What they found.
    #[serde(flatten)]
    pub figures: Spread,
}

impl WaitsTable<'_> {
    /// How many runs it takes.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.traces.len() * self.loads_pct.len() * Rules::ALL.len() * self.seeds.clone().count()
    }

    /// Makes all runs; `ran` is told after each of them how many there are by then.
    ///
    /// # Errors
    /// `Invalid` when a trace asks for nothing, or the rules refuse how it begins.
    ///
    /// # Panics
    /// When a run does.
    pub fn lines(&self, ran: impl Fn(usize) + Sync) -> Result<Vec<WaitsLine>> {
        let mut order = Vec::with_capacity(self.runs());
        for (trace, load_pct) in self.grounds() {
            for rules in Rules::ALL {
                order.extend(self.seeds.clone().map(|seed| (trace, load_pct, rules, seed)));
            }
        }
        let slots: Vec<Mutex<Option<Result<Figures>>>> =
            order.iter().map(|_| Mutex::new(None)).collect();
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((trace, load_pct, rules, seed)) = order.get(at).copied() else { return };
                let scaled = run::at_load(&self.traces[trace].1, load_pct);
                let figures = scaled.and_then(|workload| run::run(workload, rules, seed));
                *slots[at].lock().expect("nobody else writes here") = Some(figures);
                ran(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.threads.get() {
                scope.spawn(work);
            }
        });
        let figures = |slot: Mutex<Option<Result<Figures>>>| {
            let figures = slot.into_inner().expect("nobody else wrote here");
            figures.expect("every run ended")
        };
        let figures = slots.into_iter().map(figures).collect::<Result<Vec<_>>>()?;
        let seeds = self.seeds.clone().count().max(1);
        let line =
            |(runs, (trace, load_pct, rules, _)): (&[Figures], &(usize, i64, Rules, u64))| {
                let (trace, figures) = (self.traces[*trace].0.clone(), Spread::of(runs));
                WaitsLine { trace, load_pct: *load_pct, rules: *rules, seeds, figures }
            };
        Ok(figures.chunks(seeds).zip(order.iter().step_by(seeds)).map(line).collect())
    }

    fn grounds(&self) -> impl Iterator<Item = (usize, i64)> {
        let loads = self.loads_pct;
        (0..self.traces.len()).flat_map(move |trace| loads.iter().map(move |load| (trace, *load)))
    }
}
