//! The loop: sequences side by side, cut every 64 steps, floats first and integers in the end.

use super::adam::Adam;
use super::exact::{Exact, alone, real_code, reals};
use super::graph::{Graph, Window};
use super::weights::{INPUTS, Weights, softmax};
use crate::dataset::Sequence;
use crate::draw::Draw;
use crate::error::Result;
use crate::member::Role;
use candle_core::DType;
use conclave_core::council::{Council, Features, HiddenState, TimeCode};

/// How a member is trained.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What everything is drawn from.
    pub seed: u64,
    /// H.
    pub units: usize,
    /// Passes over all sequences; the last fifth of them in integers.
    pub epochs: usize,
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
    /// In the end: what is rounded for the file.
    pub last: Weights,
    /// Mean loss of each epoch.
    pub losses: Vec<f64>,
}

impl Plan {
    /// How many of the epochs are in integers: a fifth, at least one.
    #[must_use]
    pub fn exact_epochs(&self) -> usize {
        self.epochs.div_ceil(5)
    }
}

/// Trains `role` on `sequences`.
///
/// # Errors
/// [`crate::Error::Bug`] when a row leaves what can be exported.
pub fn train(
    role: &Role,
    sequences: &[Sequence<'_>],
    fitted: &[Sequence<'_>],
    plan: Plan,
) -> Result<Trained> {
    let mut draw = Draw::new(plan.seed, &format!("weights of {}", role.label));
    let weights = Weights::drawn(plan.units, |k| role.mask().shows(k), &mut draw);
    let graph = Graph::new(&weights, DType::F32)?;
    let (exact, mut losses) = (plan.exact_epochs(), Vec::new());
    let float = plan.epochs.saturating_sub(exact);
    let mut adam = Adam::default();
    let mut best: Option<(f64, usize, Weights)> = None;
    for epoch in 0..float {
        let rate = |part: f64| RATE * falling((epoch as f64 + part) / float as f64);
        losses.push(one_epoch(role, &graph, &mut adam, sequences, (&mut draw, &rate, false))?);
        if (epoch + 1) % float.div_ceil(LOOKS) == 0 || epoch + 1 == float {
            let weights = graph.weights()?;
            let loss = plain_loss(&weights, fitted);
            if best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                best = Some((loss, epoch + 1, weights));
            }
        }
    }
    let (_, best_epoch, floats) = match best {
        Some(best) => best,
        None => (0.0, 0, graph.weights()?),
    };
    let graph = Graph::new(&floats, DType::F32)?;
    let mut adam = Adam::default();
    for epoch in 0..exact {
        let rate = |part: f64| EXACT_RATE * RATE * falling((epoch as f64 + part) / exact as f64);
        losses.push(one_epoch(role, &graph, &mut adam, sequences, (&mut draw, &rate, true))?);
    }
    Ok(Trained { floats, best_epoch, last: graph.weights()?, losses })
}

/// The mean loss on `sequences`, by plain loops.
fn plain_loss(weights: &Weights, sequences: &[Sequence<'_>]) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for sequence in sequences {
        let mut h = vec![0.0; weights.units];
        for (at, class) in sequence.steps.iter().zip(&sequence.classes) {
            let (step, code) = (&sequence.source.story.steps[*at], sequence.source.codes[*at]);
            let x = reals(&step.features).map(f64::from);
            let logits = weights.step(&mut h, &x, f64::from(real_code(code)));
            if let Some(class) = class {
                sum -= softmax(logits)[*class].max(1e-9).ln();
                count += 1.0;
            }
        }
    }
    sum / f64::max(count, 1.0)
}

/// Half a cosine: 1 at 0, a hundredth at 1.
fn falling(part: f64) -> f64 {
    0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * part.clamp(0.0, 1.0)).cos())
}

type How<'a> = (&'a mut Draw, &'a dyn Fn(f64) -> f64, bool);

fn one_epoch(
    role: &Role,
    graph: &Graph,
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
        let (loss, known) = one_batch(role, graph, adam, &batch, (rate, is_exact))?;
        sum += loss;
        count += known;
    }
    Ok(sum / (count.max(1)) as f64)
}

/// All windows of some sequences, one after the other; the sum of losses and how many there are.
fn one_batch(
    role: &Role,
    graph: &Graph,
    adam: &mut Adam,
    batch: &[&Sequence<'_>],
    (rate, is_exact): (f64, bool),
) -> Result<(f64, usize)> {
    let units = graph.weights()?.units;
    let mut states = vec![vec![0.0_f32; units]; batch.len()];
    let mut words: Vec<Option<Vec<i16>>> = vec![None; batch.len()];
    let longest = batch.iter().map(|sequence| sequence.steps.len()).max().unwrap_or(0);
    let (mut sum, mut count) = (0.0, 0);
    for from in (0..longest).step_by(WINDOW_STEPS) {
        let live: Vec<_> = (0..batch.len()).filter(|i| from < batch[*i].steps.len()).collect();
        let rows: Vec<_> = live.iter().map(|index| batch[*index]).collect();
        let (window, inputs) = window(&rows, from);
        let before: Vec<_> = live.iter().flat_map(|index| states[*index].clone()).collect();
        let exact = if is_exact {
            let council = alone(role, &graph.weights()?)?;
            let mut hidden: Vec<_> =
                live.iter().map(|index| hidden(&council, words[*index].take())).collect();
            let exact = Exact::of(&council, &window, &inputs, &mut hidden);
            for (index, state) in live.iter().zip(&hidden) {
                words[*index] = Some(state.words().to_vec());
            }
            Some(exact)
        } else {
            None
        };
        let pass = graph.pass(&window, &before, exact.as_ref())?;
        let after = pass.states.flatten_all()?.to_vec1::<f32>()?;
        for (index, state) in live.iter().zip(after.chunks(units)) {
            states[*index].copy_from_slice(state);
        }
        let known = window.classes.iter().flatten().count();
        if 0 < known {
            sum += f64::from(pass.loss.to_scalar::<f32>()?) * known as f64;
            count += known;
            adam.step(graph, &pass.loss.backward()?, rate)?;
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
fn window(rows: &[&Sequence<'_>], from: usize) -> (Window, Inputs) {
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
            let (features, code) =
                input.as_ref().map_or(([0.0; INPUTS], 0.0), |(x, s)| (reals(x), real_code(*s)));
            window.features.extend(features);
            window.codes.push(code);
            window.classes.push(row.classes.get(step).copied().flatten());
            inputs.push(input);
        }
    }
    (window, inputs)
}
