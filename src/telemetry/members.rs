//! Members of the council that go into quarantine or come back: worth a line each.

use super::counters::Counters;
use super::{Step, names};
use crate::report::council::cause;
use conclave_core::decision::{Decision, Event, MemberQuarantined, MemberReturned};

/// Writes a line for each member that a committed decision sets aside or takes back, and counts
/// those that it sets aside.
pub(super) fn note(decision: &Decision, counters: &mut Counters) {
    for event in &decision.events {
        match event {
            Event::MemberQuarantined(gone) => set_aside(decision, gone, counters),
            Event::MemberReturned(back) => taken_back(decision, back),
            _ => {}
        }
    }
}

fn set_aside(decision: &Decision, gone: &MemberQuarantined, counters: &mut Counters) {
    counters.members_quarantined += 1;
    tracing::warn!(
        { names::STEP } = Step::Commit.as_str(),
        { names::PARTITION } = decision.partition,
        { names::OFFSET } = decision.offset.0,
        { names::MEMBER } = gone.member,
        { names::REASON } = cause(gone.cause),
        "a member of the council is in quarantine: nobody listens to it until it behaves"
    );
}

fn taken_back(decision: &Decision, back: &MemberReturned) {
    tracing::info!(
        { names::STEP } = Step::Commit.as_str(),
        { names::PARTITION } = decision.partition,
        { names::OFFSET } = decision.offset.0,
        { names::MEMBER } = back.member,
        "a member of the council is listened to again"
    );
}
