//! Shapes, targets and fleets for tests, drawn from a seed.

use super::super::draw::Draw;
use super::super::fleet::Fleet;
use super::super::shape::{GpuSet, Kind, Need, Shape};
use crate::command::TargetShape;
use crate::units::{CpuMilli, GpuMilli, GpuModel, MemoryMib, NodeId};

const MODELS: [&str; 3] = ["A10", "G2", "T4"];

/// A shape of any kind.
pub(super) fn drawn_shape(draw: &mut Draw) -> Shape {
    let milli = |tens: usize| i64::try_from(tens * 10).unwrap();
    let (count, milli) = match draw.below(8) {
        0 => (0, 0),
        1..=4 => (1, milli(1 + draw.below(99))),
        5 => (2, 1_000),
        6 => (4, 1_000),
        _ => (1, 1_000),
    };
    let cpu_milli = CpuMilli(i64::try_from(draw.below(9) * 2_500).unwrap());
    let models = &MODELS[draw.below(3)..][..draw.below(2)];
    let models: Vec<GpuModel> = models.iter().map(|name| GpuModel::from(*name)).collect();
    let memory_mib = MemoryMib(0);
    Shape::new(count, Need { gpu_milli: GpuMilli(milli), cpu_milli, memory_mib }, &models)
}

/// Up to eight shapes.
pub(super) fn drawn_target(draw: &mut Draw) -> Vec<TargetShape> {
    let shapes = (0..draw.below(9)).map(|_| drawn_shape(draw)).collect::<Vec<_>>();
    let expected = |shape: &Shape| TargetShape {
        cpu_milli: shape.need().cpu_milli,
        gpu_count: i64::try_from(shape.gpu_count()).unwrap(),
        gpu_milli: shape.need().gpu_milli,
        gpu_models: shape.models().to_vec(),
        count: i64::try_from(1 + draw.below(500)).unwrap(),
    };
    shapes.iter().map(expected).collect()
}

/// Nodes of every model, some of them partly taken.
pub(super) fn drawn_fleet(draw: &mut Draw) -> Fleet {
    let mut fleet = Fleet::default();
    for at in 0..3 + draw.below(6) {
        let (id, model) = (NodeId::from(format!("n{at}")), GpuModel::from(MODELS[at % 3]));
        let gpus = i64::try_from(1 + draw.below(8)).unwrap();
        let cpu = i64::try_from(draw.below(12) * 10_000).unwrap();
        fleet.add_node(id, &model, gpus, CpuMilli(cpu), MemoryMib(0));
    }
    for _ in 0..draw.below(30) {
        let (shape, node) = (drawn_shape(draw), draw.below(fleet.nodes().len()));
        let node_gpus = fleet.node(node).gpu_left().iter();
        let fits = node_gpus.map(|left| i64::from(*left) >= shape.need().gpu_milli.0);
        let gpu = fits.enumerate().filter(|(_, fits)| *fits).map(|(gpu, _)| gpu).next_back();
        let (Some(gpu), true) = (gpu, fleet.node(node).fits(&shape)) else { continue };
        let gpus = match shape.kind() {
            Kind::CpuOnly => GpuSet::NONE,
            Kind::Slice => GpuSet::one(gpu),
            Kind::Whole => fleet.node(node).lowest_free(&shape),
        };
        fleet.take(node, shape.need(), gpus);
    }
    fleet
}
