//! The pass is the cell: its gradients are those of finite differences, its floats those of plain
//! loops, and its integers those of the core.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave_core::council::{Evaluator, Features, HiddenState, TimeCode};
use conclave_training::draw::Draw;
use conclave_training::member::ROLES;
use conclave_training::network::exact::{Exact, alone, real_code, reals};
use conclave_training::network::tape::{Window, pass};
use conclave_training::network::weights::{INPUTS, PARTS, Weights, softmax};
use conclave_training::quantise::dequantised;

const STEPS: usize = 5;
const ROWS: usize = 3;
const UNITS: usize = 16;

type Inputs = Vec<Option<(Features, TimeCode)>>;

fn drawn(seed: u64) -> (Window, Inputs) {
    let mut draw = Draw::new(seed, "window");
    let inputs: Vec<_> = (0..STEPS * ROWS)
        .map(|_| {
            let values = std::array::from_fn(|_| i8::try_from(draw.below(128)).unwrap() - 40);
            let code = i32::try_from(draw.below(1_100)).unwrap();
            Some((Features::new(values).unwrap(), TimeCode::new(code).unwrap()))
        })
        .collect();
    let window = Window {
        steps: STEPS,
        rows: ROWS,
        features: inputs.iter().flatten().flat_map(|(x, _)| reals(x)).collect(),
        codes: inputs.iter().flatten().map(|(_, s)| real_code(*s)).collect(),
        // Some steps are outcomes, and have no class.
        classes: (0..STEPS * ROWS).map(|at| (at % 4 != 0).then_some(at % 3)).collect(),
    };
    (window, inputs)
}

fn weights(seed: u64) -> Weights {
    let mut weights = Weights::drawn(UNITS, |_| true, &mut Draw::new(seed, "weights"));
    let mut draw = Draw::new(seed, "biases");
    for part in &mut weights.parts {
        for weight in part.iter_mut().filter(|weight| **weight == 0.0) {
            *weight =
                reals(&Features::new([i8::try_from(draw.below(60)).unwrap() - 30; 32]).unwrap())[0];
        }
    }
    weights
}

fn states() -> Vec<Vec<f32>> {
    vec![vec![0.0; UNITS]; ROWS]
}

/// The loss by plain loops.
fn plain_loss(weights: &Weights, window: &Window) -> f64 {
    let mut states = vec![vec![0.0; UNITS]; ROWS];
    let (mut sum, mut count) = (0.0, 0.0);
    for step in 0..STEPS {
        for (row, h) in states.iter_mut().enumerate() {
            let at = step * ROWS + row;
            let x: Vec<_> =
                window.features[at * INPUTS..][..INPUTS].iter().map(|x| f64::from(*x)).collect();
            let logits = weights.step(h, &x, f64::from(window.codes[at]));
            if let Some(class) = window.classes[at] {
                sum -= softmax(logits)[class].ln();
                count += 1.0;
            }
        }
    }
    sum / count
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let (window, _) = drawn(1);
    let weights = weights(1);
    let found = pass(&weights, &window, &mut states(), None);
    let loss = found.loss / found.known as f64;
    assert!((loss - plain_loss(&weights, &window)).abs() < 1e-6, "the pass is no cell");
    let mut draw = Draw::new(2, "places");
    for part in 0..PARTS {
        let gradient = &found.gradient.parts[part];
        for _ in 0..12 {
            let at = draw.below(gradient.len());
            // Weights are singles: a step has to be one that they can make.
            let moved = |by: f32| {
                let mut moved = weights.clone();
                moved.parts[part][at] += by;
                (f64::from(moved.parts[part][at]), plain_loss(&moved, &window))
            };
            let ((above, more), (below, less)) = (moved(1e-3), moved(-1e-3));
            let expected = (more - less) / (above - below);
            // Gradients are singles.
            let error = (f64::from(gradient[at]) - expected).abs();
            assert!(error < 1e-6 + 1e-3 * expected.abs(), "{part} {at}: {expected}");
        }
    }
}

#[test]
fn the_integers_passed_forward_are_the_words_of_the_core() {
    let (window, inputs) = drawn(3);
    for (role, seed) in ROLES.iter().zip(10..) {
        let council = alone(role, &weights(seed)).unwrap();
        let (mut words, mut last) = (vec![HiddenState::new(&council); ROWS], states());
        let exact = Exact::of(&council, &window, &inputs, &mut words);
        let found = pass(&exact.weights, &window, &mut last, Some(&exact));
        for row in 0..ROWS {
            let mut state = HiddenState::new(&council);
            for step in 0..STEPS {
                let (features, code) = inputs[step * ROWS + row].unwrap();
                let logits = council.step(&mut state, &features, code).members()[0];
                let passed = &exact.logits[(step * ROWS + row) * 3..][..3];
                assert!(passed.iter().zip(logits.0).all(|(p, l)| p * 2_048.0 == f32::from(l)));
                let passed = &exact.states[step][row * UNITS..][..UNITS];
                let words = state.words().iter().map(|word| f32::from(*word));
                assert!(passed.iter().map(|h| h * 16_384.0).eq(words), "{step}");
            }
            assert_eq!(words[row], state);
            let words = state.words().iter().map(|word| f32::from(*word) / 16_384.0);
            assert!(last[row].iter().copied().eq(words));
        }
        assert!(found.gradient.parts.iter().flatten().any(|value| *value != 0.0));
    }
}

#[test]
fn rounding_a_member_again_changes_nothing_and_costs_little() {
    let (window, inputs) = drawn(5);
    let role = &ROLES[4];
    let weights = weights(20);
    let council = alone(role, &weights).unwrap();
    let rounded = dequantised(&council.parts().members[0]);
    assert_eq!(alone(role, &rounded).unwrap(), council);
    let mut states = vec![HiddenState::new(&council); 1];
    let mut h = vec![0.0; UNITS];
    let (mut far, mut count) = (0.0, 0.0);
    for (features, code) in inputs.iter().flatten() {
        let found = council.step(&mut states[0], features, *code).members()[0];
        let x = reals(features).map(f64::from);
        let expected = rounded.step(&mut h, &x, f64::from(real_code(*code)));
        for (found, expected) in found.0.iter().zip(expected) {
            far += (f64::from(*found) / 2_048.0 - expected).powi(2);
            count += 1.0;
        }
    }
    assert!(window.steps * window.rows * 3 == 45 && (far / count).sqrt() < 0.05, "{far}");
}
