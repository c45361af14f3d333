//! What the rest of a GPU is worth to the slices that are expected.

use super::super::node::WHOLE;
use super::super::shape::{Kind, Shape};
use super::simplex::{Demand, values};
use std::collections::BTreeMap;

/// Slice sizes that count; beyond it the rarest are left out, the smaller first.
const SIZES_MAX: usize = 32;

/// A whole GPU in millionths.
const GPU_MICRO: i128 = 1_000_000;

/// The value of 0 to 1000 milli left on one GPU, in millionths of a whole GPU.
#[derive(Clone, Debug)]
pub(super) struct RestValue(Vec<i64>);

impl RestValue {
    /// For the slices among `target`. Without any, only a whole GPU is worth something.
    pub(super) fn new(target: &[(Shape, i64)]) -> Self {
        let mut counts = BTreeMap::new();
        for (shape, count) in target.iter().filter(|(shape, _)| shape.kind() == Kind::Slice) {
            *counts.entry(shape.need().gpu_milli.0).or_insert(0) += count;
        }
        let mut sizes: Vec<(i64, i64)> = counts.into_iter().collect();
        sizes.sort_by_key(|(milli, count)| (-count, -milli));
        sizes.truncate(SIZES_MAX);
        sizes.sort_unstable();
        let demand = |(milli, count): &(i64, i64)| Demand {
            milli: usize::try_from(*milli).expect("a slice is positive"),
            count: *count,
        };
        let mut values = values(&sizes.iter().map(demand).collect::<Vec<_>>());
        let whole = values.last_mut().expect("the value of a whole GPU is the last one");
        if *whole == 0 {
            *whole = GPU_MICRO;
        }
        let whole = *whole;
        // Prices that are a little too high are made right by measuring them in whole GPUs.
        let micro = |value: &i128| i64::try_from((value * GPU_MICRO + whole / 2) / whole);
        Self(values.iter().map(|v| micro(v).expect("at most one GPU")).collect())
    }

    /// What is lost when a slice of `milli` goes where `left` are left, beyond its own size, in
    /// millionths of a GPU. Below 0 when the rest is worth more than its size.
    pub(super) fn waste_micro(&self, left: u16, milli: i64) -> i64 {
        let rest = usize::try_from(i64::from(left) - milli).expect("the slice fits");
        self.0[usize::from(left)] - self.0[rest] - milli * 1_000
    }
}

const _: () = assert!(WHOLE == 1_000, "a milli is a thousand millionths");

#[cfg(test)]
#[allow(
    clippy::disallowed_types,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "the float twin"
)]
mod tests {
    use super::*;
    use crate::placement::draw::Draw;
    use crate::placement::shape::Need;
    use crate::units::GpuMilli;

    fn target(sizes: &[(i64, i64)]) -> Vec<(Shape, i64)> {
        let need = |milli| Need { gpu_milli: GpuMilli(milli), ..Need::default() };
        sizes.iter().map(|(milli, count)| (Shape::new(1, need(*milli), &[]), *count)).collect()
    }

    /// Fewest GPUs for the demand in the long run: all ways to cut a GPU are listed, and the
    /// program over them is solved by the simplex method on the dual's tableau, in floats.
    fn gpus_needed(sizes: &[(i64, i64)]) -> f64 {
        let mut cuts = vec![];
        list_cuts(sizes, 1_000, &mut vec![], &mut cuts);
        // Maximise the demand's worth under prices by which no cut is worth more than a GPU. All
        // prices 0 are feasible, so the slack basis begins.
        let (n, m) = (sizes.len(), cuts.len());
        let mut rows: Vec<Vec<f64>> = (0..m)
            .map(|row| {
                let mut line: Vec<f64> = cuts[row].iter().map(|count| *count as f64).collect();
                line.extend((0..m).map(|slack| f64::from(u8::from(slack == row))));
                line.push(1.0);
                line
            })
            .collect();
        let mut worth: Vec<f64> = sizes.iter().map(|(_, count)| *count as f64).collect();
        worth.resize(n + m + 1, 0.0);
        // Bland's rule: the first column that gains, the first row among the tightest.
        while let Some(column) = (0..n + m).find(|column| worth[*column] > 1e-7) {
            let ratio = |row: &usize| rows[*row][n + m] / rows[*row][column];
            let bounding = (0..m).filter(|row| rows[*row][column] > 1e-9);
            let row = bounding.min_by(|a, b| ratio(a).total_cmp(&ratio(b))).unwrap();
            let by = rows[row][column];
            rows[row].iter_mut().for_each(|entry| *entry /= by);
            let pivot = rows[row].clone();
            let eliminate = |line: &mut Vec<f64>| {
                let factor = line[column];
                line.iter_mut().zip(&pivot).for_each(|(entry, by)| *entry -= factor * by);
            };
            (0..m).filter(|other| *other != row).for_each(|other| eliminate(&mut rows[other]));
            eliminate(&mut worth);
        }
        -worth[n + m]
    }

    fn list_cuts(sizes: &[(i64, i64)], left: i64, cut: &mut Vec<i64>, cuts: &mut Vec<Vec<i64>>) {
        let Some(((milli, _), rest)) = sizes.split_first() else {
            cuts.push(cut.clone());
            return;
        };
        for count in 0..=left / milli {
            cut.push(count);
            list_cuts(rest, left - count * milli, cut, cuts);
            cut.pop();
        }
    }

    /// What the demand is worth in GPUs under the values found, and whether they are possible ones.
    fn worth(sizes: &[(i64, i64)]) -> f64 {
        let value = RestValue::new(&target(sizes));
        assert_eq!((value.0[0], value.0[1_000]), (0, 1_000_000));
        for milli in 1..=1_000 {
            assert!(
                value.0[milli - 1] <= value.0[milli],
                "{sizes:?}: less is worth more at {milli}"
            );
        }
        for &(milli, _) in sizes {
            let milli = usize::try_from(milli).unwrap();
            for left in milli..=1_000 {
                // Rounding down may take a millionth from either.
                let parts = value.0[milli] + value.0[left - milli];
                assert!(
                    parts <= value.0[left] + 1,
                    "{sizes:?}: {milli} of {left} is worth too much"
                );
            }
        }
        let micro = |(milli, count): &(i64, i64)| value.0[usize::try_from(*milli).unwrap()] * count;
        sizes.iter().map(micro).sum::<i64>() as f64 / 1e6
    }

    #[test]
    fn prices_are_the_best_ones() {
        let by_hand: [&[(i64, i64)]; 5] = [
            &[(1, 3)],
            &[(500, 1), (999, 5)],
            &[(810, 1_078), (470, 750), (320, 328), (160, 74)],
            &[(400, 10), (300, 10), (350, 1)],
            &[(250, 1), (500, 1), (334, 7), (666, 2)],
        ];
        let mut draw = Draw::new(11);
        let mut drawn: Vec<Vec<(i64, i64)>> = by_hand.iter().map(|sizes| sizes.to_vec()).collect();
        for _ in 0..40 {
            let mut sizes = BTreeMap::new();
            for _ in 0..3 + draw.below(4) {
                let milli = i64::try_from(131 + draw.below(420)).unwrap();
                sizes.insert(milli, i64::try_from(1 + draw.below(900)).unwrap());
            }
            drawn.push(sizes.into_iter().collect());
        }
        for sizes in drawn {
            let (found, best) =
                (worth(&sizes), if sizes == [(1, 3)] { 0.003 } else { gpus_needed(&sizes) });
            let within = best * 1e-5 + 1e-5;
            assert!((found - best).abs() <= within, "{sizes:?}: worth {found}, GPUs needed {best}");
        }
    }

    #[test]
    fn what_is_cut_well_wastes_nothing() {
        let value = RestValue::new(&target(&[(810, 10), (190, 3), (500, 7)]));
        assert_eq!(value.waste_micro(500, 500), 0);
        // 810 are worth 1000 - 190 only as long as slices of 190 are the scarcer ones.
        assert_eq!(value.waste_micro(1_000, 810), 190_000);
        assert_eq!(value.waste_micro(190, 190), -190_000);
        let value = RestValue::new(&target(&[(810, 3), (190, 10)]));
        // Five slices of 190 fill 950, so each is worth a fifth of a GPU.
        assert_eq!(value.waste_micro(1_000, 810), -10_000);
        assert_eq!(value.waste_micro(190, 190), 10_000);
    }

    #[test]
    fn without_slices_only_a_whole_gpu_is_worth_something() {
        let value = RestValue::new(&[]);
        assert_eq!(value.waste_micro(1_000, 300), 700_000);
        assert_eq!(value.waste_micro(700, 300), -300_000);
    }

    #[test]
    fn of_more_sizes_than_count_the_most_frequent_stay() {
        let all: Vec<(i64, i64)> = (0..512).map(|n| (41 + n * 7 % 959, 1 + n * n % 101)).collect();
        let mut most = BTreeMap::new();
        all.iter().for_each(|(milli, count)| *most.entry(*milli).or_insert(0) += count);
        let mut most: Vec<(i64, i64)> = most.into_iter().collect();
        most.sort_by_key(|(milli, count)| (-count, -milli));
        assert_eq!(RestValue::new(&target(&all)).0, RestValue::new(&target(&most[..32])).0);
    }
}
