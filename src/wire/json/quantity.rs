//! Quantities as people say them: `2h30m`, `1.5` GPUs. All in whole numbers.

use conclave_core::limits::{GPU_MILLI_WHOLE, MINUTES_OF_DAY};
use conclave_core::units::{DurationMs, GpuMilli};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::fmt;
use std::str::FromStr;

/// What a number in thousandths may have behind its point.
const FRACTION_DIGITS: usize = 3;

/// A duration as people say it: `2h30m`, `90s`, `500ms`, `1d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub DurationMs);

/// Why a text is no [`Span`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a duration is whole numbers with units, the largest first, such as \"1d\", \"2h30m\", \
     \"1.5s\" or \"500ms\""
)]
pub struct NoSpan;

impl FromStr for Span {
    type Err = NoSpan;

    fn from_str(text: &str) -> Result<Self, NoSpan> {
        let (mut rest, mut above, mut sum) = (text, i64::MAX, 0_i64);
        while !rest.is_empty() {
            let (amount, unit, left) = part(rest).ok_or(NoSpan)?;
            let (unit_ms, is_second) = unit_ms(unit).ok_or(NoSpan)?;
            if unit_ms >= above {
                return Err(NoSpan);
            }
            let part_ms = match is_second {
                true => thousandths(amount),
                false => whole(amount).and_then(|amount| amount.checked_mul(unit_ms)),
            };
            sum = part_ms.and_then(|part| sum.checked_add(part)).ok_or(NoSpan)?;
            (rest, above) = (left, unit_ms);
        }
        if text.is_empty() { Err(NoSpan) } else { Ok(Self(DurationMs(sum))) }
    }
}

/// The first amount of `text`, its unit, and what follows.
fn part(text: &str) -> Option<(&str, &str, &str)> {
    let (amount, rest) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    Some((amount, unit, rest))
}

/// Milliseconds of a unit, and whether it is the one that may have a fraction.
fn unit_ms(unit: &str) -> Option<(i64, bool)> {
    match unit {
        "d" => Some((24 * 3_600_000, false)),
        "h" => Some((3_600_000, false)),
        "m" => Some((60_000, false)),
        "s" => Some((1_000, true)),
        "ms" => Some((1, false)),
        _ => None,
    }
}

/// A number of digits alone.
fn whole(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// `1.5` as 1500: at most three digits behind the point.
fn thousandths(text: &str) -> Option<i64> {
    let (before, behind) = match text.split_once('.') {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    };
    let fraction = match behind {
        Some(behind) if behind.len() <= FRACTION_DIGITS => whole(behind)
            .and_then(|digits| digits.checked_mul(10_i64.pow(missing_digits(behind))))?,
        Some(_) => return None,
        None => 0,
    };
    whole(before)?.checked_mul(1_000)?.checked_add(fraction)
}

fn missing_digits(behind: &str) -> u32 {
    u32::try_from(FRACTION_DIGITS - behind.len()).expect("at most three")
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(SpanText)
    }
}

struct SpanText;

impl Visitor<'_> for SpanText {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a duration such as \"2h30m\" (milliseconds go into the field that ends in _ms)",
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
        text.parse().map_err(E::custom)
    }
}

/// A minute of the day as people say it: `08:00`, up to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DayTime(pub(super) i64);

/// Why a text is no [`DayTime`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time of day is hours and minutes, such as \"08:00\" or \"24:00\"")]
pub(super) struct NoDayTime;

impl FromStr for DayTime {
    type Err = NoDayTime;

    fn from_str(text: &str) -> Result<Self, NoDayTime> {
        let (hours, minutes) = text.split_once(':').ok_or(NoDayTime)?;
        let hours = whole(hours).filter(|_| hours.len() <= 2).ok_or(NoDayTime)?;
        let minutes = whole(minutes).filter(|_| minutes.len() == 2).ok_or(NoDayTime)?;
        let minute = hours * 60 + minutes;
        if minutes < 60 && minute <= MINUTES_OF_DAY { Ok(Self(minute)) } else { Err(NoDayTime) }
    }
}

impl<'de> Deserialize<'de> for DayTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// GPUs as people count them: `8` or `1.5`, in a command `8` or `"1.5"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpus(pub GpuMilli);

/// Why a text is no [`Gpus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("GPUs are a number with at most three decimals, such as \"8\" or \"1.5\"")]
pub struct NoGpus;

impl FromStr for Gpus {
    type Err = NoGpus;

    fn from_str(text: &str) -> Result<Self, NoGpus> {
        thousandths(text).map(|milli| Self(GpuMilli(milli))).ok_or(NoGpus)
    }
}

impl<'de> Deserialize<'de> for Gpus {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(GpusText)
    }
}

struct GpusText;

impl Visitor<'_> for GpusText {
    type Value = Gpus;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GPUs: a whole number, or a text such as \"1.5\"")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Gpus, E> {
        let milli = number.checked_mul(GPU_MILLI_WHOLE);
        milli.map(|milli| Gpus(GpuMilli(milli))).ok_or_else(|| E::custom("too many GPUs"))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Gpus, E> {
        self.visit_i64(i64::try_from(number).map_err(|_| E::custom("too many GPUs"))?)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Gpus, E> {
        text.parse().map_err(E::custom)
    }
}

/// The duration called `name`, which was said in milliseconds or as people say it.
pub(super) fn span(
    name: &str,
    ms: Option<DurationMs>,
    said: Option<Span>,
) -> Result<Option<DurationMs>, String> {
    match (ms, said) {
        (Some(_), Some(_)) => Err(twice(&format!("{name}_ms"), name)),
        (ms, said) => Ok(ms.or_else(|| said.map(|Span(span)| span))),
    }
}

/// The GPUs called `name`, which were said in milli or as people count them.
pub(super) fn gpus(
    name: &str,
    milli: Option<GpuMilli>,
    said: Option<Gpus>,
) -> Result<Option<GpuMilli>, String> {
    match (milli, said) {
        (Some(_), Some(_)) => Err(twice(&format!("{name}_gpu_milli"), &format!("{name}_gpus"))),
        (milli, said) => Ok(milli.or_else(|| said.map(|Gpus(milli)| milli))),
    }
}

fn twice(one: &str, other: &str) -> String {
    format!("`{one}` and `{other}` say the same: keep one of them")
}

/// What each of `gpu_count` GPUs is when nobody asks for a slice.
pub(super) fn whole_gpu(gpu_count: i64) -> GpuMilli {
    if gpu_count == 0 { GpuMilli(0) } else { GpuMilli(GPU_MILLI_WHOLE) }
}
