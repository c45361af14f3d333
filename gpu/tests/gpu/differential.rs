//! Random councils in batches of all shapes, by both shaders, on every adapter.

use crate::drawn::Seed;
use crate::found::{council_count, found};
use crate::words::{check, tell};
use conclave_core::council::HiddenSize;
use conclave_gpu::{GpuAdapter, Machine, Variant, WgpuMachine};
use std::time::{Duration, Instant};

const SIZES: [HiddenSize; 3] = [HiddenSize::H16, HiddenSize::H32, HiddenSize::H64];
/// Runs of a batch, and the most steps of one: less than a tile and more, runs of one dispatch
/// and of five.
const SHAPES: [(usize, usize); 6] = [(1, 1), (1, 70), (7, 17), (9, 33), (64, 4), (300, 2)];

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(300)
}

/// Computes batches of `shapes` with both shaders.
fn check_seed(adapter: &GpuAdapter, seed: Seed, shapes: &[(usize, usize)]) {
    let council = seed.council();
    let mut machine = WgpuMachine::open(adapter, &council).unwrap();
    for (runs, steps) in shapes {
        let batch = seed.batch(&council, *runs, *steps);
        for variant in Variant::ALL {
            machine.set_variant(variant);
            let found = machine.compute(&batch, soon()).unwrap();
            let way = variant.name();
            let name = format!("{way}, {runs} runs of up to {steps} steps, {seed:?}");
            check(&council, &batch, &found, &name);
        }
    }
}

#[test]
fn every_adapter_finds_the_words_of_the_reference_within_the_ranges() {
    for adapter in found("differential") {
        for (seed, hidden) in (1..).zip(SIZES) {
            for members in [1, 5] {
                check_seed(&adapter, Seed { seed, hidden, members, is_extreme: false }, &SHAPES);
            }
        }
    }
    tell("within the ranges");
}

#[test]
fn every_adapter_finds_them_at_the_ends_of_the_ranges() {
    for adapter in found("extremes") {
        for (seed, hidden) in (11..).zip(SIZES) {
            for members in [1, 3] {
                check_seed(&adapter, Seed { seed, hidden, members, is_extreme: true }, &SHAPES);
            }
        }
    }
    tell("at the ends");
}

#[test]
fn every_adapter_finds_them_for_as_many_members_as_there_may_be() {
    for adapter in found("eight members") {
        for (seed, is_extreme) in [(21, false), (22, true)] {
            let seed = Seed { seed, hidden: HiddenSize::H64, members: 8, is_extreme };
            check_seed(&adapter, seed, &[(1, 16), (5, 40), (70, 3)]);
        }
    }
    tell("eight members");
}

/// Many small councils: each draws masks, curves, multipliers and shifts anew.
#[test]
fn every_adapter_finds_them_for_many_councils() {
    for adapter in found("many councils") {
        for seed in 100..100 + council_count() {
            let hidden = SIZES[usize::try_from(seed % 3).unwrap()];
            let seed = Seed { seed, hidden, members: 2, is_extreme: seed % 8 < 2 };
            check_seed(&adapter, seed, &[(40, 40)]);
        }
    }
    tell("many councils");
}
