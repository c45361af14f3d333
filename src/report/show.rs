//! Quantities as people read them.

use conclave_core::units::{DurationMs, GpuMilli, GpuMilliSeconds, MicroUsd, TimeMs};

/// `1d02h03m04.005s`, from the first part that is not zero.
#[must_use]
pub fn span(span: DurationMs) -> String {
    let sign = if span.0 < 0 { "-" } else { "" };
    let ms = span.0.unsigned_abs();
    let (days, hours) = (ms / 86_400_000, ms / 3_600_000 % 24);
    let (minutes, seconds, ms) = (ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    let text = match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}.{ms:03}s"),
        (0, 0, _) => format!("{minutes}m{seconds:02}.{ms:03}s"),
        (0, _, _) => format!("{hours}h{minutes:02}m{seconds:02}.{ms:03}s"),
        (_, _, _) => format!("{days}d{hours:02}h{minutes:02}m{seconds:02}.{ms:03}s"),
    };
    format!("{sign}{text}")
}

/// From `from` to `to`.
#[must_use]
pub fn between(from: TimeMs, to: TimeMs) -> DurationMs {
    DurationMs(to.0.saturating_sub(from.0))
}

/// Thousandths of a GPU as GPUs: `2`, `1.5`, `0.25`.
#[must_use]
pub fn gpus(milli: GpuMilli) -> String {
    let sign = if milli.0 < 0 { "-" } else { "" };
    let milli = milli.0.unsigned_abs();
    let text = format!("{sign}{}.{:03}", milli / 1_000, milli % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// GPU time as GPU-hours with three decimals at the most, rounded up: `2`, `1.5`, `0.001`.
#[must_use]
pub fn gpu_hours(time: GpuMilliSeconds) -> String {
    const MILLI_HOUR: i64 = 3_600;
    let milli = time.0 / MILLI_HOUR + i64::from(time.0 % MILLI_HOUR > 0);
    gpus(GpuMilli(milli))
}

/// Money in US dollars and cents, rounded up: `12.50 USD`.
#[must_use]
pub fn usd(money: MicroUsd) -> String {
    let cents = money.0 / 10_000 + i64::from(money.0 % 10_000 > 0);
    format!("{}.{:02} USD", cents / 100, cents % 100)
}

/// `1d02h`, `2h03m`, `3m05s`, `12s`: the first part that is not zero, and the next one.
#[must_use]
pub fn rough(span: DurationMs) -> String {
    let sign = if span.0 < 0 { "-" } else { "" };
    let seconds = span.0.unsigned_abs() / 1_000;
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    let text = match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{seconds:02}s"),
        (0, _, _) => format!("{hours}h{minutes:02}m"),
        (_, _, _) => format!("{days}d{hours:02}h"),
    };
    format!("{sign}{text}")
}

/// `8 GPUs`, `1 GPU`, `0.5 GPUs`.
#[must_use]
pub fn some_gpus(milli: GpuMilli) -> String {
    let unit = if milli.0 == 1_000 { "GPU" } else { "GPUs" };
    format!("{} {unit}", gpus(milli))
}

/// Times from here on are dates; before it they count from the start of an imported trace.
const DATES_FROM: TimeMs = TimeMs(946_684_800_000);

/// A log time as a date in UTC, or as the span since an imported trace began.
#[must_use]
pub fn clock(time: TimeMs) -> String {
    let date = jiff::Timestamp::from_millisecond(time.0).ok().filter(|_| time >= DATES_FROM);
    match date {
        Some(date) => date.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        None => format!("+{}", rough(DurationMs(time.0))),
    }
}

/// `text`, or a dash where there is none.
#[must_use]
pub fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// `1 decision`, `2 decisions`.
#[must_use]
pub fn count(number: u64, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_start_with_their_first_part() {
        for (ms, text) in [
            (0, "0.000s"),
            (59_999, "59.999s"),
            (60_000, "1m00.000s"),
            (3_723_004, "1h02m03.004s"),
            (93_784_005, "1d02h03m04.005s"),
            (-1_500, "-1.500s"),
        ] {
            assert_eq!(span(DurationMs(ms)), text);
        }
    }

    #[test]
    fn rough_spans_have_two_parts() {
        for (ms, text) in [
            (0, "0s"),
            (59_999, "59s"),
            (61_000, "1m01s"),
            (7_380_000, "2h03m"),
            (93_784_005, "1d02h"),
            (-7_380_000, "-2h03m"),
        ] {
            assert_eq!(rough(DurationMs(ms)), text);
        }
    }

    #[test]
    fn times_are_dates_unless_they_count_from_the_start_of_a_trace() {
        for (ms, text) in [(1_763_975_189_123, "2025-11-24 09:06:29Z"), (7_380_000, "+2h03m")] {
            assert_eq!(clock(TimeMs(ms)), text);
        }
    }

    #[test]
    fn gpu_time_and_money_are_rounded_up() {
        let hours =
            [(0, "0"), (1, "0.001"), (3_600, "0.001"), (3_600_000, "1"), (5_400_001, "1.501")];
        for (milli_seconds, text) in hours {
            assert_eq!(gpu_hours(GpuMilliSeconds(milli_seconds)), text);
        }
        for (micro, text) in [(0, "0.00 USD"), (1, "0.01 USD"), (12_500_000, "12.50 USD")] {
            assert_eq!(usd(MicroUsd(micro)), text);
        }
    }

    #[test]
    fn milli_are_read_as_gpus() {
        for (milli, text) in [(0, "0"), (1_000, "1"), (1_500, "1.5"), (250, "0.25"), (10_000, "10")]
        {
            assert_eq!(gpus(GpuMilli(milli)), text);
        }
    }
}
