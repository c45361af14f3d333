//! What a tenant may see of a decision: its own commands, and what happened to its own requests in
//! them. A decision about somebody else is not shown at all, though it may hold a grant of one's
//! own: that one is seen at the request itself.

use crate::report::event::Subject;
use crate::report::viewer::Viewer;
use conclave_core::decision::{Decision, Event, Outcome};
use conclave_core::rejection::RejectionCode::CouncilDenied;

/// The decision as far as `viewer` may see it; none when it is somebody else's.
pub(super) fn shown(mut decision: Decision, viewer: &Viewer) -> Option<Decision> {
    let Viewer::Tenant(own) = viewer else { return Some(decision) };
    if decision.tenant != *own {
        return None;
    }
    let (pool, request) = (decision.pool.clone(), decision.request.clone());
    // The name may have been somebody else's until just before, and of a command that was not
    // accepted it may be somebody else's still.
    let is_accepted = decision.outcome == Outcome::Accepted;
    let is_denied = matches!(&decision.outcome, Outcome::Rejected(no) if no.code == CouncilDenied);
    let mut is_own = is_accepted && decision.kind != "RequestAllocation";
    decision.events.retain(|event| {
        let subject = Subject::of(event);
        is_own |= is_accepted && matches!(event, Event::RequestAdmitted(_));
        let is_its_vote =
            is_denied && matches!(event, Event::RequestVoted(_) | Event::CouncilVoted(_));
        let is_about_it = subject.pool == Some(&pool) && subject.request == Some(&request);
        ((is_own || is_its_vote) && is_about_it) || subject.tenant == Some(own)
    });
    decision.events = decision.events.into_iter().map(|event| viewer.hide_event(event)).collect();
    Some(decision)
}
