//! A workload calibrated to the published figures of the openb trace: the same fleet by model, the
//! same mix of shapes, the same spread of durations. Nothing in it was copied from the trace's
//! rows.

use super::source::{Job, JobClass, Source, node};
use conclave_core::command::RegisterNode;
use conclave_core::placement::draw::Draw;
use conclave_core::units::{CpuMilli, GpuMilli, MemoryMib};

/// Jobs of the published default trace.
pub const JOBS_DEFAULT: usize = 8_152;

/// Model, nodes, GPUs per node, CPU milli and memory of each: 1,213 nodes, 6,212 GPUs and within
/// 0.1 % of the published 107,018 vCPU.
const FLEET: &[(&str, usize, i64, i64, i64)] = &[
    ("G2", 549, 8, 96_000, 786_432),
    ("T4", 406, 2, 104_000, 262_144),
    ("T4", 15, 2, 48_000, 131_072),
    ("G3", 39, 8, 128_000, 786_432),
    ("V100M32", 6, 8, 64_000, 524_288),
    ("V100M32", 39, 4, 32_000, 262_144),
    ("V100M16", 24, 8, 96_000, 524_288),
    ("V100M16", 1, 3, 36_000, 262_144),
    ("P100", 132, 2, 16_000, 131_072),
    ("P100", 1, 1, 8_000, 65_536),
    ("A10", 1, 2, 256_000, 524_288),
];

/// GPUs, milli of each, CPU milli, memory, and how many of 10,000 jobs look like this: 13.3 % CPU
/// only, 37.8 % slices in the published sizes, 48.0 % one whole GPU, 0.9 % more.
const SHAPES: &[(i64, i64, i64, i64, i64)] = &[
    (0, 0, 4_000, 8_192, 500),
    (0, 0, 8_000, 16_384, 430),
    (0, 0, 32_000, 65_536, 400),
    (1, 470, 6_000, 12_288, 935),
    (1, 320, 4_000, 8_192, 409),
    (1, 650, 8_000, 16_384, 316),
    (1, 810, 8_000, 24_576, 1_344),
    (1, 230, 4_000, 8_192, 175),
    (1, 460, 6_000, 12_288, 160),
    (1, 590, 6_000, 16_384, 94),
    (1, 160, 2_000, 6_144, 92),
    (1, 550, 6_000, 16_384, 90),
    (1, 220, 4_000, 8_192, 77),
    (1, 370, 4_000, 12_288, 59),
    (1, 110, 2_000, 4_096, 29),
    (1, 1_000, 4_000, 16_384, 1_400),
    (1, 1_000, 8_000, 32_768, 2_100),
    (1, 1_000, 12_000, 49_152, 1_300),
    (2, 1_000, 16_000, 65_536, 40),
    (4, 1_000, 32_000, 131_072, 20),
    (8, 1_000, 64_000, 262_144, 30),
];

/// How many of 10,000 jobs are of each class.
const CLASSES: &[(JobClass, i64)] = &[
    (JobClass::LatencySensitive, 5_700),
    (JobClass::BestEffort, 4_168),
    (JobClass::Burstable, 123),
    (JobClass::Guaranteed, 9),
];

/// Seconds that a job takes at each tenth of all jobs, from the shortest to the longest: median
/// 540, a tenth under 80 and a tenth over 6,574 as in the trace. Its jobs of days and months are
/// left out: within the hours of a demo they would only ever start.
const DURATIONS_S: [i64; 11] = [10, 80, 160, 260, 380, 540, 850, 1_400, 2_700, 6_574, 20_000];

impl Source {
    /// The published fleet and `jobs` jobs drawn with `seed`.
    #[must_use]
    pub fn synthetic(seed: u64, jobs: usize) -> Self {
        let mut draw = Draw::new(seed);
        let mut created_s = 0;
        let jobs = (0..jobs).map(|index| {
            created_s += below(&mut draw, gap_s_max(index, jobs));
            job(&mut draw, index, created_s)
        });
        Self { jobs: jobs.collect(), nodes: fleet() }
    }
}

/// The longest gap before a job. Arrivals come in waves, and the last one ends the demo: four
/// waves, each with a busy half that brings three times as many jobs as the quiet half before it.
/// The demo scales all gaps to the load that it wants.
fn gap_s_max(index: usize, jobs: usize) -> i64 {
    let eighth_of_wave = index * 32 / jobs.max(1) % 8;
    if eighth_of_wave < 2 { 360 } else { 120 }
}

fn fleet() -> Vec<RegisterNode> {
    let classes = FLEET.iter().flat_map(|row| std::iter::repeat_n(row, row.1));
    let named = classes.enumerate().map(|(index, (model, _, gpus, cpu, memory))| {
        node(format!("node-{index:04}"), model, *gpus, *cpu, *memory)
    });
    named.collect()
}

fn job(draw: &mut Draw, index: usize, created_s: i64) -> Job {
    let shape = weighted(draw, SHAPES, |shape| shape.4);
    let (gpu_count, gpu_milli, cpu_milli, memory_mib, _) = *shape;
    let (class, _) = *weighted(draw, CLASSES, |class| class.1);
    Job {
        name: format!("job-{index:05}"),
        cpu_milli: CpuMilli(cpu_milli),
        memory_mib: MemoryMib(memory_mib),
        gpu_count,
        gpu_milli: GpuMilli(gpu_milli),
        gpu_models: vec![],
        class,
        created_s,
        duration_s: duration_s(draw),
    }
}

/// Even within a tenth: the table does the bending.
fn duration_s(draw: &mut Draw) -> i64 {
    let tenth = draw.below(DURATIONS_S.len() - 1);
    let (from, to) = (DURATIONS_S[tenth], DURATIONS_S[tenth + 1]);
    from + below(draw, to - from)
}

fn weighted<'a, T>(draw: &mut Draw, rows: &'a [T], weight: impl Fn(&T) -> i64) -> &'a T {
    let total: i64 = rows.iter().map(&weight).sum();
    let mut at = below(draw, total);
    let found = rows.iter().find(|row| {
        at -= weight(row);
        at < 0
    });
    found.expect("the draw is below the sum of all weights")
}

fn below(draw: &mut Draw, bound: i64) -> i64 {
    let bound = usize::try_from(bound).expect("bounds are positive");
    i64::try_from(draw.below(bound)).expect("a number below an i64")
}
