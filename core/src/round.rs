//! Rounds: which commands are answered together, and the ballot that is voted on when one opens.

use crate::command::{CouncilMode, Payload, RequestAllocation};
use crate::decide::is_within_bounds;
use crate::decision::{SeatKind, Verdict};
use crate::input::{Content, Input};
use crate::limits::{DEFERRALS_MAX, DUE_VOTES_MAX};
use crate::state::{DueVote, Stage, State};
use crate::units::{DurationMs, GpuMilli, Offset};
use std::collections::BTreeMap;

/// Commands that are answered together: contiguous, at least one, a control command alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The commands, in log order.
    pub inputs: Vec<Input>,
}

/// What is voted on when a round opens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ballot {
    /// By the offset of the command that asks.
    pub newcomers: BTreeMap<Offset, Question>,
    /// Deferred requests whose time had come before the round opened.
    pub due: Vec<(DueVote, Question)>,
}

/// What the seat is told about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// 1 for the first vote.
    pub attempt: i64,
    /// 1 to 10.
    pub priority: i64,
    /// GPUs of the whole gang.
    pub gpu_milli: GpuMilli,
    /// How long the work should take.
    pub expected_duration_ms: DurationMs,
    /// Whether it may be interrupted.
    pub preemptible: bool,
}

/// The answers to a ballot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Votes {
    /// By the offset of the command that asks.
    pub newcomers: BTreeMap<Offset, Vote>,
    /// In the ballot's order.
    pub due: Vec<(DueVote, Vote)>,
}

/// One answer, with the terms that it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Which attempt it answers.
    pub attempt: i64,
    /// Who sits in the seat.
    pub seat: SeatKind,
    /// The verdict.
    pub verdict: Verdict,
    /// Priority times 4.
    pub priority_points: i64,
    /// More for smaller requests.
    pub size_points: i64,
    /// More for shorter requests.
    pub duration_points: i64,
    /// More when preemptible.
    pub preemptible_points: i64,
}

impl Vote {
    /// Sum of the terms.
    #[must_use]
    pub fn score(&self) -> i64 {
        self.priority_points + self.size_points + self.duration_points + self.preemptible_points
    }
}

impl Round {
    /// Offset of the first command: the round's id.
    ///
    /// # Panics
    /// When the round is empty.
    #[must_use]
    pub fn first(&self) -> Offset {
        self.inputs.first().expect("a round has at least one command").offset
    }
}

/// How many of the next commands the next `fixed` round takes: up to `commands_max`, and a control
/// command alone. Zero when there are none.
#[must_use]
pub fn fixed_round_length<'a>(
    next: impl IntoIterator<Item = &'a Input>,
    commands_max: usize,
) -> usize {
    let mut length = 0;
    for input in next.into_iter().take(commands_max) {
        if is_control(input) {
            return length.max(1);
        }
        length += 1;
    }
    length
}

pub(crate) fn is_control(input: &Input) -> bool {
    match &input.content {
        Content::Readable { command, .. } => command.payload.is_control(),
        Content::Unreadable(_) => false,
    }
}

/// What has to be voted on before `commands` can be decided: every readable request that asks for
/// something possible, and the deferred ones that became due before.
#[must_use]
pub fn open_round(state: &State, commands: &[Input]) -> Ballot {
    let newcomers = commands.iter().filter_map(|input| newcomer(state, input)).collect();
    let due = state.due.iter().take(DUE_VOTES_MAX).map(|due| (due.clone(), question(state, due)));
    Ballot { newcomers, due: due.collect() }
}

fn newcomer(state: &State, input: &Input) -> Option<(Offset, Question)> {
    let Content::Readable { command, .. } = &input.content else { return None };
    let (ask, attempt) = match &command.payload {
        Payload::RequestAllocation(ask) => (ask, 1),
        // Whoever was denied gets the vote that is the last one of a request that was put off.
        Payload::Appeal(appeal) => (appeal.ask.as_deref()?, DEFERRALS_MAX + 1),
        Payload::OpenLog(_)
        | Payload::ActivateDecider(_)
        | Payload::Tick
        | Payload::RegisterNode(_)
        | Payload::DrainNode(_)
        | Payload::RemoveNode(_)
        | Payload::SetQuota(_)
        | Payload::SetPoolPolicy(_)
        | Payload::CancelRequest(_)
        | Payload::RenewLease(_)
        | Payload::ShrinkLease(_)
        | Payload::ReleaseLease(_)
        | Payload::ReportNodeHealth(_)
        | Payload::OverrideDecision(_) => return None,
    };
    let mode = state.pools.get(&command.pool)?.policy.council;
    let asks_the_seat = mode != CouncilMode::Off && is_within_bounds(command).is_ok();
    asks_the_seat.then(|| (input.offset, Question::about(ask, attempt)))
}

fn question(state: &State, due: &DueVote) -> Question {
    let request = &state.pool(&due.pool).requests[&due.request];
    assert!(matches!(request.stage, Stage::Due { .. }), "{due:?} stands as {:?}", request.stage);
    Question::about(&request.ask, request.attempts + 1)
}

impl Question {
    /// What is asked about `ask`.
    #[must_use]
    pub fn about(ask: &RequestAllocation, attempt: i64) -> Self {
        Self {
            attempt,
            priority: ask.priority,
            gpu_milli: ask.total_gpu_milli(),
            expected_duration_ms: ask.expected_duration_ms,
            preemptible: ask.preemptible,
        }
    }
}
