//! Which partition is meant.

use conclave::cli::position::Position;
use conclave::error::{Error, Result};

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
