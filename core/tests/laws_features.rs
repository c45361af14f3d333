//! Laws about what the council is told, and about what a pool remembers of its tenants, for every
//! stream of commands.

mod common;
#[path = "features/plain.rs"]
mod plain;
#[path = "features/told.rs"]
mod told;

use common::{Stream, World, config, decide_round, fold, run_rounds, streams};
use conclave_core::council::features::FEATURES;
use conclave_core::input::Input;
use conclave_core::round::fixed_round_length;
use conclave_core::state::State;
use conclave_core::units::{GpuMilli, GpuModel};
use proptest::prelude::*;
use told::{Told, told_at_open, told_of_outcomes};

/// States at which rounds of `lengths` commands of the stream open, each with its commands and
/// everything behind them.
fn openings(world: &World, lengths: &[usize]) -> Vec<(State, Vec<Input>, Vec<Input>)> {
    let mut state = fold(&world.decisions[..world.begun]);
    let (mut opened, mut left) = (vec![], &world.inputs[world.begun..]);
    for length in lengths.iter().cycle() {
        if left.is_empty() {
            break;
        }
        let (round, rest) = left.split_at(fixed_round_length(left, *length));
        opened.push((state.clone(), round.to_vec(), left.to_vec()));
        decide_round(&mut state, round.to_vec());
        left = rest;
    }
    opened
}

fn restored(state: &State) -> State {
    let bytes = postcard::to_stdvec(state).expect("a state can be stored");
    postcard::from_bytes(&bytes).expect("a stored state can be read")
}

fn about(told: &[Told], input: &Input) -> Vec<Told> {
    told.iter().filter(|one| one.at == Some(input.offset)).copied().collect()
}

#[track_caller]
fn check_ranges(told: &[Told]) {
    for one in told {
        for (row, value) in one.features.iter() {
            let (least, most) = row.scale.range();
            assert!((least..=most).contains(&value), "{} of {one:?}", row.name);
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_is_asked_and_ends_has_features_within_their_ranges(
        stream in streams(),
        lengths in prop::collection::vec(1..9_usize, 1..9),
    ) {
        let world = stream.run();
        for (state, round, _) in openings(&world, &lengths) {
            check_ranges(&told_at_open(&state, &round));
        }
        check_ranges(&told_of_outcomes(&world.decisions));
    }

    /// What comes behind a command in its round is nothing to it, and of what comes before it only
    /// log time is: so a cut decides about features through the state at its opening alone.
    #[test]
    fn a_longer_round_tells_its_first_commands_the_same(
        stream in streams(),
        lengths in prop::collection::vec(1..9_usize, 1..9),
    ) {
        for (mut state, round, left) in openings(&stream.run(), &lengths) {
            let longer = told_at_open(&state, &left);
            let told = told_at_open(&state, &round);
            prop_assert_eq!(&longer[..told.len()], &told[..]);
            // Each alone, after nothing but time.
            for input in &round {
                let alone = told_at_open(&state, std::slice::from_ref(input));
                prop_assert_eq!(about(&alone, input), about(&told, input));
                state.time_ms = input.log_time(state.time_ms);
            }
        }
    }

    #[test]
    fn a_restored_state_tells_the_same(stream in streams(), cut in 0..=100_usize) {
        let world = stream.run();
        let cut = world.decisions.len() * cut / 100;
        let state = fold(&world.decisions[..cut]);
        let tail = &world.inputs[cut..];
        prop_assert_eq!(told_at_open(&restored(&state), tail), told_at_open(&state, tail));
    }

    /// Decided or folded again, in rounds cut somehow.
    #[test]
    fn histories_are_a_fold_of_the_decisions(
        stream in streams(),
        lengths in prop::collection::vec(1..9_usize, 1..9),
    ) {
        let (state, decisions) = run_rounds(&stream.run().inputs, &lengths);
        let again = fold(&decisions);
        for (name, pool) in &state.pools {
            for (tenant, of_tenant) in &pool.tenants {
                let of_fold = &again.pools[name].tenants[tenant];
                prop_assert_eq!(&of_tenant.history, &of_fold.history);
                let plain = plain::History::of(&decisions, name, tenant);
                plain.check(&of_tenant.history, state.time_ms);
            }
        }
    }

    #[test]
    fn gpus_of_acceptable_models_are_those_of_their_nodes(stream in streams()) {
        let mut world = stream.begin();
        for step in &stream.steps {
            world.step(step);
            for pool in world.state.pools.values() {
                check_models(&pool.fleet);
            }
        }
    }
}

fn check_models(fleet: &conclave_core::placement::Fleet) {
    let models = ["A100", "H100", "T4", "none"].map(GpuModel::from);
    for wanted in 0..16_usize {
        let chosen = models.iter().enumerate().filter(|(n, _)| wanted >> n & 1 == 1);
        let chosen: Vec<_> = chosen.map(|(_, model)| model.clone()).collect();
        let is_one = |model: &GpuModel| chosen.is_empty() || chosen.contains(model);
        let nodes = fleet.nodes().iter().filter(|node| node.accepts_work());
        let nodes = nodes.filter(|node| is_one(fleet.model_of(node)));
        let sums = nodes.fold((0, 0), |(total, used), node| {
            (total + node.gpu_milli_total(), used + node.gpu_milli_used())
        });
        let told = fleet.gpus_accepting_among(&chosen);
        assert_eq!((told.total_milli, told.used_milli), (GpuMilli(sums.0), GpuMilli(sums.1)));
    }
}

/// Otherwise the laws would be about very little.
#[test]
fn streams_move_every_feature() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut values = FEATURES.map(|_| std::collections::BTreeSet::new());
    for _ in 0..120 {
        let stream: Stream = streams().new_tree(&mut runner).expect("a stream").current();
        let world = stream.run();
        let mut told = told_of_outcomes(&world.decisions);
        for (state, round, _) in openings(&world, &[3]) {
            told.extend(told_at_open(&state, &round));
        }
        for one in told {
            one.features.iter().zip(&mut values).for_each(|((_, value), seen)| {
                seen.insert(value);
            });
        }
    }
    for (row, seen) in FEATURES.iter().zip(&values) {
        assert!(seen.len() > 1, "{} is always {seen:?}", row.name);
    }
}
