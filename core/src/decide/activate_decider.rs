//! `ActivateDecider`: other rules answer from the next command on.

use super::stage_one::Bounds;
use crate::command::ActivateDecider;
use crate::decision::{DeciderActivated, Event, Rejected};
use crate::draft::Draft;
use crate::limits::DECIDE_VERSION_NEWEST;
use crate::rejection::{RejectionCode as Code, refuse};

pub(super) fn check(activate: &ActivateDecider) -> Result<(), Rejected> {
    Bounds::number("version", activate.version, 1, i64::from(u16::MAX))
}

pub(super) fn decide(draft: &mut Draft, activate: &ActivateDecider) -> Result<(), Rejected> {
    let (version, previous) = (activate.version, draft.state.decide_version);
    if version > DECIDE_VERSION_NEWEST {
        let detail = format!(
            "this release does not decide by version {version}: upgrade every instance before you \
             activate it"
        );
        return Err(refuse(Code::UnknownVersion, detail));
    }
    if version < previous {
        let detail = format!("version {previous} decides already and versions never go back");
        return Err(refuse(Code::UnknownVersion, detail));
    }
    draft.emit(Event::DeciderActivated(DeciderActivated { version, previous }));
    Ok(())
}
