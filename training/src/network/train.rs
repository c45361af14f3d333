//! The loop: sequences side by side, cut every 64 steps, floats first and integers in the end.

use super::adam::Adam;
use super::exact::{Exact, alone, real_code, reals};
use super::tape::{Window, pass};
use super::weights::{INPUTS, Weights, softmax};
use crate::dataset::Sequence;
use crate::draw::Draw;
use crate::error::Result;
use crate::member::Role;
use conclave_core::council::{Council, Evaluator, Features, HiddenState, TimeCode};

/// How a member is trained.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What everything is drawn from.
    pub seed: u64,
    /// H.
    pub units: usize,
    /// Passes over all sequences; the last fifth of them in integers.
    pub epochs: usize,
    /// How often each member is trained, each time from other weights and in another order.
    pub draws: usize,
}

/// Steps after which gradients are cut.
pub const WINDOW_STEPS: usize = 64;
/// Sequences side by side.
const ROWS: usize = 8;
/// Largest rate of learning; it falls along a cosine.
const RATE: f64 = 3e-3;
/// Part of the largest rate that the last epochs start from.
const EXACT_RATE: f64 = 0.15;

/// So many times within the float phase it is looked whether the network still gets better.
const LOOKS: usize = 12;

/// What training leaves.
#[derive(Clone, Debug)]
pub struct Trained {
    /// After the float phase: the best that was seen at a look, on what confidence is fitted to.
    pub floats: Weights,
    /// The epoch that they are of, from 1.
    pub best_epoch: usize,
    /// What is rounded for the file: the best that was seen in integers.
    pub last: Weights,
    /// The mean loss of that, in integers, on what confidence is fitted to.
    pub fitted_loss: f64,
    /// Mean loss of each epoch.
    pub losses: Vec<f64>,
}

/// The least loss that was seen so far, when, and with which weights.
struct Best {
    loss: f64,
    epoch: usize,
    weights: Weights,
}

impl Best {
    fn see(&mut self, loss: f64, epoch: usize, weights: &Weights) {
        if loss < self.loss {
            *self = Self { loss, epoch, weights: weights.clone() };
        }
    }
}

impl Plan {
    /// How many of the epochs are in integers: a fifth, at least one.
    #[must_use]
    pub fn exact_epochs(&self) -> usize {
        self.epochs.div_ceil(5)
    }
}

/// Trains `role` on `sequences`, for the time `number`; the weights that do best on `fitted` are
/// kept.
///
/// # Errors
/// [`crate::Error::Bug`] when a row leaves what can be exported.
pub fn train(
    role: &Role,
    sequences: &[Sequence<'_>],
    fitted: &[Sequence<'_>],
    (plan, number): (Plan, usize),
) -> Result<Trained> {
    let mut draw = Draw::new(plan.seed, &format!("weights of {} {number}", role.label));
    let mut weights = Weights::drawn(plan.units, |k| role.mask().shows(k), &mut draw);
    let (exact, mut losses) = (plan.exact_epochs(), Vec::new());
    let float = plan.epochs.saturating_sub(exact);
    let mut adam = Adam::new(&weights);
    let mut floats = Best { loss: f64::INFINITY, epoch: 0, weights: weights.clone() };
    for epoch in 0..float {
        let rate = |part: f64| RATE * falling((epoch as f64 + part) / float as f64);
        let how = (&mut draw, &rate as &dyn Fn(f64) -> f64, false);
        losses.push(one_epoch(role, &mut weights, &mut adam, sequences, how)?);
        if (epoch + 1) % float.div_ceil(LOOKS) == 0 || epoch + 1 == float {
            floats.see(float_loss(role, &weights, fitted), epoch + 1, &weights);
        }
    }
    let Best { epoch: best_epoch, weights: floats, .. } = floats;
    let mut weights = floats.clone();
    let loss = exact_loss(role, &weights, fitted)?;
    let mut best = Best { loss, epoch: 0, weights: weights.clone() };
    let mut adam = Adam::new(&weights);
    for epoch in 0..exact {
        let rate = |part: f64| EXACT_RATE * RATE * falling((epoch as f64 + part) / exact as f64);
        let how = (&mut draw, &rate as &dyn Fn(f64) -> f64, true);
        losses.push(one_epoch(role, &mut weights, &mut adam, sequences, how)?);
        best.see(exact_loss(role, &weights, fitted)?, epoch + 1, &weights);
    }
    Ok(Trained { floats, best_epoch, last: best.weights, fitted_loss: best.loss, losses })
}

/// The mean loss on `sequences`, in floats.
fn float_loss(role: &Role, weights: &Weights, sequences: &[Sequence<'_>]) -> f64 {
    mean_loss(sequences, || {
        let mut h = vec![0.0; weights.units];
        move |features: &Features, code| {
            let x = seen(role, features).map(f64::from);
            weights.step(&mut h, &x, f64::from(real_code(code)))
        }
    })
}

/// The same in the integers that `weights` are rounded to.
fn exact_loss(role: &Role, weights: &Weights, sequences: &[Sequence<'_>]) -> Result<f64> {
    let council = alone(role, weights)?;
    Ok(mean_loss(sequences, || {
        let (council, mut state) = (&council, HiddenState::new(&council));
        move |features: &Features, code| {
            let logits = council.step(&mut state, features, code).members()[0];
            logits.0.map(|logit| f64::from(logit) / 2_048.0)
        }
    }))
}

/// The mean over all steps with a class of what `begin` gives for each sequence.
fn mean_loss<F: FnMut(&Features, TimeCode) -> [f64; 3]>(
    sequences: &[Sequence<'_>],
    begin: impl Fn() -> F,
) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for sequence in sequences {
        let mut step = begin();
        for (at, class) in sequence.steps.iter().zip(&sequence.classes) {
            let features = &sequence.source.story.steps[*at].features;
            let logits = step(features, sequence.source.codes[*at]);
            if let Some(class) = class {
                sum -= softmax(logits)[*class].max(1e-9).ln();
                count += 1.0;
            }
        }
    }
    sum / f64::max(count, 1.0)
}

/// `features` as real numbers; what the member does not see is 0.
fn seen(role: &Role, features: &Features) -> [f32; INPUTS] {
    let mask = role.mask();
    let mut all = reals(features);
    all.iter_mut().enumerate().filter(|(k, _)| !mask.shows(*k)).for_each(|(_, x)| *x = 0.0);
    all
}

/// Half a cosine: 1 at 0, a hundredth at 1.
fn falling(part: f64) -> f64 {
    0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * part.clamp(0.0, 1.0)).cos())
}

type How<'a> = (&'a mut Draw, &'a dyn Fn(f64) -> f64, bool);

fn one_epoch(
    role: &Role,
    weights: &mut Weights,
    adam: &mut Adam,
    sequences: &[Sequence<'_>],
    (draw, rate, is_exact): How<'_>,
) -> Result<f64> {
    let mut order: Vec<_> = (0..sequences.len()).collect();
    draw.shuffle(&mut order);
    // Of about the same length, so that few stand still while others go on.
    order.sort_by_key(|index| sequences[*index].steps.len());
    let mut batches: Vec<_> = order.chunks(ROWS).collect();
    draw.shuffle(&mut batches);
    let (mut sum, mut count) = (0.0, 0_usize);
    for (at, batch) in batches.iter().enumerate() {
        let batch: Vec<_> = batch.iter().map(|index| &sequences[*index]).collect();
        let rate = rate(at as f64 / batches.len() as f64);
        let (loss, known) = one_batch(role, weights, adam, &batch, (rate, is_exact))?;
        sum += loss;
        count += known;
    }
    Ok(sum / (count.max(1)) as f64)
}

/// All windows of some sequences, one after the other; the sum of losses and how many there are.
fn one_batch(
    role: &Role,
    weights: &mut Weights,
    adam: &mut Adam,
    batch: &[&Sequence<'_>],
    (rate, is_exact): (f64, bool),
) -> Result<(f64, usize)> {
    let mut states = vec![vec![0.0_f32; weights.units]; batch.len()];
    let mut words: Vec<Option<Vec<i16>>> = vec![None; batch.len()];
    let longest = batch.iter().map(|sequence| sequence.steps.len()).max().unwrap_or(0);
    let (mut sum, mut count) = (0.0, 0);
    for from in (0..longest).step_by(WINDOW_STEPS) {
        let live: Vec<_> = (0..batch.len()).filter(|i| from < batch[*i].steps.len()).collect();
        let rows: Vec<_> = live.iter().map(|index| batch[*index]).collect();
        let (window, inputs) = window(role, &rows, from);
        let mut own: Vec<_> =
            live.iter().map(|index| std::mem::take(&mut states[*index])).collect();
        let found = if is_exact {
            let council = alone(role, weights)?;
            let mut hidden: Vec<_> =
                live.iter().map(|index| hidden(&council, words[*index].take())).collect();
            let exact = Exact::of(&council, &window, &inputs, &mut hidden);
            for (index, state) in live.iter().zip(&hidden) {
                words[*index] = Some(state.words().to_vec());
            }
            pass(&exact.weights, &window, &mut own, Some(&exact))
        } else {
            pass(weights, &window, &mut own, None)
        };
        for (index, state) in live.iter().zip(own) {
            states[*index] = state;
        }
        if 0 < found.known {
            sum += found.loss;
            count += found.known;
            adam.step(weights, &found.gradient, rate);
        }
    }
    Ok((sum, count))
}

fn hidden(council: &Council, words: Option<Vec<i16>>) -> HiddenState {
    let state = words.and_then(|words| HiddenState::from_words(council, words));
    state.unwrap_or_else(|| HiddenState::new(council))
}

type Inputs = Vec<Option<(Features, TimeCode)>>;

/// Up to 64 steps of `rows`, from step `from` on.
fn window(role: &Role, rows: &[&Sequence<'_>], from: usize) -> (Window, Inputs) {
    let longest = rows.iter().map(|row| row.steps.len()).max().unwrap_or(0);
    let steps = (longest - from).min(WINDOW_STEPS);
    let mut window = Window {
        steps,
        rows: rows.len(),
        features: Vec::with_capacity(steps * rows.len() * INPUTS),
        codes: Vec::with_capacity(steps * rows.len()),
        classes: Vec::with_capacity(steps * rows.len()),
    };
    let mut inputs = Vec::with_capacity(steps * rows.len());
    for step in from..from + steps {
        for row in rows {
            let at = row.steps.get(step).copied();
            let input = at.map(|at| (row.source.story.steps[at].features, row.source.codes[at]));
            let (features, code) = input
                .as_ref()
                .map_or(([0.0; INPUTS], 0.0), |(x, s)| (seen(role, x), real_code(*s)));
            window.features.extend(features);
            window.codes.push(code);
            window.classes.push(row.classes.get(step).copied().flatten());
            inputs.push(input);
        }
    }
    (window, inputs)
}
