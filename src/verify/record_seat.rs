//! The seat of the first pass: it says what the record says.

use super::recorded::Recorded;
use crate::council::{CouncilSeat, Seated};
use crate::wire::decode_decision;
use conclave_core::council::Run;
use conclave_core::council::recount::{OnRecord, Testimony};
use conclave_core::decision::Decision;
use conclave_core::round::{Ballot, Votes};
use conclave_core::seat::{Absent, Seat};
use std::sync::Arc;

/// Votes as the round at hand records them. Where that says too little or too much, they are
/// computed at once.
pub(super) struct RecordSeat<'r> {
    councils: &'r CouncilSeat,
    round: &'r [Recorded],
    taken: Option<Taken>,
}

/// What was taken from a round, and is to be computed.
pub(super) struct Taken {
    pub(super) seated: Arc<Seated>,
    pub(super) runs: Vec<Run>,
    pub(super) testimonies: Vec<Testimony>,
}

impl<'r> RecordSeat<'r> {
    pub(super) fn new(councils: &'r CouncilSeat, round: &'r [Recorded]) -> Self {
        Self { councils, round, taken: None }
    }

    /// None when nothing was: the votes are those of the rules, or computed.
    pub(super) fn into_taken(self) -> Option<Taken> {
        self.taken
    }

    fn decisions(&self) -> Option<Vec<Decision>> {
        self.round.iter().map(|recorded| decode_decision(&recorded.body).ok()).collect()
    }
}

impl Seat for RecordSeat<'_> {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        let Some(seated) = self.councils.asked(ballot)? else {
            return Ok(Votes::by_rules(ballot));
        };
        let decisions = self.decisions();
        let council = seated.council();
        let on_record = decisions.and_then(|decisions| ballot.on_record(council, &decisions));
        let Some(OnRecord { votes, runs, testimonies }) = on_record else {
            return Ok(seated.answer(ballot));
        };
        self.taken = Some(Taken { seated, runs, testimonies });
        Ok(votes)
    }
}
