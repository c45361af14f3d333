//! Golden files on every adapter, and what a wrong weight does to them.

use crate::differential::soon;
use crate::found::{found, say};
use crate::{COUNCILS, golden_file};
use conclave_core::council::{Council, CouncilFile, self_test as reference_test};
use conclave_gpu::{GpuCouncil, GpuFault, Variant, WgpuMachine, measure, self_test};

#[test]
fn every_adapter_starts_with_every_golden_file() {
    for adapter in found("golden files") {
        for name in COUNCILS {
            let gpu = GpuCouncil::start(golden_file(name), &adapter).unwrap();
            say(&format!("{name}: the faster shader is {}", gpu.way()));
            assert_eq!((gpu.fault(), gpu.card()), (None, adapter.card()));
        }
    }
}

/// The council of `file` with one bit of a weight turned, if that is still one.
fn turned(file: &CouncilFile, row: usize, bit: u8) -> Option<Council> {
    let mut parts = file.council().parts().clone();
    let member = row % parts.members.len();
    let heads = &mut parts.members[member].heads;
    let at = (row * heads.operands + row * 7) % heads.weights.len();
    heads.weights[at] ^= 1 << bit;
    Council::new(parts).ok()
}

/// Whatever difference a turned bit makes to the golden words by the reference, a device with that
/// weight finds the same one.
#[test]
fn a_turned_bit_of_a_weight_is_noticed_where_the_reference_notices_it() {
    let (mut noticed, mut unseen) = (0, 0);
    for adapter in found("turned bits") {
        for name in COUNCILS {
            let file = golden_file(name);
            for row in 0..8 {
                let Some(council) = turned(&file, row, [6, 5, 2][row % 3]) else { continue };
                let mut machine = WgpuMachine::open(&adapter, &council).unwrap();
                machine.set_variant(Variant::ALL[row % 2]);
                let expected = reference_test(&council, file.council(), file.golden());
                let tested = self_test(&mut machine, &file, soon());
                assert_eq!(tested, expected.clone().map_err(GpuFault::from), "{name}, row {row}");
                if expected.is_err() { noticed += 1 } else { unseen += 1 }
            }
        }
        assert!(10 <= noticed, "only {noticed} bits were noticed");
    }
    say(&format!("turned bits: {noticed} noticed; {unseen} change no golden word"));
}

#[test]
fn every_adapter_can_be_measured() {
    for adapter in found("measuring") {
        let gpu = GpuCouncil::start(golden_file("five"), &adapter).unwrap();
        for figure in measure(&gpu).unwrap() {
            let nanos = figure.nanos_per_decision();
            assert!(0 < nanos);
            say(&format!("{} decisions: {nanos} ns each, {:?}", figure.decisions, figure.batch));
        }
    }
}
