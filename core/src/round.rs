//! Rounds: which commands are answered together, the ballot that is voted on when one opens
//! (`ballot` makes it), and the votes.

mod ballot;

pub use ballot::open_round;

use crate::command::RequestAllocation;
use crate::council::ModelId;
use crate::council::hearing::{Hearing, Spoken};
use crate::decision::{CouncilRemembered, SeatKind, Verdict};
use crate::input::{Content, Input};
use crate::state::DueVote;
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
    /// Offset of the round's first command.
    pub round: Offset,
    /// By the offset of the command that asks.
    pub newcomers: BTreeMap<Offset, Question>,
    /// Deferred requests whose time had come before the round opened.
    pub due: Vec<(DueVote, Question)>,
    /// Those of the questions that are for the networks; none while the rules sit in the seat.
    pub hearing: Option<Hearing>,
    /// A council that the round's command wants in the seat: whoever answers has to be able to
    /// answer for it, too.
    pub activates: Option<ModelId>,
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
    /// What the networks remember afterwards, by the offset of the decision that records it.
    pub memories: BTreeMap<Offset, Vec<CouncilRemembered>>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Which attempt it answers.
    pub attempt: i64,
    /// The verdict.
    pub verdict: Verdict,
    /// Who gave it, and what it is made of.
    pub grounds: Grounds,
}

/// What an answer is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// The rule score.
    Rules(SeatKind, Points),
    /// What the networks said.
    Council(Box<Spoken>),
}

/// The terms of the rule score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Points {
    /// Priority times 4.
    pub priority_points: i64,
    /// More for smaller requests.
    pub size_points: i64,
    /// More for shorter requests.
    pub duration_points: i64,
    /// More when preemptible.
    pub preemptible_points: i64,
}

impl Points {
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
