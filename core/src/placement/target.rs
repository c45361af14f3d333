//! The target workload of FGD, cut from counts of shapes.

use crate::command::TargetShape;

/// The part of all tasks that the target keeps: 19 of 20, the most frequent shapes first.
const KEPT: (i64, i64) = (19, 20);

/// The most frequent of `shapes` that together make up 95 % of all tasks, most frequent first,
/// larger first among equals. Shares of the rest are not spread: counts need no sum of one.
///
/// # Panics
/// When a count is negative.
#[must_use]
pub fn most_frequent(mut shapes: Vec<TargetShape>) -> Vec<TargetShape> {
    assert!(shapes.iter().all(|shape| shape.count >= 0), "a shape is asked for a negative number");
    let total: i64 = shapes.iter().map(|shape| shape.count).sum();
    let order = |s: &TargetShape| (s.count, s.cpu_milli, s.gpu_milli, s.gpu_count);
    shapes.sort_by(|a, b| (order(b), &b.gpu_models).cmp(&(order(a), &a.gpu_models)));
    let mut kept = 0;
    let mut reached = |shape: &TargetShape| {
        let before = kept;
        kept += shape.count;
        before * KEPT.1 >= total * KEPT.0
    };
    let length = shapes.iter().position(&mut reached).unwrap_or(shapes.len());
    shapes.truncate(length);
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{CpuMilli, GpuMilli};

    fn shape(cpu_milli: i64, count: i64) -> TargetShape {
        TargetShape {
            cpu_milli: CpuMilli(cpu_milli),
            gpu_count: 1,
            gpu_milli: GpuMilli(1_000),
            gpu_models: vec![],
            count,
        }
    }

    #[test]
    fn the_cut_is_the_first_prefix_that_reaches_95_percent() {
        let table: [(&[i64], &[i64]); 5] = [
            (&[], &[]),
            (&[7], &[7]),
            (&[5, 95], &[95]),
            (&[6, 94], &[94, 6]),
            (&[1, 90, 4, 5], &[90, 5]),
        ];
        for (counts, kept) in table {
            let shapes = counts.iter().map(|count| shape(1, *count)).collect();
            let counts: Vec<i64> = most_frequent(shapes).iter().map(|s| s.count).collect();
            assert_eq!(counts, kept);
        }
    }

    #[test]
    fn among_equally_frequent_shapes_the_larger_stays() {
        let shapes = vec![shape(1, 1), shape(3, 1), shape(2, 1), shape(9, 57)];
        let cpus =
            |shapes: &[TargetShape]| shapes.iter().map(|s| s.cpu_milli.0).collect::<Vec<_>>();
        assert_eq!(cpus(&most_frequent(shapes)), [9]);
        let shapes = vec![shape(1, 10), shape(3, 10), shape(2, 10), shape(9, 11)];
        assert_eq!(cpus(&most_frequent(shapes)), [9, 3, 2, 1]);
    }
}
