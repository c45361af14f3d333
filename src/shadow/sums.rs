//! What a shadow's opinions come to.

use conclave_core::council::Council;
use conclave_core::council::shadow::{Counts, GivenBy, Opinion};
use conclave_core::decision::{MemberVote, Verdict};
use serde::Serialize;
use std::collections::VecDeque;

/// Opinions counted, over all partitions.
#[derive(Clone, Debug)]
pub struct Sums {
    pairs: Pairs,
    /// Sum of the shadow's confidences.
    sure: u64,
    by_rules: u64,
    by_other_council: u64,
    by_same_council: u64,
    same_words: u64,
    members: Vec<Member>,
    latest: VecDeque<Disagreement>,
    latest_max: usize,
}

/// How often each verdict was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Go on.
    pub approve: u64,
    /// No.
    pub deny: u64,
    /// Not now.
    pub defer: u64,
}

#[derive(Clone, Debug)]
struct Member {
    label: String,
    said: Verdicts,
    agreed: u64,
    sure: u64,
}

/// What one member of the shadow said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberSums {
    /// Which one.
    pub label: String,
    /// Its verdicts.
    #[serde(flatten)]
    pub said: Verdicts,
    /// How often the seat said the same, in thousandths of its votes.
    pub agreed_per_mille: Option<u64>,
    /// How sure it is on average, in thousandths.
    pub confidence_per_mille: Option<u64>,
}

/// A request that the shadow would have answered otherwise than the seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// Of the log.
    pub partition: i64,
    /// The decision that records the seat's vote.
    pub offset: i64,
    /// In this pool.
    pub pool: String,
    /// Whose request it is.
    pub tenant: String,
    /// Which one.
    pub request: String,
    /// 1 for the first vote.
    pub attempt: i64,
    /// The seat's verdict.
    pub seat: &'static str,
    /// The shadow's.
    pub shadow: &'static str,
    /// How sure the shadow is, in thousandths.
    pub confidence_per_mille: u16,
}

/// How a shadow compares with the seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Which council it is.
    pub model: String,
    /// Decisions that were read.
    pub decisions: u64,
    /// Votes of the seat that the shadow has an opinion on.
    pub votes: u64,
    /// How many of them it would have given, too.
    pub agreed: u64,
    /// The same in thousandths.
    pub agreed_per_mille: Option<u64>,
    /// How sure it is on average, in thousandths.
    pub confidence_per_mille: Option<u64>,
    /// By the seat's verdict, then by the shadow's.
    pub seat_then_shadow: Pairs,
    /// Votes that the rules gave.
    pub by_rules: u64,
    /// Votes that other networks gave.
    pub by_other_council: u64,
    /// Votes that this very council gave from the seat.
    pub by_same_council: u64,
    /// How many of those the shadow repeats, logit by logit.
    pub same_words: u64,
    /// Votes of the seat that the shadow is not asked for: last attempts and appeals, which are the
    /// rules', and what the seat took at once beyond what networks are asked at once.
    pub not_asked: u64,
    /// Rounds whose commands could not be read: the shadow did not learn from them.
    pub rounds_unread: u64,
    /// What each member says.
    pub members: Vec<MemberSums>,
    /// The latest disagreements, the newest last.
    pub latest: Vec<Disagreement>,
}

/// The shadow's verdicts by those of the seat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pairs {
    /// Where the seat approved.
    pub approve: Verdicts,
    /// Where the seat denied.
    pub deny: Verdicts,
    /// Where the seat put off.
    pub defer: Verdicts,
}

impl Pairs {
    fn of(&mut self, seat: Verdict) -> &mut Verdicts {
        match seat {
            Verdict::Approve => &mut self.approve,
            Verdict::Deny => &mut self.deny,
            Verdict::Defer => &mut self.defer,
        }
    }
}

impl Verdicts {
    fn note(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Approve => self.approve += 1,
            Verdict::Deny => self.deny += 1,
            Verdict::Defer => self.defer += 1,
        }
    }

    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.approve + self.deny + self.defer
    }
}

/// As reports spell it.
fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "approve",
        Verdict::Deny => "deny",
        Verdict::Defer => "defer",
    }
}

impl Sums {
    /// Nothing yet of `council`; the latest `latest_max` disagreements will be kept.
    #[must_use]
    pub fn new(council: &Council, latest_max: usize) -> Self {
        let member = |label: &String| Member {
            label: label.clone(),
            said: Verdicts::default(),
            agreed: 0,
            sure: 0,
        };
        Self {
            pairs: Pairs::default(),
            sure: 0,
            by_rules: 0,
            by_other_council: 0,
            by_same_council: 0,
            same_words: 0,
            members: council.parts().members.iter().map(|one| member(&one.label)).collect(),
            latest: VecDeque::new(),
            latest_max,
        }
    }

    /// Counts an opinion about a vote of `partition`.
    pub fn note(&mut self, partition: i64, opinion: Opinion) {
        self.pairs.of(opinion.seat).note(opinion.tally.verdict);
        self.sure += u64::from(opinion.tally.confidence.0);
        match opinion.given_by {
            GivenBy::Rules(_) => self.by_rules += 1,
            GivenBy::OtherCouncil => self.by_other_council += 1,
            GivenBy::SameCouncil { is_same } => {
                self.by_same_council += 1;
                self.same_words += u64::from(is_same);
            }
        }
        for (member, said) in self.members.iter_mut().zip(&opinion.members) {
            member.note(said, opinion.seat);
        }
        if opinion.tally.verdict != opinion.seat && self.latest_max > 0 {
            if self.latest.len() == self.latest_max {
                self.latest.pop_front();
            }
            self.latest.push_back(Disagreement::of(partition, &opinion));
        }
    }

    /// Votes that there is an opinion on.
    #[must_use]
    pub fn votes(&self) -> u64 {
        let Pairs { approve, deny, defer } = &self.pairs;
        approve.sum() + deny.sum() + defer.sum()
    }

    /// Those of them that the shadow would have given, too.
    #[must_use]
    pub fn agreed(&self) -> u64 {
        let Pairs { approve, deny, defer } = &self.pairs;
        approve.approve + deny.deny + defer.defer
    }

    /// The shadow's verdicts by those of the seat.
    #[must_use]
    pub fn pairs(&self) -> Pairs {
        self.pairs
    }

    /// What it all comes to, for a council called `model` that read so much.
    #[must_use]
    pub fn report(&self, model: String, counts: Counts) -> Report {
        let (votes, agreed) = (self.votes(), self.agreed());
        let Counts { decisions, not_asked, rounds_unread } = counts;
        Report {
            model,
            decisions,
            votes,
            agreed,
            agreed_per_mille: per_mille(agreed, votes),
            confidence_per_mille: self.sure.checked_div(votes),
            seat_then_shadow: self.pairs(),
            by_rules: self.by_rules,
            by_other_council: self.by_other_council,
            by_same_council: self.by_same_council,
            same_words: self.same_words,
            not_asked,
            rounds_unread,
            members: self.members.iter().map(Member::sums).collect(),
            latest: self.latest.iter().cloned().collect(),
        }
    }
}

/// None of nothing.
fn per_mille(part: u64, whole: u64) -> Option<u64> {
    part.saturating_mul(1_000).checked_div(whole)
}

impl Member {
    fn note(&mut self, vote: &MemberVote, seat: Verdict) {
        self.said.note(vote.verdict);
        self.agreed += u64::from(vote.verdict == seat);
        self.sure += vote.confidence_per_mille.max(0).unsigned_abs();
    }

    fn sums(&self) -> MemberSums {
        let all = self.said.sum();
        MemberSums {
            label: self.label.clone(),
            said: self.said,
            agreed_per_mille: per_mille(self.agreed, all),
            confidence_per_mille: self.sure.checked_div(all),
        }
    }
}

impl Disagreement {
    fn of(partition: i64, opinion: &Opinion) -> Self {
        let Opinion { at, pool, tenant, request, attempt, seat, tally, .. } = opinion;
        Self {
            partition,
            offset: at.0,
            pool: pool.to_string(),
            tenant: tenant.to_string(),
            request: request.to_string(),
            attempt: *attempt,
            seat: verdict_name(*seat),
            shadow: verdict_name(tally.verdict),
            confidence_per_mille: tally.confidence.0,
        }
    }
}
