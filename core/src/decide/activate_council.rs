//! `ActivateCouncil`: other networks, or the rules again, answer from the next command on.

use super::check_version;
use crate::command::ActivateCouncil;
use crate::council::ModelId;
use crate::decision::{CouncilActivated, Event, Rejected};
use crate::draft::Draft;
use crate::rejection::{RejectionCode as Code, refuse};
use crate::units::Hash32;

/// The first `decide_version` that has networks.
const SINCE: i64 = 2;

pub(super) fn check(activate: &ActivateCouncil) -> Result<(), Rejected> {
    if activate.model.is_empty() || Hash32::from_hex(&activate.model).is_some() {
        return Ok(());
    }
    let detail = "model is not 64 hexadecimal digits, the digest of a council's file (conclave \
                  council info says it), nor empty, for the rules";
    Err(refuse(Code::OutOfRange, detail))
}

/// Who sits there already stays, and forgets nothing.
pub(super) fn decide(draft: &mut Draft, activate: &ActivateCouncil) -> Result<(), Rejected> {
    check_version(draft, SINCE, "councils come")?;
    let (model, previous) = (Hash32::from_hex(&activate.model).map(ModelId), draft.state.council);
    if model != previous {
        draft.emit(Event::CouncilActivated(CouncilActivated { model, previous }));
    }
    Ok(())
}
