//! Where somebody points to: an offset, in one partition or in all of them.

use conclave_core::units::Offset;

/// `[P:]OFFSET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition, when it is named.
    pub partition: Option<i64>,
    /// The offset there.
    pub offset: Offset,
}

/// Reads what was typed.
///
/// # Errors
/// A sentence that says what it has to be.
pub fn position(text: &str) -> Result<Position, String> {
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
