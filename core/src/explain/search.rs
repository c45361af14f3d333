//! The step at which an answer turns.

/// The highest value of `low..=high` for which `holds`, when whatever is lower than a value that
/// holds does so too.
pub(crate) fn highest(low: i64, high: i64, holds: &mut impl FnMut(i64) -> bool) -> Option<i64> {
    if low > high || !holds(low) {
        return None;
    }
    // `good` holds, `bad` does not or is out of reach.
    let (mut good, mut bad) = (low, high + 1);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if holds(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Some(good)
}

/// A value above `bad`, which does not hold, that holds although the one below it does not, given
/// that `good` holds.
pub(super) fn turning_point(bad: i64, good: i64, holds: &mut impl FnMut(i64) -> bool) -> i64 {
    let (mut bad, mut good) = (bad, good);
    while good - bad > 1 {
        let middle = bad + (good - bad) / 2;
        if holds(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_found_from_both_sides() {
        for turn in 0..=12 {
            let found = highest(1, 10, &mut |value| value < turn);
            assert_eq!(found, (turn > 1).then_some((turn - 1).min(10)), "{turn}");
        }
        for turn in 1..=10 {
            assert_eq!(turning_point(0, 10, &mut |value| value >= turn), turn);
        }
        assert_eq!(highest(5, 4, &mut |_| true), None);
    }
}
