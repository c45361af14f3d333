//! The council seat: whoever sits here answers a ballot, and knows nothing of allocation. The rule
//! score sits here until a council of networks is activated ([`crate::council::hearing`]), and
//! answers the last attempts of a request in any case.

use crate::council::ModelId;
use crate::decision::{SeatKind, Verdict};
use crate::limits::{DEFERRALS_MAX, GPU_MILLI_WHOLE};
use crate::round::{Ballot, Grounds, Points, Question, Vote, Votes};
use crate::units::{DurationMs, GpuMilli};
use std::fmt;

/// Somebody who can answer a ballot. The same ballot gets the same votes, byte for byte, wherever
/// it is answered: verify asks again.
pub trait Seat {
    /// Answers every question of the ballot.
    ///
    /// # Errors
    /// When the council that the log names cannot be asked here: nobody else may answer for it.
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent>;
}

/// The council that a ballot is for is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Which council.
    pub model: ModelId,
    /// Why it cannot be asked, and what to do about it.
    pub why: String,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the council {} cannot be asked: {}", self.model.0, self.why)
    }
}

impl std::error::Error for Absent {}

impl Ballot {
    /// The council that is asked, when anybody is to be heard.
    #[must_use]
    pub fn asked(&self) -> Option<ModelId> {
        let hearing = self.hearing.as_ref().filter(|hearing| !hearing.tenants.is_empty());
        hearing.map(|hearing| hearing.model)
    }
}

/// The rule score: priority, size, duration and whether it may be interrupted.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleSeat;

/// At least this many points approve.
pub const APPROVE_SCORE: i64 = 70;
/// At least this many points defer, and fewer deny.
pub const DEFER_SCORE: i64 = 50;
/// At least this many points approve when no further deferral is left; fewer deny.
pub const FINAL_SCORE: i64 = 60;

impl Seat for RuleSeat {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        match ballot.asked().or(ballot.activates) {
            None => Ok(Votes::by_rules(ballot)),
            Some(model) => {
                let why = "only the rules sit here".to_owned();
                Err(Absent { model, why })
            }
        }
    }
}

/// The rule score of one question. The terms are those of the rules that the council replaces:
/// priority × 4; 30, 20, 10 or 0 for up to 2, 4, 8 or more GPUs; 20, 15, 10 or 5 for up to 4, 12,
/// 24 or more hours; 10 when preemptible, else 5.
#[must_use]
pub fn score(question: &Question) -> Vote {
    let points = Points {
        priority_points: question.priority * 4,
        size_points: size_points(question.gpu_milli),
        duration_points: duration_points(question.expected_duration_ms),
        preemptible_points: if question.preemptible { 10 } else { 5 },
    };
    let is_final = question.attempt > DEFERRALS_MAX;
    let total = points.score();
    let (seat, verdict) = match is_final {
        true if total >= FINAL_SCORE => (SeatKind::RulesFinal, Verdict::Approve),
        true => (SeatKind::RulesFinal, Verdict::Deny),
        false if total >= APPROVE_SCORE => (SeatKind::Rules, Verdict::Approve),
        false if total >= DEFER_SCORE => (SeatKind::Rules, Verdict::Defer),
        false => (SeatKind::Rules, Verdict::Deny),
    };
    Vote { attempt: question.attempt, verdict, grounds: Grounds::Rules(seat, points) }
}

fn size_points(total: GpuMilli) -> i64 {
    match total.0 {
        milli if milli <= 2 * GPU_MILLI_WHOLE => 30,
        milli if milli <= 4 * GPU_MILLI_WHOLE => 20,
        milli if milli <= 8 * GPU_MILLI_WHOLE => 10,
        _ => 0,
    }
}

fn duration_points(expected: DurationMs) -> i64 {
    const HOUR_MS: i64 = 3_600_000;
    match expected.0 {
        ms if ms <= 4 * HOUR_MS => 20,
        ms if ms <= 12 * HOUR_MS => 15,
        ms if ms <= 24 * HOUR_MS => 10,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[track_caller]
    fn check(asked: (i64, i64, i64, bool, i64), seat: SeatKind, verdict: Verdict, total: i64) {
        let (priority, gpus, hours, preemptible, attempt) = asked;
        let vote = score(&Question {
            attempt,
            priority,
            gpu_milli: GpuMilli(gpus * 1_000),
            expected_duration_ms: DurationMs(hours * HOUR_MS),
            preemptible,
        });
        let Grounds::Rules(by, points) = vote.grounds else { panic!("{vote:?}") };
        assert_eq!((by, vote.verdict, points.score()), (seat, verdict, total), "{asked:?}");
    }

    #[test]
    fn the_rule_score_has_three_bands_and_the_last_attempt_has_two() {
        use SeatKind::{Rules, RulesFinal};
        use Verdict::{Approve, Defer, Deny};
        //     priority, GPUs, hours, preemptible, attempt
        check((10, 1, 1, true, 1), Rules, Approve, 100);
        check((5, 1, 12, false, 1), Rules, Approve, 70);
        check((5, 1, 25, false, 1), Rules, Defer, 60);
        check((5, 4, 25, false, 1), Rules, Defer, 50);
        check((4, 4, 25, true, 3), Rules, Defer, 51);
        check((5, 8, 25, true, 1), Rules, Deny, 45);
        check((1, 9, 25, false, 1), Rules, Deny, 14);
        check((5, 1, 25, false, 4), RulesFinal, Approve, 60);
        check((5, 4, 25, true, 4), RulesFinal, Deny, 55);
        check((10, 1, 1, true, 4), RulesFinal, Approve, 100);
    }
}
