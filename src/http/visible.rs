//! What a tenant may see of a decision: its own commands, and what happened to its own requests in
//! them. A decision about somebody else is not shown at all, though it may hold a grant of one's
//! own: that one is seen at the request itself.

use crate::report::event::Subject;
use crate::report::viewer::Viewer;
use conclave_core::decision::Decision;

/// The decision as far as `viewer` may see it; none when it is somebody else's.
pub(super) fn shown(mut decision: Decision, viewer: &Viewer) -> Option<Decision> {
    let Viewer::Tenant(own) = viewer else { return Some(decision) };
    if decision.tenant != *own {
        return None;
    }
    let request = decision.request.clone();
    decision.events.retain(|event| {
        let subject = Subject::of(event);
        subject.request == Some(&request) || subject.tenant == Some(own)
    });
    Some(decision)
}
