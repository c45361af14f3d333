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
    pub name: &'static str,
    /// How many ranges there are.
    pub ranges: usize,
    /// By seat, by number of [`Trial::numbers`]: the mean, and the standard deviation.
    pub seats: [[(f64, f64); Trial::NUMBERS]; SEATS.len()],
    /// By seat but the council: in how many of the ranges the council's utility is larger.
    pub won: [usize; SEATS.len() - 1],
}

/// Tries `council` and the others on all ranges, kind by kind.
#[must_use]
pub fn judge(council: &Council, kinds: &[(&'static str, Vec<Range>)]) -> Vec<Judged> {
    kinds.iter().map(|(name, ranges)| of_kind(council, name, ranges)).collect()
}

fn of_kind(council: &Council, name: &'static str, ranges: &[Range]) -> Judged {
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
    Judged { name, ranges: ranges.len(), seats, won }
}

/// Mean and standard deviation (of a sample; 0 of one).
fn spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count.max(1.0);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}
