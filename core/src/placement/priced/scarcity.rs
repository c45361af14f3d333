//! How scarce the GPUs of each model would be if the fleet were full of the target workload.

use super::super::fleet::Fleet;
use super::super::shape::Shape;
use crate::units::GpuModel;
use std::collections::BTreeMap;

/// A load or a scarcity of one, in millionths.
const ONE_PPM: i64 = 1_000_000;

/// Parts into which a demand is divided before it is spread over the models that it accepts.
const PARTS: i128 = 100;

/// One model of a fleet while demand is spread.
struct Supply<'a> {
    model: &'a GpuModel,
    /// GPU milli of its nodes, more than none.
    milli: i128,
    /// What is asked of it, in hundredths of milli.
    asked: i128,
}

/// Per model of `fleet`, how scarce it is: the cube of its load, in millionths.
///
/// The target is scaled to ask for exactly the fleet's GPUs. What names models is spread over those
/// in a hundred equal parts, each to the one with the lowest load, fewest accepted models first;
/// what accepts any model loads none. A load of more than one counts as one.
pub(super) fn of(fleet: &Fleet, target: &[(Shape, i64)]) -> Vec<i64> {
    let supply = |(model, milli): (_, &i64)| Supply { model, milli: i128::from(*milli), asked: 0 };
    let known = fleet.models().iter().zip(fleet.gpu_milli_by_model());
    let mut supplies: Vec<Supply<'_>> = known.map(supply).filter(|s| s.milli > 0).collect();
    supplies.sort_by_key(|supply| supply.model);
    let milli = |(shape, count): &(Shape, i64)| i128::from(shape.gpu_milli_total() * count);
    let asked: i128 = target.iter().map(milli).sum();
    let mut named: BTreeMap<(usize, &[GpuModel]), i128> = BTreeMap::new();
    for task in target.iter().filter(|(shape, _)| !shape.models().is_empty()) {
        *named.entry((task.0.models().len(), task.0.models())).or_insert(0) += milli(task);
    }
    let capacity: i128 = supplies.iter().map(|supply| supply.milli).sum();
    for ((_, models), milli) in named {
        spread(&mut supplies, models, milli * capacity / asked);
    }
    let ppm = |model: &GpuModel| {
        let supply = supplies.iter().find(|supply| supply.model == model);
        supply.map_or(0, Supply::scarcity_ppm)
    };
    fleet.models().iter().map(ppm).collect()
}

/// `milli` are asked of the `models` together.
fn spread(supplies: &mut [Supply<'_>], models: &[GpuModel], milli: i128) {
    for _ in 0..PARTS {
        let accepted = supplies.iter_mut().filter(|supply| models.contains(supply.model));
        let least = accepted.reduce(|least, supply| {
            let is_lower = supply.asked * least.milli < least.asked * supply.milli;
            if is_lower { supply } else { least }
        });
        let Some(least) = least else {
            return; // Nothing of what is asked for is there.
        };
        least.asked += milli;
    }
}

impl Supply<'_> {
    fn scarcity_ppm(&self) -> i64 {
        let load = self.asked * i128::from(ONE_PPM) / (self.milli * PARTS);
        let load = i64::try_from(load).map_or(ONE_PPM, |load| load.min(ONE_PPM));
        load * load / ONE_PPM * load / ONE_PPM
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::shape::Need;
    use super::*;
    use crate::units::{CpuMilli, GpuMilli, MemoryMib, NodeId};

    fn fleet(nodes: &[(&str, i64)]) -> Fleet {
        let mut fleet = Fleet::default();
        for (at, (model, gpus)) in nodes.iter().enumerate() {
            let (id, model) = (NodeId::from(format!("n{at}")), GpuModel::from(*model));
            fleet.add_node(id, &model, *gpus, CpuMilli(1), MemoryMib(1));
        }
        fleet
    }

    fn task(models: &[&str], count: i64) -> (Shape, i64) {
        let models: Vec<GpuModel> = models.iter().map(|name| GpuModel::from(*name)).collect();
        (Shape::new(1, Need { gpu_milli: GpuMilli(1_000), ..Need::default() }, &models), count)
    }

    #[test]
    fn scarcity_is_the_cube_of_the_load_that_names_a_model() {
        let fleet = fleet(&[("T4", 2), ("G2", 8), ("", 0), ("T4", 2), ("A10", 8)]);
        let table = [
            (vec![], [0, 0, 0, 0]),
            (vec![task(&[], 7)], [0, 0, 0, 0]),
            // A tenth of 20 GPUs is half of the four T4.
            (vec![task(&["T4"], 1), task(&[], 9)], [125_000, 0, 0, 0]),
            // Half of 20 GPUs is more than four; what only an absent model can do loads nothing.
            (vec![task(&["T4"], 1), task(&["H100"], 1)], [1_000_000, 0, 0, 0]),
            // Two GPUs on T4 first, then eight where load is least: all loads are a half.
            (
                vec![task(&["A10", "G2", "T4"], 4), task(&["T4"], 1), task(&[], 5)],
                [125_000, 125_000, 0, 125_000],
            ),
        ];
        for (target, scarcities) in table {
            assert_eq!(of(&fleet, &target), scarcities, "{target:?}");
        }
    }
}
