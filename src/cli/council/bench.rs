//! What a decision costs: one step of every member of a tenant's state, and its logits, on every
//! machine that is here, by the size of the batch.

use crate::council::engine::Crossover;
use crate::council::engine::plan::shortest;
use crate::council::{CpuCouncil, Engines, Way};
use crate::error::{Error, Result};
use conclave_core::council::{CouncilFile, Runner};
use conclave_gpu::{
    AdapterKind, BATCH_SIZES, BatchFigure, GpuCouncil, Software, adapters, one_step_each,
};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Bench {
    /// Threads of `all cores`.
    threads: usize,
    ways: Vec<WayFigures>,
    crossovers: Vec<CrossoverFigure>,
    /// Adapters that are here and are not fit, with the reason.
    refused: Vec<String>,
}

/// One way to compute, at all sizes.
#[derive(Debug, Serialize)]
struct WayFigures {
    way: String,
    /// What an adapter says of itself.
    adapter: Option<String>,
    /// Whether that is the processor in disguise.
    is_software: bool,
    figures: Vec<Figure>,
}

#[derive(Debug, Serialize)]
struct Figure {
    batch: usize,
    microseconds_per_decision: f64,
}

/// From which batch size on an adapter is the faster one.
#[derive(Debug, Serialize)]
struct CrossoverFigure {
    way: String,
    against: String,
    /// None when it is at no size.
    decisions: Option<usize>,
}

const ALL_CORES: &str = "all cores";

impl Bench {
    /// Measures the reference, every way that this processor has, all of its cores, and the
    /// adapters; a batch is a decision each of as many tenants.
    pub(super) fn of(file: CouncilFile, software: Software) -> Result<Self> {
        let file = Arc::new(file);
        let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let mut ways = vec![WayFigures::of("reference", &on(&file, file.council()))];
        let mut one_core = vec![];
        for way in Way::all() {
            one_core = on(&file, &CpuCouncil::new(&file, way)?);
            ways.push(WayFigures::of(way.name(), &one_core));
        }
        let all_cores = on(&file, &Engines::cpu().with_threads(threads).engine(&file)?);
        ways.push(WayFigures::of(ALL_CORES, &all_cores));
        let (mut crossovers, mut refused) = (vec![], vec![]);
        let fastest = ways[ways.len() - 2].way.clone();
        let unavailable = |fault| Error::unavailable("adapters cannot be listed").caused_by(fault);
        for (adapter, number) in adapters(software).map_err(unavailable)?.iter().zip(1..) {
            let started = GpuCouncil::start(Arc::clone(&file), adapter);
            let card = adapter.card();
            match started.and_then(|gpu| conclave_gpu::measure(&gpu)) {
                Ok(on_gpu) => {
                    let way = format!("gpu {number}");
                    for (against, on_cpu) in [(&*fastest, &one_core), (ALL_CORES, &all_cores)] {
                        crossovers.push(CrossoverFigure::of(&way, &on_gpu, against, on_cpu));
                    }
                    ways.push(WayFigures {
                        adapter: Some(card.to_string()),
                        is_software: card.kind == AdapterKind::Software,
                        ..WayFigures::of(&way, &on_gpu)
                    });
                }
                Err(fault) => refused.push(format!("{card}: {fault}")),
            }
        }
        Ok(Self { threads: threads.get(), ways, crossovers, refused })
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let sizes: String = BATCH_SIZES.iter().map(|size| format!("{size:>9}")).collect();
        let mut lines = vec![
            "microseconds per decision, by decisions of a batch".to_owned(),
            format!("{:<10}{sizes}", ""),
        ];
        lines.extend(self.ways.iter().map(WayFigures::line));
        lines.push(format!("all cores are {} threads, used from 1,024 decisions on", self.threads));
        for WayFigures { way, adapter, is_software, .. } in &self.ways {
            let note = if *is_software { ": the processor in disguise, no GPU" } else { "" };
            lines.extend(adapter.iter().map(|adapter| format!("{way} is {adapter}{note}")));
        }
        lines.extend(self.crossovers.iter().map(CrossoverFigure::line));
        lines.extend(self.refused.iter().map(|why| format!("not fit: {why}")));
        lines
    }
}

impl WayFigures {
    fn of(way: &str, figures: &[BatchFigure]) -> Self {
        let figure = |figure: &BatchFigure| Figure {
            batch: figure.decisions,
            microseconds_per_decision: figure.batch.as_secs_f64() * 1e6 / figure.decisions as f64,
        };
        let figures = figures.iter().map(figure).collect();
        Self { way: way.to_owned(), adapter: None, is_software: false, figures }
    }

    fn line(&self) -> String {
        let figure = |figure: &Figure| format!("{:>9.2}", figure.microseconds_per_decision);
        format!("{:<10}{}", self.way, self.figures.iter().map(figure).collect::<String>())
    }
}

impl CrossoverFigure {
    fn of(way: &str, on_gpu: &[BatchFigure], against: &str, on_cpu: &[BatchFigure]) -> Self {
        let decisions = Crossover::of(on_gpu, on_cpu).decisions();
        Self { way: way.to_owned(), against: against.to_owned(), decisions }
    }

    fn line(&self) -> String {
        let Self { way, against, decisions } = self;
        match decisions {
            Some(least) => format!("{way} is faster than {against} from {least} decisions on"),
            None => format!("{way} is faster than {against} at no size"),
        }
    }
}

fn on(file: &CouncilFile, runner: &impl Runner) -> Vec<BatchFigure> {
    let figure = |decisions| {
        let batch = shortest(runner, &one_step_each(file.council(), decisions));
        BatchFigure { decisions, batch }
    };
    BATCH_SIZES.map(figure).into()
}
