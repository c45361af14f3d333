//! Snapshots are copies of the fold: each is compared with the fold when that comes by.

use super::report::Report;
use crate::error::Result;
use crate::log::LogReader;
use crate::snapshot;
use conclave_core::state::State;
use conclave_core::units::{Hash32, Offset};
use std::collections::VecDeque;

/// Snapshots not compared yet, by offset.
pub(super) struct Snapshots {
    pending: VecDeque<Offset>,
}

impl Snapshots {
    pub(super) fn of(log: &dyn LogReader) -> Result<Self> {
        let mut pending: VecDeque<Offset> = log.snapshots()?.into();
        pending.make_contiguous().sort_unstable();
        Ok(Self { pending })
    }

    /// Compares those before `next` or at it, given the fold of everything before `next`.
    pub(super) fn compare(
        &mut self,
        log: &dyn LogReader,
        (state, head, next): (&State, Hash32, Offset),
        report: &mut Report,
    ) {
        while let Some(at) = self.pending.pop_front_if(|at| *at <= next) {
            if at < next {
                report.snapshots_differing += 1;
                report.snapshot_faults.push(format!("snapshot {at} stands within a round"));
                continue;
            }
            let read = log.snapshot(at).and_then(|bytes| snapshot::decode(&bytes, at));
            match read {
                Ok(folded) if folded.head == head && folded.state == *state => {
                    report.snapshots_checked += 1;
                }
                Ok(_) => {
                    report.snapshots_differing += 1;
                    let fault = format!("snapshot {at} is not the fold of the decisions before it");
                    report.snapshot_faults.push(fault);
                }
                // A writer beside us replaces old snapshots by new ones.
                Err(_) if is_gone(log, at) => {}
                Err(error) => {
                    report.snapshots_damaged += 1;
                    report.snapshot_faults.push(error.to_string());
                }
            }
        }
    }

    /// Whatever is left at the sound end of a whole log is ahead of it: stored state never leads.
    pub(super) fn ahead(&mut self, report: &mut Report) {
        for at in self.pending.drain(..) {
            report.snapshots_differing += 1;
            report.snapshot_faults.push(format!("snapshot {at} is ahead of the log"));
        }
    }
}

fn is_gone(log: &dyn LogReader, at: Offset) -> bool {
    log.snapshots().is_ok_and(|left| !left.contains(&at))
}
