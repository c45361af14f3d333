//! Rounds computed again: with the votes that they record and a second pass behind, or with votes
//! that are computed at once.

use super::{Step, Verifier};
use crate::verify::again::{Again, Undecided, decide_again};
use crate::verify::difference::difference;
use crate::verify::record_seat::RecordSeat;
use crate::verify::recorded::{
    Recorded, Standing, evolve_round, fold_recorded_before, linked, skipped, votes_of_networks,
};
use conclave_core::decision::Decision;
use conclave_core::round::Round;
use conclave_core::units::Offset;

impl Verifier<'_> {
    pub(super) fn check_round(&mut self) -> Step {
        let round = std::mem::take(&mut self.round);
        let Some(inputs) = self.inputs(&round)? else {
            self.report.input_missing += linked(&round);
            return self.fold_recorded(&round);
        };
        let (inputs, skipped) = (Round { inputs }, skipped(&round));
        self.report.skipped += u64::from(skipped.is_some());
        if skipped.is_none() && self.state.council.is_some() && self.recount.is_some() {
            return self.check_by_record(&round, &inputs);
        }
        let again = decide_again(&mut self.state, self.seat, &inputs, skipped);
        self.judge(&round, again)
    }

    /// A round under networks: decided with the votes that it records. Where that gives the
    /// recorded bytes, the votes are left to the second pass; otherwise the round is decided with
    /// votes that are computed, which says what is wrong.
    fn check_by_record(&mut self, round: &[Recorded], inputs: &Round) -> Step {
        let recount = self.recount.as_mut().expect("whoever calls looked");
        let mut seat = RecordSeat::new(recount.seat(), round);
        let again = decide_again(&mut self.state, &mut seat, inputs, None);
        let Some(taken) = seat.into_taken() else { return self.judge(round, again) };
        if let Some(standings) = again.ok().and_then(|again| all_the_same(round, again)) {
            recount.add(taken, &standings);
            self.count_verified(&standings);
            return self.settle(true, round);
        }
        self.keep_recorded_before(round)?;
        self.state.clone_from(self.recorded.as_ref().expect("it is kept"));
        let again = decide_again(&mut self.state, self.seat, inputs, None);
        self.judge(round, again)
    }

    /// Counts what came of deciding a round again, and goes on behind it.
    fn judge(&mut self, round: &[Recorded], again: Again) -> Step {
        match again {
            Err(Undecided::Absent(absent)) => {
                self.report.list_council(&absent);
                self.report.input_missing += linked(round);
                self.fold_recorded(round)
            }
            Ok(again) => {
                let is_same = self.compare(round, again);
                self.settle(is_same, round)
            }
            Err(Undecided::Broken(why)) => {
                for recorded in round.iter().filter(|recorded| recorded.is_linked) {
                    let what = format!("its round cannot be decided: {why}");
                    self.diverge(recorded.offset, &what);
                }
                self.settle(false, round)
            }
        }
    }

    /// Whether all decisions of a round are the computed ones.
    fn compare(&mut self, round: &[Recorded], again: Vec<Decision>) -> bool {
        let mut is_same = again.len() == round.len();
        for (recorded, again) in round.iter().zip(again) {
            let standing = Standing::of(recorded, &again);
            let votes = votes_of_networks(&again);
            match difference(&recorded.body, again) {
                None if recorded.is_linked => {
                    self.count_verified(&[standing]);
                    self.report.council_votes += votes;
                }
                None => {}
                Some(what) => {
                    is_same = false;
                    if recorded.is_linked {
                        self.diverge(recorded.offset, &what);
                    }
                }
            }
        }
        is_same
    }

    fn count_verified(&mut self, standings: &[Standing]) {
        for standing in standings {
            self.report.verified += standing.verified();
            self.report.dead_letters += standing.dead_letters();
        }
    }

    /// Goes on from the recorded fold, which is what was decided unless something diverged.
    fn settle(&mut self, is_same: bool, round: &[Recorded]) -> Step {
        if is_same && self.recorded.is_none() {
            return Ok(());
        }
        self.keep_recorded_before(round)?;
        let recorded = self.recorded.as_mut().expect("it is kept");
        if let Err(error) = evolve_round(recorded, round) {
            return self.stop_folding(&error);
        }
        if !is_same {
            self.state = recorded.clone();
        }
        Ok(())
    }

    /// Keeps the recorded fold beside the state from here on; it stands right before `round`.
    fn keep_recorded_before(&mut self, round: &[Recorded]) -> Step {
        if self.recorded.is_none() {
            let first = round.first().map_or(Offset(0), |recorded| recorded.offset);
            match fold_recorded_before(self.log, self.partition, first) {
                Ok(state) => self.recorded = Some(state),
                Err(error) => return self.stop_folding(&error),
            }
        }
        Ok(())
    }

    fn fold_recorded(&mut self, round: &[Recorded]) -> Step {
        for state in std::iter::once(&mut self.state).chain(&mut self.recorded) {
            if let Err(error) = evolve_round(state, round) {
                return self.stop_folding(&error);
            }
        }
        Ok(())
    }
}

/// None unless all decisions of a round are the computed ones.
fn all_the_same(round: &[Recorded], again: Vec<Decision>) -> Option<Vec<Standing>> {
    if again.len() != round.len() {
        return None;
    }
    let same = |(recorded, again): (&Recorded, Decision)| {
        let standing = Standing::of(recorded, &again);
        difference(&recorded.body, again).is_none().then_some(standing)
    };
    round.iter().zip(again).map(same).collect()
}
