//! A round of the log opened once more: what a vote is computed from.

use crate::council::Seated;
use crate::error::{Error, Result};
use crate::fold::{FOLD_BYTES_MAX, caught};
use crate::log::{LogReader, StoredCommand};
use crate::wire::{MissingSchema, RecordedReader, decode_decision};
use conclave_core::command::Payload;
use conclave_core::council::features::Asked;
use conclave_core::council::hearing::{Case, Place};
use conclave_core::decision::{CouncilVoted, Decision, Event};
use conclave_core::input::{Content, Input};
use conclave_core::limits::ROUND_COMMANDS_MAX;
use conclave_core::round::{Ballot, Votes, open_round};
use conclave_core::state::{DueVote, State};
use conclave_core::units::{Offset, PoolId, RequestId};
use std::cell::OnceCell;

/// A round as it was opened: on which state, for which commands.
#[derive(Debug)]
pub(super) struct Opened<'s> {
    state: &'s State,
    inputs: Vec<Input>,
    decisions: Vec<Decision>,
    pub(super) ballot: Ballot,
    /// What its council answers, once it was asked.
    answered: OnceCell<std::result::Result<Votes, String>>,
}

/// Which vote of networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VoteId {
    /// The decision that records it.
    pub(super) at: Offset,
    pub(super) pool: PoolId,
    pub(super) request: RequestId,
    /// From 1.
    pub(super) attempt: i64,
}

/// The first command of the round in which the decision at `at` was made.
///
/// # Errors
/// When the log cannot be read, and `Corrupt` when it has no such decision.
pub(super) fn round_of(log: &dyn LogReader, at: Offset) -> Result<Offset> {
    let found = log.decisions(at, 0)?.into_iter().find(|record| record.offset == at);
    let found = found.ok_or_else(|| Error::corrupt(format!("there is no decision {at}")))?;
    Ok(decode_decision(&found.body)?.round)
}

impl VoteId {
    /// The vote that the decision at `at` records.
    pub(super) fn of(at: Offset, voted: &CouncilVoted) -> Self {
        let CouncilVoted { pool, request, attempt, .. } = voted;
        Self { at, pool: pool.clone(), request: request.clone(), attempt: *attempt }
    }

    fn is_of(&self, voted: &CouncilVoted) -> bool {
        *self == Self::of(self.at, voted)
    }
}

impl<'s> Opened<'s> {
    /// Reads the round that begins at `round`; `state` is what was there before it.
    ///
    /// # Errors
    /// When the log cannot be read; `Corrupt` when it is not what was decided; `Unavailable` when a
    /// writer's schema is not at hand.
    pub(super) fn read(log: &dyn LogReader, state: &'s State, round: Offset) -> Result<Self> {
        let decisions = decisions(log, round)?;
        let inputs = inputs(log, state, &decisions)?;
        let ballot = caught(|| open_round(state, &inputs))
            .map_err(|why| Error::corrupt(format!("round {round} cannot be opened: {why}")))?;
        Ok(Self { state, inputs, decisions, ballot, answered: OnceCell::new() })
    }

    /// A round of one command that is only planned.
    pub(super) fn planned(state: &'s State, input: Input) -> Self {
        let inputs = vec![input];
        let ballot = open_round(state, &inputs);
        Self { state, inputs, decisions: vec![], ballot, answered: OnceCell::new() }
    }

    /// What is recorded of a vote.
    pub(super) fn recorded(&self, vote: &VoteId) -> Option<&CouncilVoted> {
        let decision = self.decisions.iter().find(|decision| decision.offset == vote.at)?;
        decision.events.iter().find_map(|event| match event {
            Event::CouncilVoted(voted) => vote.is_of(voted).then_some(voted),
            _ => None,
        })
    }

    /// What the council of the ballot, which is `seated`, answers to it.
    ///
    /// # Errors
    /// The invariant that breaks, when the log says what cannot have happened.
    pub(super) fn answered(&self, seated: &Seated) -> std::result::Result<&Votes, &str> {
        let answer = || caught(|| seated.answer_again(&self.ballot));
        self.answered.get_or_init(answer).as_ref().map_err(String::as_str)
    }

    /// Which question of the ballot a vote answers.
    pub(super) fn place(&self, vote: &VoteId) -> Place {
        let is_it = |due: &DueVote| due.pool == vote.pool && due.request == vote.request;
        let due = self.ballot.due.iter().position(|(due, _)| is_it(due));
        // A first vote is on somebody new, who may bear the name of one that is due.
        match due.filter(|_| vote.attempt > 1) {
            Some(index) => Place::Due(index),
            None => Place::Newcomer(vote.at),
        }
    }

    /// What was asked at `place`, and the networks' case of it.
    pub(super) fn asked(&self, pool: &PoolId, place: Place) -> Option<(Asked<'_>, &Case)> {
        let mut heard = self.ballot.hearing.as_ref()?.tenants.iter();
        let case = heard.find_map(|heard| heard.cases.iter().find(|case| case.place == place))?;
        let asked = match place {
            Place::Due(index) => {
                let (due, _) = self.ballot.due.get(index)?;
                Asked::again(self.state.pools.get(pool)?.request(&due.request)?)
            }
            Place::Newcomer(offset) => {
                let input = self.inputs.iter().find(|input| input.offset == offset)?;
                let Content::Readable { command, .. } = &input.content else { return None };
                let Payload::RequestAllocation(ask) = &command.payload else { return None };
                Asked { ask, attempt: 1, arrived_at_ms: case.at_ms }
            }
        };
        Some((asked, case))
    }

    pub(super) fn state(&self) -> &State {
        self.state
    }
}

/// The decisions of a round.
fn decisions(log: &dyn LogReader, round: Offset) -> Result<Vec<Decision>> {
    let commands_max = usize::try_from(ROUND_COMMANDS_MAX).expect("a small constant");
    let (mut next, mut found) = (round, Vec::new());
    loop {
        let records = log.decisions(next, FOLD_BYTES_MAX)?;
        if records.is_empty() {
            return Err(Error::corrupt(format!("the round at {round} has no end")));
        }
        for record in records {
            next = Offset(record.offset.0 + 1);
            let decision = decode_decision(&record.body)?;
            if decision.round != round || found.len() == commands_max {
                return Err(Error::corrupt(format!("the round at {round} has no end")));
            }
            let is_last = decision.round_count.is_some();
            found.push(decision);
            if is_last {
                return Ok(found);
            }
        }
    }
}

/// The commands that `decisions` answered, as they were read then.
fn inputs(log: &dyn LogReader, state: &State, decisions: &[Decision]) -> Result<Vec<Input>> {
    let mut reader = RecordedReader::new([]);
    let (mut stored, mut inputs) = (Vec::<StoredCommand>::new().into_iter(), Vec::new());
    for Decision { offset, input_hash, .. } in decisions {
        let command = match stored.find(|stored| stored.offset >= *offset) {
            Some(command) => Some(command),
            None => {
                stored = log.commands(*offset, FOLD_BYTES_MAX)?.into_iter();
                stored.next()
            }
        };
        let changed =
            || Error::corrupt(format!("command {offset} is not the one that was decided"));
        let command = command.filter(|command| command.offset == *offset).ok_or_else(changed)?;
        let read = reader.read(log.partition(), &command, *input_hash, state.decide_version);
        let input = read.map_err(|MissingSchema { id }| {
            Error::unavailable(format!(
                "command {offset} was written under schema {id} of a registry, whose text is not \
                 at hand: `replay verify` with it proves the vote"
            ))
        })?;
        if input.input_hash != *input_hash {
            return Err(changed());
        }
        inputs.push(input);
    }
    Ok(inputs)
}
