//! The last command that has a decision, read again: whoever takes a log up makes sure that it is
//! still the log that was decided.

use super::reading::Reading;
use crate::error::{Error, Result};
use crate::log::LogReader;
use crate::wire::{MissingSchema, decode_decision};
use conclave_core::decision::Decision;
use conclave_core::units::Offset;

/// Compares the digest of the last covered command with the one that its decision recorded.
/// `schemas` as in [`super::Scope`].
///
/// # Errors
/// `Corrupt` when it is another command, or is not there any more.
pub fn check_last_command(log: &dyn LogReader, schemas: Option<&[String]>) -> Result<()> {
    let next = log.ends()?.decisions_next;
    if next == Offset(0) {
        return Ok(());
    }
    let (last, partition) = (Offset(next.0 - 1), log.partition());
    let changed = |what: &str| {
        Error::corrupt(format!(
            "partition {partition}: decision {last} was made of a command that {what}: the \
             commands are not those that were decided, as after a topic was made anew (replay \
             verify says more; see docs/runbooks/group-offset.md)"
        ))
    };
    let decided = log.decisions(last, 0)?.into_iter().find(|record| record.offset == last);
    let decided = decided.ok_or_else(|| Error::corrupt(format!("decision {last} is not there")))?;
    let stored = log.commands(last, 0)?.into_iter().find(|stored| stored.offset == last);
    let stored = stored.ok_or_else(|| changed("is not there"))?;
    let Decision { input_hash, decide_version, .. } = decode_decision(&decided.body)?;
    match Reading::of(schemas).read(partition, &stored, &decided.body, decide_version) {
        Ok(input) if input.input_hash == input_hash => Ok(()),
        Ok(_) => Err(changed("reads differently now")),
        // The text that it was read under is not kept here: nothing can be said against it.
        Err(MissingSchema { id }) => {
            tracing::warn!(partition, %last, schema = id, "the last command cannot be compared");
            Ok(())
        }
    }
}
