//! Many commands in one text, one a line.

use super::{Defaults, JsonError, read_command};
use conclave_core::command::Command;

/// The commands in `bytes` with the number of their line, from 1. Empty lines are passed over, a
/// line that is no command does not keep the next one from being read, and errors name the line of
/// the whole text.
///
/// A command id in `defaults` would be that of every line that names none: leave it out.
pub fn read_lines<'a>(
    bytes: &'a [u8],
    defaults: &'a Defaults,
) -> impl Iterator<Item = (usize, Result<Command, JsonError>)> + 'a {
    let lines = bytes.split(|&byte| byte == b'\n').zip(1..);
    let full = lines.filter(|(line, _)| !line.trim_ascii().is_empty());
    full.map(move |(line, number)| {
        let command = read_command(line, defaults);
        // A line has no line ends, so that its error's own line is always the first.
        (number, command.map_err(|error| JsonError { line: number, ..error }))
    })
}
