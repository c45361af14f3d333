//! The last word: the council beside nobody and the rule score, on what nothing was learnt from or
//! fitted to.

use crate::panel::{Networks, Nobody, Panel, Rules};
use crate::trial::{Range, Trial};
use conclave_core::council::Council;

/// Who is tried, in the order of [`Judged::seats`].
pub const SEATS: [&str; 3] = ["nobody", "rule score", "council"];

/// How all seats did on ranges of one kind.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Which kind.
    pub name: String,
    /// How many ranges there are.
    pub ranges: usize,
    /// By seat, by number of [`Trial::numbers`]: the mean, and the standard deviation.
    pub seats: [[(f64, f64); Trial::NUMBERS]; SEATS.len()],
    /// By seat but the council: in how many of the ranges the council's utility is larger.
    pub won: [usize; SEATS.len() - 1],
    /// By seat but the council: how much more utility the council has, the mean, and the standard
    /// deviation.
    pub ahead: [(f64, f64); SEATS.len() - 1],
}

/// Ranges of one kind.
#[derive(Clone, Debug)]
pub struct Kind {
    /// What it is called in the model card.
    pub name: String,
    /// What is run.
    pub ranges: Vec<Range>,
}

/// What a comparison of utilities comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// More, beyond chance.
    More,
    /// Less, beyond chance.
    Less,
    /// Within what chance does.
    Same,
}

/// On one range, utilities that differ by no more than this are the same: a little more or less
/// load moves them by as much.
pub const NOISE: f64 = 0.02;
/// The same of the mean over several ranges, however alike they are.
pub const NOISE_MEAN: f64 = 0.01;

impl Judged {
    /// How the council's utility compares with that of the seat at `other`.
    #[must_use]
    pub fn compared(&self, other: usize) -> Verdict {
        let (ahead, spread) = self.ahead[other];
        let noise = match self.ranges {
            1 => NOISE,
            // Two standard errors.
            ranges => f64::max(NOISE_MEAN, 2.0 * spread / (ranges as f64).sqrt()),
        };
        match ahead {
            ahead if noise < ahead => Verdict::More,
            ahead if ahead < -noise => Verdict::Less,
            _ => Verdict::Same,
        }
    }
}

/// Tries `council` and the others on all ranges, kind by kind.
#[must_use]
pub fn judge(council: &Council, kinds: &[Kind]) -> Vec<Judged> {
    kinds.iter().map(|kind| of_kind(council, kind)).collect()
}

fn of_kind(council: &Council, Kind { name, ranges }: &Kind) -> Judged {
    let all: Vec<[Trial; SEATS.len()]> = ranges
        .iter()
        .map(|range| {
            let mut networks = Networks::new(council);
            let seats: [&mut dyn Panel; SEATS.len()] = [&mut Nobody, &mut Rules, &mut networks];
            seats.map(|panel| range.trial(panel))
        })
        .collect();
    let seats = std::array::from_fn(|seat| {
        let numbers: Vec<_> = all.iter().map(|seats| seats[seat].numbers()).collect();
        std::array::from_fn(|at| {
            spread(&numbers.iter().map(|numbers| numbers[at]).collect::<Vec<_>>())
        })
    });
    let won = std::array::from_fn(|seat| {
        let is_won = |seats: &&[Trial; SEATS.len()]| seats[seat].utility < seats[2].utility;
        all.iter().filter(is_won).count()
    });
    let ahead = std::array::from_fn(|seat| {
        spread(&all.iter().map(|seats| seats[2].utility - seats[seat].utility).collect::<Vec<_>>())
    });
    Judged { name: name.clone(), ranges: ranges.len(), seats, won, ahead }
}

/// Mean and standard deviation (of a sample; 0 of one).
fn spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count.max(1.0);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(ranges: usize, ahead: (f64, f64)) -> Judged {
        let name = "made up".to_owned();
        let seats = [[(0.0, 0.0); Trial::NUMBERS]; SEATS.len()];
        Judged { name, ranges, seats, won: [0; 2], ahead: [ahead; 2] }
    }

    #[test]
    fn nobody_is_ahead_by_chance() {
        for (ranges, ahead, expected) in [
            (1, (0.021, 0.0), Verdict::More),
            (1, (0.019, 0.0), Verdict::Same),
            (1, (-0.021, 0.0), Verdict::Less),
            (4, (0.011, 0.001), Verdict::More),
            (4, (0.009, 0.001), Verdict::Same),
            (4, (0.05, 0.06), Verdict::Same),
            (4, (-0.07, 0.06), Verdict::Less),
        ] {
            assert_eq!(judged(ranges, ahead).compared(0), expected, "{ranges} {ahead:?}");
        }
    }
}
