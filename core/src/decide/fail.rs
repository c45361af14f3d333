//! A command that nobody decides any more: a person said so, because deciding it stops the
//! partition.

use super::Subject;
use crate::decision::{Decision, Failed, Outcome};
use crate::input::Input;
use crate::state::State;
use crate::units::Hash32;

/// Answers one command, alone in its round, with `failed` and nothing else: no rule is asked, no
/// timer fires, no vote is taken and the command's id is not remembered. Only the time goes on, and
/// what is covered. Leaves `state` evolved by the decision.
///
/// # Panics
/// When the command does not continue the state.
pub fn fail(state: &mut State, input: &Input, failed: Failed) -> Decision {
    let now = input.log_time(state.time_ms);
    let (covered_before, decide_version) = (state.covered, state.decide_version);
    state.begin(input.offset, now);
    let subject = Subject::of(&input.content);
    let decision = Decision {
        decide_version,
        prev_hash: Hash32::default(),
        partition: state.partition,
        offset: input.offset,
        covered_before,
        round: input.offset,
        round_index: 0,
        round_count: Some(1),
        time_ms: now,
        input_hash: input.input_hash,
        command_id: subject.command_id,
        kind: subject.kind.into(),
        pool: subject.pool,
        tenant: subject.tenant,
        request: subject.request,
        remembered: None,
        outcome: Outcome::Failed(failed),
        events: vec![],
    };
    state.finish(&decision);
    decision
}
