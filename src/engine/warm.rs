//! Folds that somebody else keeps nearly up to date: an engine that is opened, or has to take a
//! round back, begins there.

use crate::error::Result;
use crate::fold::{FoldReport, Folded, fold, fold_on, with_advice};
use crate::log::LogReader;

/// Gives a fold of some beginning of the log that somebody else keeps, so that an engine need not
/// begin at a snapshot.
pub struct Warm(Box<dyn Fn() -> Folded + Send>);

impl Warm {
    /// Asks `fold`, which copies what it keeps.
    #[must_use]
    pub fn new(fold: impl Fn() -> Folded + Send + 'static) -> Self {
        Self(Box::new(fold))
    }
}

impl std::fmt::Debug for Warm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Warm")
    }
}

/// The fold of the log: on from what somebody keeps, or else from a snapshot. The chain tells
/// whether what is kept belongs to this log.
pub(super) fn folded_of(log: &dyn LogReader, warm: Option<&Warm>) -> Result<(Folded, FoldReport)> {
    if let Some(Warm(kept)) = warm {
        let (mut folded, mut report) = (kept(), FoldReport::default());
        let ends = log.ends()?;
        let goes_on = fold_on(log, &mut folded, ends.decisions_next, |_, _, _| {
            report.decisions += 1;
        });
        if goes_on.is_ok() && folded.head == ends.head && folded.next() == ends.decisions_next {
            return Ok((folded, report));
        }
    }
    fold(log, log.partition(), None).map_err(with_advice)
}
