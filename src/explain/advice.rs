//! What to make of the changes that were found for a request, or of there being none: in whose
//! hands it is now, whoever spoke last.

use crate::report::sentence::verdict;
use conclave_core::blocker::Blocker;
use conclave_core::command::CouncilMode;
use conclave_core::decision::Verdict;
use conclave_core::explain::Change;
use conclave_core::limits::DEFERRALS_MAX;
use conclave_core::round::{Grounds, Question, Vote};
use conclave_core::seat::{FINAL_SCORE, score};
use conclave_core::state::{Request, State};
use conclave_core::units::{PoolId, RequestId};

/// Said of what networks denied or put off, while networks sit in the seat.
const ASK_NETWORKS: &str = "networks voted: what they would say of another request is what \
                            `conclave plan` answers, one request at a time";
/// Said of what the rules put off before networks sat.
const NETWORKS_NEXT: &str = "networks sit in the seat now and vote on it next: what they would \
                             say of another request is what `conclave plan` answers, one request \
                             at a time";
/// Said of what networks denied before the rules sat.
const RULES_NOW: &str = "networks voted, and the rules sit in the seat now: what they would \
                         answer to the same request is what `conclave plan` says";
/// Said of what the council put off before its word stopped to count.
const NO_VERDICT_COUNTS: &str = "no verdict of the council counts in this pool any more: it goes \
                                 on when its next vote is due";
const STILL_WORKED_OFF: &str =
    "votes or a queue are still being worked off: ask again after the next decisions";

/// What is known of a request.
pub(super) struct Known<'a> {
    /// In a word.
    pub(super) stands: &'a str,
    pub(super) state: &'a State,
    pub(super) pool: &'a PoolId,
    pub(super) request: &'a RequestId,
    /// Whether networks gave the last vote on it.
    pub(super) is_networks_word: bool,
    /// Whether it was the council that denied it.
    pub(super) is_denied: bool,
    pub(super) blocked_by: &'a [Blocker],
    pub(super) changes: &'a [Change],
    /// Whether another request might have been let in, where one was refused.
    pub(super) is_about_the_ask: bool,
}

impl Known<'_> {
    /// The sentence; none of what runs or is over.
    pub(super) fn advice(&self) -> Option<String> {
        match self.stands {
            "put off by the council" => {
                let pool = self.state.pools.get(self.pool)?;
                pool.request(self.request).map(|request| self.put_off(request))
            }
            "refused" => self.refused(),
            "waiting" => Some(self.if_networks_approve(self.waits())),
            _ => None,
        }
    }

    fn refused(&self) -> Option<String> {
        if self.is_denied && self.is_networks_word {
            let rules_sit = self.state.council.is_none();
            return Some(if rules_sit { RULES_NOW } else { ASK_NETWORKS }.to_owned());
        }
        let advice = match self.changes {
            [] => "no change of one field would have let it in",
            _ => "each of these alone would have let it in then",
        };
        self.is_about_the_ask.then(|| self.if_networks_approve(advice))
    }

    fn put_off(&self, request: &Request) -> String {
        if !self.is_enforced() {
            return NO_VERDICT_COUNTS.to_owned();
        }
        let attempt = request.attempts + 1;
        let vote = score(&Question::about(&request.ask, attempt));
        let networks_sit = self.state.council.is_some();
        match (networks_sit, vote.verdict, self.changes) {
            (true, ..) if attempt > DEFERRALS_MAX => last_vote(&vote),
            (true, ..) if self.is_networks_word => ASK_NETWORKS.to_owned(),
            (true, ..) => NETWORKS_NEXT.to_owned(),
            (false, Verdict::Approve, _) => {
                "the rules vote on it next, and as it is they would approve it".to_owned()
            }
            (false, _, [_, ..]) => {
                "each of these alone would be approved now: withdraw it, and ask again so".into()
            }
            (false, _, []) if self.state.needs_a_tick() => STILL_WORKED_OFF.to_owned(),
            (false, _, []) => "the rules vote on it next, and no change of one field would be \
                               approved now"
                .to_owned(),
        }
    }

    fn waits(&self) -> &'static str {
        match (self.changes, self.blocked_by.len()) {
            ([_, ..], _) => {
                "each of these alone would start it now, as the pool stands; a change by its \
                 sender means to withdraw it and to ask again"
            }
            ([], _) if self.state.needs_a_tick() => STILL_WORKED_OFF,
            ([], 2..) => {
                "no change of one field starts it now: more than one rule stands against it"
            }
            ([], _) => "no change of one field starts it now: leases have to end first",
        }
    }

    fn is_enforced(&self) -> bool {
        let mode = self.state.pools.get(self.pool).map(|pool| pool.policy.council);
        mode == Some(CouncilMode::Enforce)
    }

    /// Advice about changes, where networks would be asked about a changed request.
    fn if_networks_approve(&self, advice: &str) -> String {
        let is_asked = self.state.council.is_some() && self.is_enforced();
        let more = if is_asked { "; networks have to approve, too" } else { "" };
        format!("{advice}{more}")
    }
}

/// Of the last vote on a request, which the rules give whoever sits in the seat.
fn last_vote(vote: &Vote) -> String {
    let Grounds::Rules(_, points) = &vote.grounds else { unreachable!("the rules give a score") };
    let (score, verdict) = (points.score(), verdict(vote.verdict));
    format!(
        "its next vote is the last one, and the rules give it: {verdict}, with {score} of the \
         {FINAL_SCORE} points that approve"
    )
}
