//! Whether a member still behaves like one, as far as the log can tell: section 15 of
//! `docs/council-spec.md`. Three measures, each a bounded integer that recorded events move.

use crate::decision::{MemberVote, Verdict};
use serde::{Deserialize, Serialize};

/// Votes with the same logits, each told something else than the one before: it is stuck.
pub const STUCK_VOTES: i64 = 64;
/// Hidden states that are looked at together.
pub const WINDOW_STATES: i64 = 64;
/// A word at least that far from zero is at the rails: 0.98, in 1/16384.
pub const RAIL: i64 = 16_057;
/// So many words of a window at the rails, in basis points: it is saturated.
pub const SATURATED_BP: i64 = 5_000;
/// A member's first votes, which later ones are compared with.
pub const FIRST_VOTES: i64 = 256;
/// What its share of approvals may rise by without being noted, in 1/256.
const SLACK: i64 = 64;
/// So many approvals too many, in 1/256 of a vote: it drifts.
pub const DRIFT_BOUND: i64 = 128 * FIRST_VOTES;
/// Votes in a row in which every measure is at most half of its bound, before a member returns.
pub const CALM_VOTES: i64 = 256;

/// What a member is put into quarantine for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It says the same whatever it is told.
    Stuck,
    /// Its hidden state is at the rails, so it cannot tell much apart any more.
    Saturated,
    /// It approves far more than it did after its council was activated.
    Drifting,
}

/// A measure that reached its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which one.
    pub cause: Cause,
    /// Its value: votes for a stuck member, basis points of the words for a saturated one, 1/256 of
    /// a vote for a drifting one.
    pub found: i64,
    /// What it has reached, in the same unit.
    pub bound: i64,
}

/// What is kept of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Its latest logits.
    logits: [i64; 3],
    /// Votes in a row with these, not counting those that were told the same as the one before.
    same_votes: i64,
    /// Words of the window so far.
    words: i64,
    /// Those of them that are at the rails.
    words_at_rails: i64,
    /// Share at the rails in the latest whole window.
    saturated_bp: i64,
    /// How often it approved in its first votes.
    first_approvals: i64,
    /// How far its approvals are ahead of that, in 1/256 of a vote.
    ahead: i64,
    /// Votes in a row in which it behaved.
    calm_votes: i64,
}

impl Health {
    /// Its vote, the council's `votes`th since it was activated. `is_news` when that vote was told
    /// something else than the one before.
    pub(crate) fn note_vote(&mut self, vote: &MemberVote, votes: i64, is_news: bool) {
        let logits = [vote.approve, vote.deny, vote.defer];
        if logits != self.logits {
            (self.logits, self.same_votes) = (logits, 1);
        } else if is_news {
            self.same_votes = (self.same_votes + 1).min(STUCK_VOTES);
        }
        let approvals = i64::from(vote.verdict == Verdict::Approve);
        if votes <= FIRST_VOTES {
            self.first_approvals += approvals;
        } else {
            // One side of Page's test: a member that denies more than it did can only put off,
            // and is right to when the pool fills.
            let more = approvals * FIRST_VOTES - self.first_approvals;
            self.ahead = (self.ahead + more - SLACK).clamp(0, DRIFT_BOUND);
        }
        self.calm_votes = if self.is_calm() { (self.calm_votes + 1).min(CALM_VOTES) } else { 0 };
    }

    /// Its words of a tenant's state. `is_last` when the window ends with them.
    pub(crate) fn note_words(&mut self, words: &[i64], is_last: bool) {
        let at_rails = words.iter().filter(|word| word.abs() >= RAIL).count();
        self.words += count(words.len());
        self.words_at_rails += count(at_rails);
        if is_last {
            self.saturated_bp = self.words_at_rails * 10_000 / self.words.max(1);
            (self.words, self.words_at_rails) = (0, 0);
        }
    }

    /// Each measure with its bound.
    fn measures(&self) -> [Finding; 3] {
        let of = |cause, found, bound| Finding { cause, found, bound };
        [
            of(Cause::Stuck, self.same_votes, STUCK_VOTES),
            of(Cause::Saturated, self.saturated_bp, SATURATED_BP),
            of(Cause::Drifting, self.ahead, DRIFT_BOUND),
        ]
    }

    /// The first measure that has reached its bound.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        self.measures().into_iter().find(|measure| measure.found >= measure.bound)
    }

    fn is_calm(&self) -> bool {
        self.measures().iter().all(|measure| measure.found * 2 <= measure.bound)
    }

    /// Whether it has behaved for so long that it may be listened to again.
    #[must_use]
    pub fn has_recovered(&self) -> bool {
        self.calm_votes >= CALM_VOTES && self.is_calm()
    }

    /// Votes in a row in which it behaved.
    #[must_use]
    pub fn calm_votes(&self) -> i64 {
        self.calm_votes
    }
}

fn count(words: usize) -> i64 {
    i64::try_from(words).expect("a hidden state is small")
}
