//! `CancelRequest`: withdraws a request that has no lease yet.

use super::stage_one::own_request;
use crate::command::{CancelRequest, Command};
use crate::decision::{Event, Rejected, RequestEnd, RequestEnded};
use crate::draft::Draft;
use crate::overtaking::lifts_a_barrier;
use crate::rejection::{RejectionCode as Code, refuse};

pub(super) fn decide(
    draft: &mut Draft,
    command: &Command,
    cancel: &CancelRequest,
) -> Result<(), Rejected> {
    let request = own_request(draft.state, command, &cancel.request)?;
    if let Some(lease) = request.lease() {
        let detail = format!("it runs already: send ReleaseLease with fencing {}", lease.fencing);
        return Err(refuse(Code::RequestRunning, detail));
    }
    let (pool, request) = (command.pool.clone(), cancel.request.clone());
    if lifts_a_barrier(draft.state.pool(&pool), &request, draft.now) {
        draft.freed.insert(pool.clone());
    }
    draft.emit(Event::RequestEnded(RequestEnded { pool, request, reason: RequestEnd::Cancelled }));
    Ok(())
}
