//! Logistic regression by Newton's method, with a ridge.

use super::{COLUMNS, Row};

/// Columns and a constant.
const SIZE: usize = COLUMNS + 1;
const RIDGE: f64 = 1.0;
const STEPS: usize = 12;

/// A fitted regression.
#[derive(Clone, Debug)]
pub struct Logistic {
    means: [f64; COLUMNS],
    scales: [f64; COLUMNS],
    weights: [f64; SIZE],
}

impl Logistic {
    /// Fitted to `rows`.
    #[must_use]
    pub fn fit(rows: &[&Row]) -> Self {
        let count = rows.len().max(1) as f64;
        let mean = |column: usize| rows.iter().map(|row| row.columns[column]).sum::<f64>() / count;
        let means: [f64; COLUMNS] = std::array::from_fn(mean);
        let scales = std::array::from_fn(|column| {
            let squares = rows.iter().map(|row| (row.columns[column] - means[column]).powi(2));
            (squares.sum::<f64>() / count).sqrt().max(1e-6)
        });
        let mut fitted = Self { means, scales, weights: [0.0; SIZE] };
        let inputs: Vec<_> = rows.iter().map(|row| fitted.inputs(row)).collect();
        for _ in 0..STEPS {
            fitted.newton(rows, &inputs);
        }
        fitted
    }

    /// The probability that it happens.
    #[must_use]
    pub fn predict(&self, row: &Row) -> f64 {
        self.probability(&self.inputs(row))
    }

    fn inputs(&self, row: &Row) -> [f64; SIZE] {
        std::array::from_fn(|at| match row.columns.get(at) {
            Some(value) => ((value - self.means[at]) / self.scales[at]).clamp(-8.0, 8.0),
            None => 1.0,
        })
    }

    fn probability(&self, inputs: &[f64; SIZE]) -> f64 {
        let sum: f64 = inputs.iter().zip(&self.weights).map(|(x, w)| x * w).sum();
        1.0 / (1.0 + (-sum).exp())
    }

    fn newton(&mut self, rows: &[&Row], inputs: &[[f64; SIZE]]) {
        let mut gradient = self.weights.map(|weight| -RIDGE * weight);
        let mut curvature = vec![[0.0; SIZE]; SIZE];
        for (at, line) in curvature.iter_mut().enumerate() {
            line[at] = RIDGE;
        }
        for (row, x) in rows.iter().zip(inputs) {
            let p = self.probability(x);
            let error = f64::from(u8::from(row.happened)) - p;
            let weight = p * (1.0 - p);
            for (i, line) in curvature.iter_mut().enumerate() {
                gradient[i] += error * x[i];
                for (cell, other) in line.iter_mut().zip(x) {
                    *cell += weight * x[i] * other;
                }
            }
        }
        solve(&mut curvature, &mut gradient);
        for (weight, step) in self.weights.iter_mut().zip(gradient) {
            *weight += step.clamp(-2.0, 2.0);
        }
    }
}

/// Solves `matrix` times x = `right`, which becomes x. The ridge keeps every pivot above zero.
fn solve(matrix: &mut [[f64; SIZE]], right: &mut [f64; SIZE]) {
    for pivot in 0..SIZE {
        let line = matrix[pivot];
        for below in pivot + 1..SIZE {
            let factor = matrix[below][pivot] / line[pivot];
            for (cell, above) in matrix[below].iter_mut().zip(line).skip(pivot) {
                *cell -= factor * above;
            }
            right[below] -= factor * right[pivot];
        }
    }
    for row in (0..SIZE).rev() {
        let known: f64 = (row + 1..SIZE).map(|at| matrix[row][at] * right[at]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
}
