//! Needs that found no place: whoever needs as much or more, on no other models, finds none either.

use crate::placement::{Fleet, Room};
use crate::state::GangNeed;

/// Needs that found no place before it pays to ask first what the nodes have left: about as many
/// are looked up in the time that it takes to go through the nodes.
const ADDED_BEFORE_ROOM: usize = 32;
/// Amounts kept of what the nodes of one model have left.
const LEFT_MAX: usize = 64;

/// Needs that found no place in nodes from which nothing was given back since.
#[derive(Debug, Default)]
pub(crate) struct NoPlace {
    /// None of them rules out another.
    least: Vec<GangNeed>,
    added: usize,
    room: Option<Room>,
}

impl NoPlace {
    /// Whether `need` finds no place, as far as can be told without looking for one.
    pub(crate) fn rules_out(&self, need: &GangNeed) -> bool {
        self.room.as_ref().is_some_and(|room| !room.may_fit_one(need))
            || self.least.iter().any(|failed| need.is_no_easier_than(failed))
    }

    /// Remembers that `need`, which was not ruled out, found none in `fleet`.
    pub(crate) fn add(&mut self, fleet: &Fleet, need: GangNeed) {
        self.least.retain(|failed| !failed.is_no_easier_than(&need));
        self.least.push(need);
        self.added += 1;
        if self.added == ADDED_BEFORE_ROOM {
            self.room = Some(Room::of(fleet, LEFT_MAX));
        }
    }

    /// Less is left than before. What was ruled out still is, and more may be.
    pub(crate) fn after_grant(&mut self) {
        (self.added, self.room) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{PlacementPolicy, Topology};
    use crate::placement::{Fleet, Gang, GpuSet, Need, Placer, Shape};
    use crate::units::{CpuMilli, GpuMilli, GpuModel, MemoryMib, NodeId};
    use proptest::prelude::*;

    const MODELS: [&str; 3] = ["A100", "H100", "T4"];

    /// Few amounts, so that needs meet that differ in one thing.
    fn need() -> impl Strategy<Value = GangNeed> {
        let gpus = prop_oneof![Just((0, 0)), Just((1, 300)), Just((1, 1_000)), Just((3, 1_000))];
        let models = proptest::collection::vec(0..MODELS.len(), 0..3);
        let topology =
            prop_oneof![Just(Topology::None), Just(Topology::SameNode), Just(Topology::SameGroup)];
        (gpus, 1..4_i64, 0..3_i64, 0..3_i64, models, topology).prop_map(
            |((gpu_count, gpu_milli), replicas, cpu, memory, models, topology)| GangNeed {
                replicas,
                gpu_count,
                gpu_milli: GpuMilli(gpu_milli),
                cpu_milli: CpuMilli(cpu * 1_000),
                memory_mib: MemoryMib(memory),
                gpu_models: models.into_iter().map(|model| GpuModel::from(MODELS[model])).collect(),
                topology: topology.of_gang(replicas),
            },
        )
    }

    /// Nodes with little of everything: most needs find no place.
    fn fleet() -> impl Strategy<Value = Fleet> {
        let taken = prop_oneof![Just(0), Just(500), Just(800), Just(1_000)];
        let node = (0..MODELS.len(), 0..5_i64, 0..4_i64, 0..4_i64, taken, 0..3_usize);
        proptest::collection::vec(node, 1..6).prop_map(|nodes| {
            let mut fleet = Fleet::default();
            for ((model, gpus, cpu, memory, taken, group), n) in nodes.into_iter().zip(0..) {
                let (cpu, memory) = (CpuMilli(cpu * 1_000), MemoryMib(memory));
                let (id, model) = (NodeId::from(format!("n{n}")), GpuModel::from(MODELS[model]));
                fleet.add_node(id.clone(), &model, gpus, cpu, memory);
                if group > 0 {
                    fleet.join_group(&id, ["west", "east"][group - 1]);
                }
                if gpus > 0 && taken > 0 {
                    let need = Need { gpu_milli: GpuMilli(taken), ..Need::default() };
                    fleet.take(n, &need, GpuSet::one(0));
                }
            }
            fleet
        })
    }

    fn finds_place(fleet: &mut Fleet, need: &GangNeed) -> bool {
        let GangNeed {
            replicas,
            gpu_count,
            gpu_milli,
            cpu_milli,
            memory_mib,
            gpu_models,
            topology,
        } = need;
        let of_one = Need { gpu_milli: *gpu_milli, cpu_milli: *cpu_milli, memory_mib: *memory_mib };
        let mut placer = Placer::new(PlacementPolicy::BestFit, &[]);
        let mut finds = |models: &[GpuModel]| {
            let shape = Shape::new(*gpu_count, of_one, models);
            placer.choose_gang(fleet, &Gang::new(shape, *replicas, *topology), 0).is_some()
        };
        let is_any = *gpu_count == 0 || gpu_models.is_empty();
        if is_any { finds(&[]) } else { gpu_models.iter().any(|m| finds(std::slice::from_ref(m))) }
    }

    proptest! {
        #[test]
        fn room_tells_whether_one_replica_fits_and_never_denies_it_wrongly(
            mut fleet in fleet(),
            need in need(),
            left_max in 1..3_usize,
        ) {
            let need = GangNeed { replicas: 1, topology: Topology::None, ..need };
            let fits = finds_place(&mut fleet, &need);
            prop_assert_eq!(Room::of(&fleet, LEFT_MAX).may_fit_one(&need), fits);
            prop_assert!(!fits || Room::of(&fleet, left_max).may_fit_one(&need));
        }

        #[test]
        fn a_need_that_is_ruled_out_finds_no_place(
            mut fleet in fleet(),
            needs in proptest::collection::vec(need(), 1..40),
            left_max in proptest::option::of(1..3_usize),
        ) {
            let room = left_max.map(|left_max| Room::of(&fleet, left_max));
            let mut no_place = NoPlace { room, ..NoPlace::default() };
            for need in needs {
                let finds_place = finds_place(&mut fleet, &need);
                if no_place.rules_out(&need) {
                    prop_assert!(!finds_place, "{need:?} in spite of {no_place:?}");
                } else if !finds_place {
                    no_place.add(&fleet, need);
                }
            }
            for (at, one) in no_place.least.iter().enumerate() {
                let others = no_place.least.iter().enumerate().filter(|(other, _)| *other != at);
                let mut others = others.map(|(_, other)| other);
                prop_assert!(!others.any(|other| one.is_no_easier_than(other)), "{one:?}");
            }
        }
    }
}
