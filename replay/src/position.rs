//! Where somebody points to: an offset, in one partition or in all of them.

use conclave::error::{Error, Result};
use conclave_core::units::Offset;

/// `[P:]OFFSET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The partition, when it is named.
    pub(crate) partition: Option<i64>,
    /// The offset there.
    pub(crate) offset: Offset,
}

/// Reads what was typed.
pub(crate) fn position(text: &str) -> std::result::Result<Position, String> {
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
    let read = match text.split_once(':') {
        None => number(text).map(|offset| (None, offset)),
        Some((partition, offset)) => {
            number(partition).zip(number(offset)).map(|(partition, at)| (Some(partition), at))
        }
    };
    let read = read.map(|(partition, offset)| Position { partition, offset: Offset(offset) });
    read.ok_or_else(|| "has to be a whole number, 0 or more, or PARTITION:OFFSET".to_owned())
}

/// The partition that is meant by `--partition` and by every offset that names one.
///
/// # Errors
/// `Invalid` when they name different ones.
pub(crate) fn partition_of(
    named: Option<i64>,
    positions: &[Option<Position>],
) -> Result<Option<i64>> {
    let in_offsets = positions.iter().flatten().filter_map(|position| position.partition);
    let mut all = named.into_iter().chain(in_offsets);
    let first = all.next();
    match all.find(|other| Some(*other) != first) {
        None => Ok(first),
        Some(other) => Err(Error::invalid(format!(
            "partitions {} and {other} are named: name one",
            first.unwrap_or_default()
        ))),
    }
}
