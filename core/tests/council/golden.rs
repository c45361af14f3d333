//! Words that `dev/golden-council` found, written from the specification alone.

use crate::{COUNCILS, golden_bytes, golden_council, golden_path};
use conclave_core::council::fast::FastCouncil;
use conclave_core::council::rounding::rounded;
use conclave_core::council::{Council, Evaluator, Features, HiddenState};
use conclave_core::units::DurationMs;

fn lines(name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(golden_path(&format!("{name}.txt"))).unwrap();
    text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.bytes().map(|digit| char::from(digit).to_digit(16).unwrap()).collect();
    let byte = |pair: &[u32; 2]| u8::try_from(pair[0] * 16 + pair[1]).unwrap();
    digits.as_chunks::<2>().0.iter().map(byte).collect()
}

fn words(hex: &str) -> Vec<i16> {
    bytes(hex).as_chunks::<2>().0.iter().map(|word| i16::from_le_bytes(*word)).collect()
}

#[test]
fn roundings_curves_and_time_codes_are_those_of_the_second_implementation() {
    let file = golden_council("five");
    let parts = file.council().parts();
    let lines = lines("numbers");
    assert!(lines.len() > 200);
    for line in lines {
        let numbers: Vec<i64> = line[1..].iter().map(|number| number.parse().unwrap()).collect();
        let int = |index: usize| i32::try_from(numbers[index]).unwrap();
        let found = match line[0].as_str() {
            "rounded" => rounded(int(0), u8::try_from(numbers[1]).unwrap()).into(),
            "tanh" => parts.tanh.at(int(0)).into(),
            "sigmoid" => parts.sigmoid.at(int(0)).into(),
            "code" => i64::from(parts.time.code(DurationMs(numbers[0])).get()),
            other => panic!("{other} is no number"),
        };
        assert_eq!(found, *numbers.last().unwrap(), "{line:?}");
    }
}

fn check(name: &str, council: &Council, evaluator: &impl Evaluator) {
    let mut state = HiddenState::new(council);
    let mut steps = 0;
    for line in lines(name) {
        match line[0].as_str() {
            "id" => {}
            "sequence" => state = HiddenState::new(council),
            "step" => {
                check_step(council, evaluator, &mut state, &line);
                steps += 1;
            }
            other => panic!("{other} is no line"),
        }
    }
    assert!(steps >= 9, "{name}: only {steps} steps");
}

fn check_step(
    council: &Council,
    evaluator: &impl Evaluator,
    state: &mut HiddenState,
    line: &[String],
) {
    let code = council.parts().time.code(DurationMs(line[1].parse().unwrap()));
    assert_eq!(code.get().to_string(), line[2]);
    let features: Vec<_> = bytes(&line[3]).into_iter().map(u8::cast_signed).collect();
    let features = Features::new(features.try_into().unwrap()).unwrap();
    let logits = evaluator.step(state, &features, code);
    assert_eq!(state.words(), words(&line[4]), "states after {line:?}");
    assert_eq!(state.to_bytes(), bytes(&line[4]));
    let found: Vec<_> = logits.members().iter().flat_map(|logits| logits.0).collect();
    assert_eq!(found, words(&line[5]), "logits after {line:?}");
    let opinions = logits.members().iter().zip(&council.parts().members).map(|(logits, member)| {
        let verdict = format!("{:?}", logits.verdict()).to_lowercase();
        let confidence = member.calibration.confidence(logits.margin());
        format!("{verdict}/{}/{}", logits.margin().0, confidence.0)
    });
    assert_eq!(opinions.collect::<Vec<_>>(), line[6..]);
}

#[test]
fn states_logits_and_verdicts_are_those_of_the_second_implementation() {
    for name in COUNCILS {
        let file = golden_council(name);
        check(name, file.council(), file.council());
        check(name, file.council(), &FastCouncil::new(file.council()));
    }
}

#[test]
fn files_of_the_second_implementation_are_written_again_byte_for_byte() {
    for name in COUNCILS {
        assert_eq!(golden_council(name).to_bytes(), golden_bytes(name), "{name}");
    }
}
