//! Laws of placement: a quick choice is the plain formula's choice, and a fleet never holds more
//! than it owns.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "placement/plain.rs"]
mod plain;
#[path = "placement/plain_gang.rs"]
mod plain_gang;

use conclave_core::command::{PlacementPolicy, TargetShape, Topology};
use conclave_core::placement::{
    Fleet, Gang, GpuSet, Kind, Need, OutOfService, Placer, Shape, Spot,
};
use conclave_core::units::*;
use proptest::prelude::*;

const MODELS: [&str; 3] = ["A10", "G2", "T4"];
const GROUPS: [&str; 3] = ["", "east", "west"];
const POLICIES: [PlacementPolicy; 4] = [
    PlacementPolicy::Random,
    PlacementPolicy::BestFit,
    PlacementPolicy::Fgd,
    PlacementPolicy::Default,
];

#[derive(Clone, Debug)]
enum Step {
    Add { model: usize, gpus: i64, cpu: i64, memory: i64, group: usize },
    Drain(usize),
    Health(usize, bool),
    Remove(usize),
    Place(Shape),
    GiveBack(usize),
    Gang(Shape, i64, Topology),
}

fn models() -> impl Strategy<Value = Vec<GpuModel>> {
    let some = proptest::sample::subsequence(MODELS.to_vec(), 0..=2);
    some.prop_map(|names| names.into_iter().map(GpuModel::from).collect())
}

fn shape() -> impl Strategy<Value = Shape> {
    let gpus = prop_oneof![
        1 => Just((0, 0)),
        3 => (1..100_i64).prop_map(|tens| (1, tens * 10)),
        2 => prop_oneof![Just(1), Just(2), Just(4)].prop_map(|count| (count, 1_000)),
    ];
    (gpus, 0..6_i64, 0..5_i64, models()).prop_map(|((count, milli), cpu, memory, models)| {
        let (cpu_milli, memory_mib) = (CpuMilli(cpu * 4_000), MemoryMib(memory * 16));
        Shape::new(count, Need { gpu_milli: GpuMilli(milli), cpu_milli, memory_mib }, &models)
    })
}

/// Few distinct shapes, so that each is asked for again while its scores are kept.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(shape(), 1..6).prop_flat_map(|shapes| {
        let shape = proptest::sample::select(shapes);
        let add = (0..MODELS.len(), 0..=8_i64, 0..=96_i64, 0..=256_i64, 0..GROUPS.len());
        let add = add.prop_map(|(model, gpus, cpu, memory, group)| {
            let cpu = cpu * 1_000;
            Step::Add { model, gpus, cpu, memory, group }
        });
        let topology = [Topology::None, Topology::SameNode, Topology::SameGroup];
        let topology = proptest::sample::select(topology.to_vec());
        let step = prop_oneof![
            1 => add.clone(),
            1 => any::<usize>().prop_map(Step::Drain),
            2 => any::<(usize, bool)>().prop_map(|(pick, is)| Step::Health(pick, is)),
            1 => any::<usize>().prop_map(Step::Remove),
            12 => shape.clone().prop_map(Step::Place),
            6 => any::<usize>().prop_map(Step::GiveBack),
            3 => (shape, 1..9_i64, topology)
                .prop_map(|(shape, replicas, topology)| Step::Gang(shape, replicas, topology)),
        ];
        let begin = proptest::collection::vec(add, 1..8);
        let steps = proptest::collection::vec(step, 1..120);
        (begin, steps).prop_map(|(begin, steps)| [begin, steps].concat())
    })
}

fn target() -> impl Strategy<Value = Vec<TargetShape>> {
    let shapes = proptest::collection::vec((shape(), 1..900_i64), 0..8);
    shapes.prop_map(|shapes| shapes.iter().map(|(shape, count)| expected(shape, *count)).collect())
}

fn expected(shape: &Shape, count: i64) -> TargetShape {
    TargetShape {
        cpu_milli: shape.need().cpu_milli,
        gpu_count: i64::try_from(shape.gpu_count()).unwrap(),
        gpu_milli: shape.need().gpu_milli,
        gpu_models: shape.models().to_vec(),
        count,
    }
}

fn add(fleet: &mut Fleet, name: usize, model: &str, gpus: i64, cpu: i64, memory: i64) {
    let id = NodeId::from(format!("n{name}"));
    fleet.add_node(id, &GpuModel::from(model), gpus, CpuMilli(cpu), MemoryMib(memory));
}

/// A fleet, what runs on it by node name, and how many nodes it ever had.
#[derive(Clone, Default)]
struct World {
    fleet: Fleet,
    held: Vec<(NodeId, GpuSet, Need)>,
    added: usize,
}

impl World {
    fn act(&mut self, step: &Step, mut choose: impl FnMut(&mut Fleet, &Shape) -> Option<Spot>) {
        let id = |fleet: &Fleet, pick: usize| {
            let count = fleet.nodes().len();
            (count > 0).then(|| fleet.node(pick % count).id().clone())
        };
        match step {
            Step::Add { model, gpus, cpu, memory, group } => {
                add(&mut self.fleet, self.added, MODELS[*model], *gpus, *cpu, *memory);
                if *group > 0 {
                    let id = NodeId::from(format!("n{}", self.added));
                    self.fleet.join_group(&id, GROUPS[*group]);
                }
                self.added += 1;
            }
            Step::Drain(pick) => {
                if let Some(id) = id(&self.fleet, *pick) {
                    self.fleet.drain(&id);
                }
            }
            Step::Health(pick, is_healthy) => {
                if let Some(id) = id(&self.fleet, *pick) {
                    self.fleet.set_health(&id, *is_healthy);
                }
            }
            Step::Remove(pick) => {
                let id = id(&self.fleet, *pick);
                let empty =
                    |id: &NodeId| self.fleet.node(self.fleet.index_of(id).unwrap()).is_empty();
                if let Some(id) = id.filter(empty) {
                    self.fleet.remove(&id);
                    assert_eq!(self.fleet.index_of(&id), None);
                }
            }
            Step::Place(shape) | Step::Gang(shape, ..) => {
                if let Some(spot) = choose(&mut self.fleet, shape) {
                    self.fleet.take(spot.node, shape.need(), spot.gpus);
                    let id = self.fleet.node(spot.node).id().clone();
                    self.held.push((id, spot.gpus, *shape.need()));
                }
            }
            Step::GiveBack(pick) => {
                if !self.held.is_empty() {
                    let (id, gpus, need) = self.held.swap_remove(pick % self.held.len());
                    self.fleet.give_back(self.fleet.index_of(&id).unwrap(), &need, gpus);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(160)
    })]

    #[test]
    fn a_choice_with_memory_of_earlier_ones_is_the_plain_choice(
        steps in steps(),
        target in target(),
    ) {
        for policy in [PlacementPolicy::BestFit, PlacementPolicy::Fgd] {
            let mut placer = Placer::new(policy, &target);
            let mut world = World::default();
            for step in &steps {
                world.act(step, |fleet, shape| {
                    let chosen = placer.choose(fleet, shape, 0);
                    assert_eq!(chosen, plain::choose(policy, fleet, shape, &target), "{shape:?}");
                    chosen
                });
            }
        }
    }

    #[test]
    fn a_choice_by_prices_with_memory_is_the_choice_of_a_new_placer(
        steps in steps(),
        target in target(),
    ) {
        let mut placer = Placer::new(PlacementPolicy::Default, &target);
        let mut world = World::default();
        for step in &steps {
            world.act(step, |fleet, shape| {
                let chosen = placer.choose(fleet, shape, 0);
                let mut fresh = Placer::new(PlacementPolicy::Default, &target);
                assert_eq!(chosen, fresh.choose(fleet, shape, 0), "{shape:?}");
                let spot = plain::choose(PlacementPolicy::BestFit, fleet, shape, &target);
                assert_eq!(chosen.is_some(), spot.is_some(), "one of them finds what fits");
                chosen
            });
        }
    }

    #[test]
    fn a_placer_that_is_shown_another_fleet_notices(
        steps in steps(),
        target in target(),
        policy in prop_oneof![Just(PlacementPolicy::Fgd), Just(PlacementPolicy::Default)],
    ) {
        let mut placer = Placer::new(policy, &target);
        let mut check = |world: &mut World, step: &Step| {
            world.act(step, |fleet, shape| {
                let chosen = placer.choose(fleet, shape, 0);
                assert_eq!(chosen, Placer::new(policy, &target).choose(fleet, shape, 0));
                chosen
            });
        };
        let (before, after) = steps.split_at(steps.len() / 2);
        let mut world = World::default();
        before.iter().for_each(|step| check(&mut world, step));
        // A copy that goes its own way, from another step on.
        let mut copy = world.clone();
        let news = |model, gpus| Step::Add { model, gpus, cpu: 9_000, memory: 99, group: 0 };
        copy.act(&news(0, 2), |_, _| None);
        world.act(&news(1, 3), |_, _| None);
        for step in after {
            check(&mut world, step);
            check(&mut copy, step);
        }
    }

    #[test]
    fn a_gang_is_placed_whole_where_it_wishes_or_not_at_all_and_takes_nothing_yet(
        steps in steps(),
        target in target(),
        seed: u64,
    ) {
        for policy in POLICIES {
            let mut placer = Placer::new(policy, &target);
            let mut world = World::default();
            for step in &steps {
                if let Step::Gang(shape, replicas, topology) = step {
                    let gang = Gang::new(shape.clone(), *replicas, *topology);
                    let chosen = plain_gang::check(&mut placer, &mut world.fleet, &gang, seed);
                    let plain = match policy {
                        // A draw has no formula, and draws again on a copy are others.
                        PlacementPolicy::Random => None,
                        PlacementPolicy::Default => {
                            let choose = &mut |fleet: &Fleet, shape: &Shape| {
                                Placer::new(policy, &target).choose(fleet, shape, 0)
                            };
                            Some(plain_gang::choose_gang(&world.fleet, &gang, choose))
                        }
                        PlacementPolicy::BestFit | PlacementPolicy::Fgd => {
                            let choose = &mut plain_gang::by(policy, &target);
                            Some(plain_gang::choose_gang(&world.fleet, &gang, choose))
                        }
                    };
                    assert!(plain.is_none_or(|plain| plain == chosen), "{policy:?}: {gang:?}");
                }
                world.act(step, |fleet, shape| placer.choose(fleet, shape, seed));
            }
        }
    }

    #[test]
    fn sums_and_snapshots_follow_from_the_nodes(steps in steps()) {
        let mut placer = Placer::new(PlacementPolicy::Random, &[]);
        let mut world = World::default();
        for step in &steps {
            world.act(step, |fleet, shape| placer.choose(fleet, shape, 1));
            let (all, accepting) = (world.fleet.gpus(), world.fleet.gpus_accepting());
            let sum = |all: bool, of: fn(&conclave_core::placement::Node) -> i64| {
                let nodes = world.fleet.nodes().iter();
                GpuMilli(nodes.filter(|node| all || node.accepts_work()).map(of).sum::<i64>())
            };
            prop_assert_eq!(all.used_milli, sum(true, |node| node.gpu_milli_used()));
            prop_assert_eq!(all.total_milli, sum(true, |node| node.gpu_milli_total()));
            prop_assert_eq!(accepting.used_milli, sum(false, |node| node.gpu_milli_used()));
            prop_assert_eq!(accepting.total_milli, sum(false, |node| node.gpu_milli_total()));
        }
        let bytes = postcard::to_allocvec(&world.fleet).unwrap();
        let read: Fleet = postcard::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&read, &world.fleet);
    }
}

fn slice(gpu_milli: i64, cpu_milli: i64) -> Shape {
    let (gpu_milli, cpu_milli) = (GpuMilli(gpu_milli), CpuMilli(cpu_milli));
    Shape::new(1, Need { gpu_milli, cpu_milli, memory_mib: MemoryMib(1) }, &[])
}

#[test]
fn more_shapes_than_are_remembered_change_no_choice() {
    let target: Vec<TargetShape> = (1..9).map(|n| expected(&slice(n * 110, 1_000), n)).collect();
    let mut placer = Placer::new(PlacementPolicy::Fgd, &target);
    let mut fleet = Fleet::default();
    (0..8).for_each(|node| add(&mut fleet, node, MODELS[node % 3], 4, 64_000, 600));
    for round in 0..3 {
        // 600 shapes in an order that neither starts nor ends with the least recent ones.
        for n in 0..600 {
            let shape = slice(1 + n * 7 % 600, 1 + round);
            let chosen = placer.choose(&fleet, &shape, 0);
            assert_eq!(chosen, plain::choose(PlacementPolicy::Fgd, &fleet, &shape, &target));
            if n % 100 == 7 {
                let spot = chosen.unwrap();
                fleet.take(spot.node, shape.need(), spot.gpus);
            }
        }
    }
}

#[test]
fn more_prepared_rows_than_are_kept_change_no_choice() {
    // 16 models, each with 300 CPU needs of its own: 4,816 rows, of which 4,096 are kept.
    let models: Vec<GpuModel> = (0..16).map(|n| GpuModel::from(format!("m{n}"))).collect();
    let task = |n: i64| TargetShape {
        cpu_milli: CpuMilli(n),
        gpu_models: models[..16 - usize::try_from(n % 16).unwrap()].to_vec(),
        ..expected(&slice(1 + n % 999, 0), n)
    };
    let target: Vec<TargetShape> = (1..=510).map(task).collect();
    let mut fleet = Fleet::default();
    for node in 0..4_800_usize {
        let cpu = i64::try_from(node / 16).unwrap() * 2;
        add(&mut fleet, node, &models[node % 16].0, 1, cpu, 1);
    }
    let mut placer = Placer::new(PlacementPolicy::Fgd, &target);
    for shape in [slice(300, 1), slice(700, 77), slice(300, 1)] {
        let chosen = placer.choose(&fleet, &shape, 0);
        assert_eq!(chosen, plain::choose(PlacementPolicy::Fgd, &fleet, &shape, &target));
    }
}

#[test]
fn could_ever_hold_counts_empty_nodes_that_accept_work() {
    let mut fleet = Fleet::default();
    add(&mut fleet, 0, "G2", 8, 96_000, 400);
    add(&mut fleet, 1, "G2", 8, 96_000, 400);
    add(&mut fleet, 2, "T4", 2, 8_000, 100);
    add(&mut fleet, 3, "", 0, 64_000, 400);
    let shape = |count, milli, cpu, memory, models: &[&str]| {
        let (cpu_milli, memory_mib) = (CpuMilli(cpu), MemoryMib(memory));
        let models: Vec<GpuModel> = models.iter().map(|name| GpuModel::from(*name)).collect();
        Shape::new(count, Need { gpu_milli: GpuMilli(milli), cpu_milli, memory_mib }, &models)
    };
    let table = [
        (shape(8, 1_000, 0, 0, &[]), 2),
        (shape(2, 1_000, 0, 0, &[]), 9),
        (shape(2, 1_000, 0, 0, &["T4", "V100"]), 1),
        (shape(3, 1_000, 0, 0, &["T4"]), 0),
        (shape(1, 300, 0, 0, &["T4"]), 6),
        (shape(1, 300, 3_000, 0, &["T4"]), 2),
        (shape(1, 300, 0, 200, &[]), 4),
        (shape(0, 0, 32_000, 0, &["T4"]), 8),
    ];
    let gang = |shape: &Shape, replicas| Gang::new(shape.clone(), replicas, Topology::None);
    for (shape, most) in &table {
        assert!(*most == 0 || fleet.could_ever_hold(&gang(shape, *most)), "{shape:?}");
        assert!(!fleet.could_ever_hold(&gang(shape, most + 1)), "{shape:?}");
        assert_eq!(fleet.replicas_that_fit(&gang(shape, 1)), *most);
    }
    // Use changes nothing about it; draining does.
    let [one, two, three] = [1, 2, 3].map(|replicas| gang(&table[0].0, replicas));
    fleet.take(0, table[0].0.need(), GpuSet::of(&[0, 1, 2, 3, 4, 5, 6, 7]));
    assert!(fleet.could_ever_hold(&two) && !fleet.can_hold(&two));
    fleet.drain(&NodeId::from("n0"));
    assert!(!fleet.could_ever_hold(&two) && fleet.could_ever_hold(&one));
    let out = OutOfService::of(&fleet).expect("n0 drains");
    assert!(out.could_hold(&fleet, &two) && !out.could_hold(&fleet, &three));
}

#[test]
fn nothing_is_taken_that_is_not_there_or_given_back_twice() {
    let fleet = || {
        let mut fleet = Fleet::default();
        add(&mut fleet, 0, "G2", 2, 4_000, 100);
        fleet
    };
    let half = slice(500, 1_000);
    let whole = Need { gpu_milli: GpuMilli(1_000), ..Need::default() };
    let take = |shape: &Shape, gpus| {
        let mut fleet = fleet();
        (0..3).for_each(|_| fleet.take(0, shape.need(), gpus));
    };
    assert_eq!(half.kind(), Kind::Slice);
    let broken: [(&str, &dyn Fn()); 9] = [
        ("too many slices of one GPU", &|| take(&half, GpuSet::one(0))),
        ("too much CPU", &|| take(&slice(1, 2_000), GpuSet::one(0))),
        ("a GPU that the node lacks", &|| fleet().take(0, half.need(), GpuSet::one(2))),
        ("given back twice", &|| fleet().give_back(0, &whole, GpuSet::one(1))),
        ("nothing given back by nobody", &|| fleet().give_back(0, &Need::default(), GpuSet::NONE)),
        ("given back to no GPU", &|| fleet().give_back(0, &whole, GpuSet::one(2))),
        ("removed with work on it", &|| {
            let mut fleet = fleet();
            fleet.take(0, &whole, GpuSet::one(1));
            fleet.remove(&NodeId::from("n0"));
        }),
        ("removed with work on it that needs nothing", &|| {
            let mut fleet = fleet();
            fleet.take(0, &Need::default(), GpuSet::NONE);
            fleet.remove(&NodeId::from("n0"));
        }),
        ("added twice", &|| add(&mut fleet(), 0, "G2", 2, 4_000, 100)),
    ];
    for (what, act) in broken {
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).is_err(), "{what}");
    }
}

#[test]
fn a_snapshot_that_contradicts_itself_is_refused() {
    let mut fleet = Fleet::default();
    add(&mut fleet, 0, "G2", 2, 4_000, 100);
    let bytes = postcard::to_allocvec(&fleet).unwrap();
    assert_eq!(postcard::from_bytes::<Fleet>(&bytes).unwrap(), fleet);
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x7;
        // Whatever it says, it is read without a panic, and what is read can be used.
        match postcard::from_bytes::<Fleet>(&damaged) {
            Ok(read) => drop(Placer::new(PlacementPolicy::Fgd, &[]).choose(&read, &slice(1, 1), 0)),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > bytes.len() / 2, "only {refused} of {} damages were noticed", bytes.len());
}

#[test]
fn a_random_choice_is_uniform_over_nodes_and_gpus_and_repeats_with_its_seed() {
    let mut fleet = Fleet::default();
    add(&mut fleet, 0, "G2", 1, 4_000, 100);
    add(&mut fleet, 1, "G2", 2, 4_000, 100);
    add(&mut fleet, 2, "G2", 2, 0, 100); // lacks CPU
    let mut placer = Placer::new(PlacementPolicy::Random, &[]);
    let shape = slice(600, 1_000);
    let mut counts = [0_i32; 3];
    for seed in 0..8_000 {
        let spot = placer.choose(&fleet, &shape, seed).unwrap();
        assert_eq!(placer.choose(&fleet, &shape, seed), Some(spot));
        counts[spot.node + spot.gpus.iter().next().unwrap()] += 1;
    }
    // Half of the draws per node, a quarter per GPU of the second; six standard deviations.
    let wanted = [4_000, 2_000, 2_000];
    assert!(
        counts.iter().zip(wanted).all(|(count, wanted)| (count - wanted).abs() < 270),
        "{counts:?}"
    );
}
