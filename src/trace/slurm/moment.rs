//! Moments and spans as Slurm writes them.

use conclave_core::limits::{DURATION_MS_MAX, TIME_MS_MAX};
use conclave_core::units::{DurationMs, TimeMs};
use jiff::civil::DateTime;

/// A moment; none of what has not happened.
pub(super) type Moment = Option<TimeMs>;

/// `2024-01-02T03:04:05`, local wall time read as written, or seconds since 1970; nothing where it
/// has not happened. None when it is no moment.
pub(super) fn moment(text: &str) -> Option<Moment> {
    if matches!(text, "" | "Unknown" | "None" | "0") {
        return Some(None);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let ms = text.parse::<i64>().ok()?.checked_mul(1_000)?;
        return (ms <= TIME_MS_MAX.0).then_some(Some(TimeMs(ms)));
    }
    let is_of_the_form = text.len() == "2024-01-02T03:04:05".len();
    let moment = DateTime::strptime("%Y-%m-%dT%H:%M:%S", text).ok().filter(|_| is_of_the_form)?;
    let is_near = (1_970..3_000).contains(&moment.year());
    let since_1970 = moment.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    let ms = i64::try_from(since_1970.as_millis()).ok().filter(|_| is_near)?;
    Some(Some(TimeMs(ms)))
}

/// `1-02:03:04`, `02:03:04`, `03:04`, or minutes; nothing where there is no limit. None when it is
/// no span, or none that anything may last.
pub(super) fn limit(text: &str) -> Option<Option<DurationMs>> {
    if matches!(text, "" | "UNLIMITED" | "Partition_Limit" | "INVALID") {
        return Some(None);
    }
    let (days, clock) = text.split_once('-').map_or(("0", text), |(days, clock)| (days, clock));
    let parts: Vec<i64> = clock.split(':').map(whole).collect::<Option<_>>()?;
    let seconds = match parts.as_slice() {
        [minutes] if !text.contains('-') => minutes.checked_mul(60)?,
        [minutes, seconds] => minutes.checked_mul(60)?.checked_add(*seconds)?,
        [hours, minutes, seconds] => {
            hours.checked_mul(3_600)?.checked_add(minutes * 60 + seconds)?
        }
        _ => return None,
    };
    let seconds = whole(days)?.checked_mul(86_400)?.checked_add(seconds)?;
    let ms = seconds.checked_mul(1_000).filter(|ms| *ms <= DURATION_MS_MAX.0)?;
    Some((ms > 0).then_some(DurationMs(ms)))
}

fn whole(text: &str) -> Option<i64> {
    let is_number = (1..=9).contains(&text.len()) && text.bytes().all(|one| one.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_limits() {
        assert_eq!(moment("1970-01-02T00:00:01"), Some(Some(TimeMs(86_401_000))));
        assert_eq!(moment("1609535912"), Some(Some(TimeMs(1_609_535_912_000))));
        assert_eq!(
            (moment("Unknown"), moment("None"), moment("0")),
            (Some(None), Some(None), Some(None))
        );
        for wrong in
            ["yesterday", "2024-01-02 03:04:05", "2024-02-30T00:00:00", "99999999999999999"]
        {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
        let minutes = |count: i64| Some(Some(DurationMs(count * 60_000)));
        assert_eq!((limit("1-00:00:00"), limit("02:30:00")), (minutes(1_440), minutes(150)));
        assert_eq!((limit("05:00"), limit("90")), (minutes(5), minutes(90)));
        assert_eq!((limit("UNLIMITED"), limit("Partition_Limit")), (Some(None), Some(None)));
        for wrong in ["soon", "1-2-3", "-5", "1:2:3:4", "999999-00:00:00"] {
            assert_eq!(limit(wrong), None, "{wrong}");
        }
    }
}
