//! Values as people type them.

use conclave_core::units::{DurationMs, GpuMilli, NodeId, Offset, PoolId, RequestId, TenantId};

type Parsed<T> = Result<T, String>;

/// A position in the log.
pub(super) fn offset(text: &str) -> Parsed<Offset> {
    let offset = text.parse().ok().filter(|offset| *offset >= 0);
    offset.map(Offset).ok_or_else(|| "has to be a whole number, 0 or more".to_owned())
}

/// The number of a partition.
pub(super) fn partition(text: &str) -> Parsed<i64> {
    Ok(offset(text)?.0)
}

/// `90m`, `2h30m`, `1d`, `45s`, `500ms`.
pub(super) fn duration(text: &str) -> Parsed<DurationMs> {
    let wrong = || "has to be a span such as 90m, 2h30m, 1d or 45s".to_owned();
    let (mut rest, mut ms) = (text, 0_i64);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let units = rest[digits..].trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (part, after) = rest.split_at(rest.len() - units);
        let (number, unit) = part.split_at(digits);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: i64 = number.parse().map_err(|_| wrong())?;
        let part = number.checked_mul(factor).ok_or_else(wrong)?;
        (rest, ms) = (after, ms.checked_add(part).ok_or_else(wrong)?);
    }
    if text.is_empty() { Err(wrong()) } else { Ok(DurationMs(ms)) }
}

/// GPUs with at most three decimals: `8`, `0.5`.
pub(super) fn gpus(text: &str) -> Parsed<GpuMilli> {
    let wrong = || "has to be GPUs with at most three decimals, such as 8 or 0.5".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<3}");
    let is_sound = digits.bytes().all(|byte| byte.is_ascii_digit()) && part.len() <= 3;
    let milli = digits.parse().map_err(|_| wrong())?;
    if is_sound && !whole.is_empty() { Ok(GpuMilli(milli)) } else { Err(wrong()) }
}

pub(super) fn pool(text: &str) -> Parsed<PoolId> {
    Ok(PoolId::from(text))
}

pub(super) fn tenant(text: &str) -> Parsed<TenantId> {
    Ok(TenantId::from(text))
}

pub(super) fn request(text: &str) -> Parsed<RequestId> {
    Ok(RequestId::from(text))
}

pub(super) fn node(text: &str) -> Parsed<NodeId> {
    Ok(NodeId::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_add_up() {
        for (text, ms) in [
            ("90m", Some(5_400_000)),
            ("2h30m", Some(9_000_000)),
            ("1d1h", Some(90_000_000)),
            ("45s500ms", Some(45_500)),
            ("0s", Some(0)),
            ("", None),
            ("90", None),
            ("h", None),
            ("-1h", None),
            ("1w", None),
            ("1h é", None),
            ("99999999999999999999s", None),
            ("9223372036854775807d", None),
        ] {
            assert_eq!(duration(text).ok(), ms.map(DurationMs), "{text}");
        }
    }

    #[test]
    fn gpus_have_three_decimals_at_most() {
        for (text, milli) in
            [("8", Some(8_000)), ("0.5", Some(500)), ("1.25", Some(1_250)), ("0", Some(0))]
        {
            assert_eq!(gpus(text).ok(), milli.map(GpuMilli), "{text}");
        }
        for text in ["", ".5", "1.2345", "-1", "1,5", "x", "1.-2"] {
            assert!(gpus(text).is_err(), "{text}");
        }
    }
}
