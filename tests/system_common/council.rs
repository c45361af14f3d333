//! Councils that nobody trained and that may sit: for the features of this release.
#![allow(dead_code, reason = "every test binary uses its own part of this")]

use conclave::council::{CouncilSeat, Models, feature_schema, keep, model_id, read};
use conclave_core::council::features::FEATURES;
use conclave_core::council::file::encode;
use conclave_core::council::member::Head;
use conclave_core::council::{
    Council, CouncilParts, FeatureMask, Features, GoldenSequence, ModelId, PerMille,
};
use conclave_core::units::DurationMs;
use std::path::Path;

/// The file of one that was drawn.
pub(crate) fn untrained() -> Vec<u8> {
    let golden = include_bytes!("../golden/council/five.council");
    let file = read(golden).unwrap();
    let mut parts = file.council().parts().clone();
    parts.schema = feature_schema();
    encode(&Council::new(parts).unwrap(), file.golden()).unwrap()
}

pub(crate) fn untrained_id() -> ModelId {
    model_id(&untrained())
}

/// The file of a council whose members deny what is too large and too long, each a bit more than
/// the one before it, and approve everything else: the features of both add up.
pub(crate) fn plain() -> Vec<u8> {
    let file = read(include_bytes!("../golden/council/five.council")).unwrap();
    let mut parts = file.council().parts().clone();
    parts.schema = feature_schema();
    parts.quorum.confidence_min = PerMille(0);
    for (index, threshold) in (0..).zip([90, 92, 94, 96, 98]) {
        read_size_and_duration(&mut parts, index, threshold);
    }
    let council = Council::new(parts).unwrap();
    let asked = Features::new([40; FEATURES.len()]).unwrap();
    let golden = GoldenSequence::of(&council, &[(DurationMs(0), asked), (DurationMs(9), asked)]);
    encode(&council, &[golden]).unwrap()
}

/// The logit to deny rises with both features and is 0 when they add up to `threshold`; that to
/// approve falls.
fn read_size_and_duration(parts: &mut CouncilParts, index: usize, threshold: i32) {
    let (hidden, member) = (parts.hidden, &mut parts.members[index]);
    member.mask = FeatureMask(u32::MAX);
    member.veto = PerMille(1_000);
    for rows in [&mut member.heads, &mut member.readout] {
        rows.weights.fill(0);
        rows.biases.fill(0);
        rows.multipliers.fill(512);
        rows.shifts.fill(9);
    }
    for head in [Head::Early, Head::Late] {
        let row = head.row(hidden, 0);
        for name in ["gpus", "duration"] {
            let column = FEATURES.iter().position(|row| row.name == name).unwrap();
            member.heads.weights[row * hidden.operands() + column] = 20;
        }
        member.heads.biases[row] = -20 * threshold;
    }
    (member.readout.weights[0], member.readout.weights[hidden.units()]) = (-127, 127);
    member.readout.biases[2] = -4_000_000;
}

/// Writes its file into `dir`, not where a log would look for it.
pub(crate) fn write(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("untrained.council");
    std::fs::write(&path, untrained()).unwrap();
    path
}

/// The seat beside a log in `dir`, with this council.
pub(crate) fn seat(dir: &Path) -> CouncilSeat {
    seat_of(&untrained(), dir)
}

/// The seat beside a log in `dir`, with the council of `file`.
pub(crate) fn seat_of(file: &[u8], dir: &Path) -> CouncilSeat {
    let path = dir.join("some.council");
    std::fs::write(&path, file).unwrap();
    keep(&path, dir).unwrap();
    CouncilSeat::new(Models::beside(dir))
}
