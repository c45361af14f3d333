//! States of the past: folded from the log when somebody asks, and kept for who asks next.

use crate::error::{Error, Result};
use crate::fold::{Folded, fold};
use crate::log::LogReader;
use conclave_core::units::Offset;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// States that are kept: a slider goes back and forth.
const KEPT_MAX: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Past {
    /// The one asked for last comes first. Locked while a state is folded: one at a time.
    kept: Mutex<VecDeque<Arc<Folded>>>,
}

impl Past {
    /// The state right after the decision at `offset`.
    pub(super) fn state_at(&self, log: &dyn LogReader, offset: Offset) -> Result<Arc<Folded>> {
        let last = Offset(log.ends()?.decisions_next.0 - 1);
        if offset < Offset(0) || offset > last {
            return Err(Error::unavailable(match last.0 {
                -1 => "the log has no decisions yet".to_owned(),
                last => format!("there is no decision {offset}: they go from 0 to {last}"),
            }));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|folded| folded.state.covered == offset);
        let folded = match found.and_then(|at| kept.remove(at)) {
            Some(folded) => folded,
            None => Arc::new(fold(log, log.partition(), Some(Offset(offset.0 + 1)))?.0),
        };
        let covered = folded.state.covered;
        kept.push_front(Arc::clone(&folded));
        kept.truncate(KEPT_MAX);
        if covered != offset {
            return Err(Error::invalid(format!(
                "there is no decision {offset}: the one before it is {covered}"
            )));
        }
        Ok(folded)
    }
}
