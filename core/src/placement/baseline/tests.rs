//! The baselines by hand, and one after another on the same fleet.

use super::*;
use crate::placement::Need;
use crate::placement::draw::Draw;
use crate::units::{CpuMilli, GpuMilli, GpuModel, MemoryMib, NodeId};

fn shape(count: i64, milli: i64, cpu: i64) -> Shape {
    let (gpu_milli, cpu_milli) = (GpuMilli(milli), CpuMilli(cpu));
    Shape::new(count, Need { gpu_milli, cpu_milli, memory_mib: MemoryMib(0) }, &[])
}

/// Nodes with so much CPU, and so much left on each GPU.
fn fleet(nodes: &[(i64, &[i64])]) -> Fleet {
    let mut fleet = Fleet::default();
    for (at, (cpu, left)) in nodes.iter().enumerate() {
        let (id, count) = (NodeId::from(format!("n{at}")), i64::try_from(left.len()).unwrap());
        fleet.add_node(id, &GpuModel::from("G2"), count, CpuMilli(*cpu), MemoryMib(1));
        for (gpu, left) in left.iter().enumerate().filter(|(_, left)| **left < 1_000) {
            fleet.take(at, shape(1, 1_000 - left, 0).need(), GpuSet::one(gpu));
        }
    }
    fleet
}

/// Two busy and six free GPUs.
const MIXED: &[i64] = &[0, 300, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000];

#[test]
fn the_dot_product_is_of_what_is_left_before_placing() {
    // Cpu left, GPU left, the task, 100 (1 - (cpu cpu / 128,000² + gpu gpu / 8,000²) / 2).
    let table: [(i64, &[i64], Shape, i16); 6] = [
        (128_000, &[1_000; 8], shape(8, 1_000, 128_000), 0),
        (128_000, &[1_000; 8], shape(0, 0, 0), 100),
        (96_000, MIXED, shape(1, 500, 8_000), 95), // 95.195
        (96_000, MIXED, shape(0, 0, 64_000), 81),  // 81.25
        (64_000, &[400], shape(1, 400, 32_000), 93), // 93.625
        // A product below 100 is cut towards zero: -100.02.
        (256_000, &[1_000; 16], shape(8, 1_000, 128_002), -100),
    ];
    for (cpu, left, shape, score) in table {
        let fleet = fleet(&[(cpu, left)]);
        assert_eq!(dot_product::score(fleet.node(0), &shape).score, score, "{cpu} {left:?}");
    }
}

#[test]
fn packing_prefers_what_is_in_use() {
    // The first three are those of the published code's own test.
    let table: [(&[i64], Shape, i16, &[i64]); 9] = [
        (&[1_000; 4], shape(2, 1_000, 0), 29, &[0, 1]),
        (&[1_000; 8], shape(2, 1_000, 0), 25, &[0, 1]),
        (&[200, 500, 1_000, 1_000], shape(1, 200, 0), 98, &[0]),
        (&[1_000; 16], shape(1, 200, 0), 17, &[0]),
        (MIXED, shape(1, 200, 0), 97, &[1]),
        (MIXED, shape(1, 400, 0), 49, &[2]),
        (MIXED, shape(4, 1_000, 0), 46, &[2, 3, 4, 5]),
        (MIXED, shape(0, 0, 500), 0, &[]),
        (&[950], shape(1, 900, 0), 91, &[0]),
    ];
    for (left, shape, score, gpus) in table {
        let scored = packing::score(fleet(&[(1_000, left)]).node(0), &shape);
        assert_eq!((scored.score, scored.gpus), (score, GpuSet::of(gpus)), "{left:?}");
    }
}

#[test]
fn clustering_prefers_nodes_with_the_same_tag_alone() {
    let (slice, pair, single) = (shape(1, 300, 0), shape(2, 1_000, 0), shape(1, 1_000, 0));
    // What runs on the node, with GPU left by then; the task; the score.
    let table: [(&[&Shape], &[i64], &Shape, i16); 7] = [
        (&[], &[1_000; 8], &slice, 25),
        (&[], &[1_000; 2], &slice, 25 + 18),
        (&[&slice], &[700, 1_000], &slice, 75 + 19),
        (&[&slice, &pair], MIXED, &slice, 50 + 5),
        (&[&pair], MIXED, &slice, 5),
        (&[&pair], MIXED, &single, 5),
        (&[&pair], MIXED, &shape(0, 0, 0), 0),
    ];
    for (running, left, shape, score) in table {
        let mut tags = Tags::default();
        running.iter().for_each(|shape| tags.add(shape));
        // A task without GPUs leaves no tag.
        tags.add(&self::shape(0, 0, 7));
        let fleet = fleet(&[(1_000, left)]);
        let scored = clustering::score(fleet.node(0), &tags, shape);
        assert_eq!(scored.score, score, "{running:?} {left:?}");
        running.iter().for_each(|shape| tags.remove(shape));
        assert_eq!(tags, Tags::default());
    }
}

#[test]
fn a_contest_keeps_tags_as_tasks_come_and_go() {
    let (slice, single) = (shape(1, 300, 0), shape(1, 1_000, 0));
    let fleet = fleet(&[(9_000, &[1_000; 4]), (9_000, &[1_000; 4])]);
    let mut contest = Contest::new(Baseline::Clustering, fleet);
    let place = |contest: &mut Contest, shape: &Shape| {
        let spot = contest.choose(shape).unwrap();
        contest.place(shape, spot);
        spot
    };
    let first = place(&mut contest, &slice);
    assert_eq!((first.node, place(&mut contest, &single).node), (0, 1));
    // Both are full alike; the one with the tag wins.
    let second = place(&mut contest, &single);
    assert_eq!(second.node, 1);
    // With the slice gone, the fuller node no longer matters: it is the only one without tags.
    contest.remove(&slice, first);
    contest.remove(&single, second);
    assert_eq!(place(&mut contest, &slice).node, 0);
}

/// The first of the nodes with the highest score, all of them asked.
fn plain(contest: &Contest, shape: &Shape) -> Option<Spot> {
    let nodes = contest.fleet.nodes().iter().enumerate().filter(|(_, node)| node.fits(shape));
    let scored = nodes.map(|(at, node)| {
        let scored = match contest.baseline {
            Baseline::DotProduct => dot_product::score(node, shape),
            Baseline::Packing => packing::score(node, shape),
            Baseline::Clustering => clustering::score(node, &contest.tags[at], shape),
        };
        (scored.score, Spot { node: at, gpus: scored.gpus })
    });
    let first = |best: (i16, Spot), next: (i16, Spot)| if best.0 < next.0 { next } else { best };
    scored.reduce(first).map(|(_, spot)| spot)
}

#[test]
fn a_choice_with_memory_is_the_plain_choice() {
    let mut draw = Draw::new(31);
    let shapes = [(0, 0), (1, 300), (1, 550), (1, 810), (1, 1_000), (2, 1_000), (4, 1_000)];
    let shapes = shapes.map(|(count, milli)| shape(count, milli, count * 3_000 + 500));
    for baseline in [Baseline::DotProduct, Baseline::Packing, Baseline::Clustering] {
        let nodes = [4, 2, 8, 8, 1, 4].map(|gpus| (40_000, &[1_000; 8][..gpus]));
        let mut contest = Contest::new(baseline, fleet(&nodes));
        let mut placed: Vec<(Shape, Spot)> = vec![];
        for _ in 0..800 {
            let shape = &shapes[draw.below(shapes.len())];
            let spot = contest.choose(shape);
            assert_eq!(spot, plain(&contest, shape), "{baseline:?} {shape:?}");
            if let Some(spot) = spot {
                contest.place(shape, spot);
                placed.push((shape.clone(), spot));
            }
            if draw.below(3) == 0 {
                let (shape, spot) = placed.swap_remove(draw.below(placed.len()));
                contest.remove(&shape, spot);
            }
        }
        assert!(contest.fleet.gpus().used_milli.0 > 15_000, "the fleet was seldom full");
    }
}
