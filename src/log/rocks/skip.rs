//! Naming a command that is not to be decided, while nobody writes to the log.

use super::directory;
use super::reader::RocksReader;
use crate::error::{Error, Result};
use crate::log::skip::{self, SKIPS_MAX, Skip};
use crate::log::{LogEnds, LogReader};
use std::path::Path;

/// Has the next start of the log in `dir` answer a command `Failed` instead of deciding it. Naming
/// it again replaces the reason.
///
/// # Errors
/// `Invalid` when the command is decided already or does not exist, or when operator or reason are
/// missing or too long; `Unavailable` when somebody writes to the log or the disk refuses.
pub fn skip(dir: &Path, skip: &Skip) -> Result<()> {
    skip.check()?;
    // Nothing is made here: a wrong path is an error and no new log.
    if !dir.exists() {
        return Err(Error::invalid(format!("{} does not exist", dir.display())));
    }
    let _lock = directory::lock(dir)?;
    let ends = RocksReader::open(dir)?.ends()?;
    check_undecided(skip, &ends)?;
    let mut skips = skip::read(dir)?;
    skips.retain(|known| known.offset >= ends.decisions_next && known.offset != skip.offset);
    skips.push(skip.clone());
    skips.sort_by_key(|skip| skip.offset);
    if skips.len() > SKIPS_MAX {
        return Err(Error::invalid(format!(
            "{SKIPS_MAX} commands are to be skipped already: start the service, or use a release \
             that can decide them"
        )));
    }
    skip::replace(dir, &skips).map_err(|error| directory::refused(error, "cannot write skips.log"))
}

fn check_undecided(skip: &Skip, ends: &LogEnds) -> Result<()> {
    let LogEnds { commands_next, decisions_next, head: _ } = ends;
    if skip.offset < *decisions_next {
        return Err(Error::invalid(format!(
            "command {} has its decision, which nothing changes: the first undecided one would be \
             {decisions_next}",
            skip.offset
        )));
    }
    if skip.offset >= *commands_next {
        return Err(Error::invalid(format!(
            "there is no command {}: the log ends before offset {commands_next}",
            skip.offset
        )));
    }
    Ok(())
}
