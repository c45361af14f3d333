//! How each member of the council in the seat stands: what its word counts, and whether it is
//! listened to. All of it begins anew with every council.

use crate::council::factor::{Factor, Loss};
use crate::council::health::{Cause, Health, WINDOW_STATES};
use crate::council::quorum::{SEATED_MEMBERS, Weights};
use crate::decision::{
    CouncilVoted, CouncilWeighed, Event, MemberQuarantined, MemberReturned, MemberVote,
    MemberWeight, Verdict,
};
use crate::units::{PoolId, RequestId};
use serde::{Deserialize, Serialize};

/// Members that may be in quarantine at once: with one more, no quorum would be left.
pub const QUARANTINED_MAX: usize = 2;

/// The members of the council in the seat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bench {
    /// Votes since the council was activated.
    pub votes: i64,
    /// How often outcomes changed the weights since then.
    pub seq: i64,
    /// What the latest vote was told.
    told: Vec<i64>,
    /// Hidden states that were recorded since then.
    states: i64,
    /// In the order of the council's file.
    pub members: [Standing; SEATED_MEMBERS],
}

/// How one member stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What its weight in the file is multiplied with.
    pub factor: Factor,
    /// Why it is in quarantine, while it is.
    pub quarantined: Option<Cause>,
    /// Whether it behaves.
    pub health: Health,
}

impl Default for Standing {
    fn default() -> Self {
        Self { factor: Factor::ONE, quarantined: None, health: Health::default() }
    }
}

/// What the members said of a request when it was last voted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Whose members.
    pub model: crate::council::ModelId,
    /// How likely each thought it, in thousandths, that the work ends well; none of a member that
    /// was in quarantine.
    pub chances: [Option<u16>; SEATED_MEMBERS],
}

impl Said {
    /// What a vote says about how the work will end.
    ///
    /// # Panics
    /// When the vote is not one of five members, or one of them is more than sure.
    pub(crate) fn of(voted: &CouncilVoted) -> Self {
        let chance = |vote: &MemberVote| {
            let sure = u16::try_from(vote.confidence_per_mille).ok().filter(|sure| *sure <= 1_000);
            let sure = sure.expect("a confidence is 0 to 1000 per mille");
            vote.counted.then_some(match vote.verdict {
                Verdict::Approve => sure,
                Verdict::Deny => 1_000 - sure,
                Verdict::Defer => 500,
            })
        };
        let chances: Vec<Option<u16>> = voted.members.iter().map(chance).collect();
        let chances = chances.try_into().expect("five members vote");
        Self { model: voted.model, chances }
    }
}

impl Bench {
    /// What each member's word counts now.
    #[must_use]
    pub fn weights(&self) -> Weights {
        let counts = |member: &Standing| member.quarantined.is_none().then_some(member.factor);
        Weights { seq: self.seq, members: self.members.each_ref().map(counts) }
    }

    /// The members voted.
    pub(crate) fn note_vote(&mut self, voted: &CouncilVoted) {
        self.votes += 1;
        let is_news = self.told != voted.features;
        for (member, vote) in self.members.iter_mut().zip(&voted.members) {
            member.health.note_vote(vote, self.votes, is_news);
        }
        self.told.clone_from(&voted.features);
    }

    /// A tenant's new hidden state, member by member.
    pub(crate) fn note_state(&mut self, words: &[i64]) {
        self.states += 1;
        let is_last = self.states % WINDOW_STATES == 0;
        let each = words.chunks(words.len().div_ceil(SEATED_MEMBERS).max(1));
        for (member, words) in self.members.iter_mut().zip(each) {
            member.health.note_words(words, is_last);
        }
    }

    /// Who is to go into quarantine, or to come back: members in their order, and nobody goes while
    /// there is no place.
    pub(crate) fn changes(&self) -> Vec<Event> {
        let places = self
            .members
            .iter()
            .filter(|member| member.quarantined.is_some() && !member.health.has_recovered());
        let mut free = QUARANTINED_MAX.saturating_sub(places.count());
        let change = |(member, standing): (i64, &Standing)| {
            let votes = self.votes;
            if standing.quarantined.is_some() {
                let calm_votes = standing.health.calm_votes();
                let returned = MemberReturned { member, votes, calm_votes };
                return standing.health.has_recovered().then_some(Event::MemberReturned(returned));
            }
            let finding = standing.health.finding().filter(|_| free > 0)?;
            free -= 1;
            let (cause, found, bound) = (finding.cause, finding.found, finding.bound);
            let gone = MemberQuarantined { member, cause, found, bound, votes };
            Some(Event::MemberQuarantined(gone))
        };
        (1..).zip(&self.members).filter_map(change).collect()
    }

    /// What an outcome makes of the weights.
    pub(crate) fn weighed(
        &self,
        said: &Said,
        (pool, request): (PoolId, RequestId),
        ended_well: bool,
    ) -> CouncilWeighed {
        let losses = said.chances.map(|chance| Some(Loss::of(chance?, ended_well)));
        let factors = self.members.each_ref().map(|member| member.factor);
        let factors = crate::council::factor::weigh(factors, &losses);
        let of = |(loss, Factor(factor)): (&Option<Loss>, Factor)| MemberWeight {
            loss: loss.map(|Loss(loss)| loss),
            factor,
        };
        let members = losses.iter().zip(factors).map(of).collect();
        CouncilWeighed { pool, request, seq: self.seq + 1, ended_well, members }
    }

    /// The weights that an outcome left.
    ///
    /// # Panics
    /// When it does not follow the one before, or is not one of five members.
    pub(crate) fn weigh(&mut self, weighed: &CouncilWeighed) {
        assert_eq!(weighed.seq, self.seq + 1, "the weights after {} are missing", self.seq);
        assert_eq!(weighed.members.len(), SEATED_MEMBERS, "five members are weighed");
        self.seq = weighed.seq;
        for (member, weight) in self.members.iter_mut().zip(&weighed.members) {
            member.factor = Factor(weight.factor);
        }
    }

    /// The member that events call `number`, 1 for the first.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn member_mut(&mut self, number: i64) -> &mut Standing {
        let index = usize::try_from(number - 1).ok();
        let found = index.and_then(|index| self.members.get_mut(index));
        found.unwrap_or_else(|| panic!("a council has no member {number}"))
    }
}
