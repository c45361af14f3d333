//! Many votes of networks in short, in one walk along the log: what each member said and its first
//! reason, which is what a page has room for.

use super::networks::{Networks, TopReason, Why};
use super::opened::{Opened, VoteId};
use super::reasons::{Depth, reasons_of};
use crate::council::Models;
use crate::error::Result;
use crate::fold::{Folded, fold, fold_on};
use crate::log::LogReader;
use conclave_core::decision::{CouncilVoted, Decision, Event};
use conclave_core::units::Offset;
use serde::Serialize;

/// A vote of networks as a decision records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedVote {
    /// The first command of its round.
    round: Offset,
    /// The decision.
    at: Offset,
    /// What it says.
    voted: CouncilVoted,
}

/// A vote of networks in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Brief {
    /// Offset of the decision that records it.
    pub at: i64,
    /// The pool.
    pub pool: String,
    /// On which request.
    pub request: String,
    /// Which vote it was, from 1.
    pub attempt: i64,
    /// `approve`, `deny` or `defer`.
    pub verdict: String,
    /// Why, as in [`Networks`].
    pub ground: String,
    /// How sure the members were that agreed, in thousandths.
    pub confidence_per_mille: i64,
    /// What each member said.
    pub members: Vec<MemberBrief>,
    /// Why no reasons are given; none when they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unexplained: Option<String>,
}

/// What one network said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberBrief {
    /// What the council's file calls it; none without reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `approve`, `deny` or `defer`.
    pub verdict: String,
    /// How often it is right when it is that sure, in thousandths.
    pub confidence_per_mille: i64,
    /// Whether it counted.
    pub counted: bool,
    /// The strongest reason for its verdict; against it, when none is for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<TopReason>,
}

impl RecordedVote {
    /// The votes of networks that `decision` records.
    pub fn all_of(decision: &Decision) -> impl Iterator<Item = Self> {
        let (round, at) = (decision.round, decision.offset);
        decision.events.iter().filter_map(move |event| match event {
            Event::CouncilVoted(voted) => Some(Self { round, at, voted: voted.clone() }),
            _ => None,
        })
    }

    /// What it says.
    #[must_use]
    pub fn voted(&self) -> &CouncilVoted {
        &self.voted
    }

    /// Without reasons, until they are proved.
    fn brief(&self) -> Brief {
        let Networks { attempt, verdict, ground, confidence_per_mille, members, .. } =
            Networks::of(&self.voted, None);
        let members = members.into_iter().map(|member| MemberBrief {
            label: None,
            verdict: member.verdict,
            confidence_per_mille: member.confidence_per_mille,
            counted: member.counted,
            top: None,
        });
        Brief {
            at: self.at.0,
            pool: self.voted.pool.to_string(),
            request: self.voted.request.to_string(),
            attempt,
            verdict,
            ground,
            confidence_per_mille,
            members: members.collect(),
            unexplained: None,
        }
    }
}

/// The votes in short, in the order of their decisions, in which `votes` have to be.
///
/// # Errors
/// When the log cannot be folded. A vote that is not proved has no reasons, and says why.
pub fn briefs(log: &dyn LogReader, models: &Models, votes: &[RecordedVote]) -> Result<Vec<Brief>> {
    let (mut folded, mut briefs) = (None, Vec::with_capacity(votes.len()));
    for of_round in votes.chunk_by(|one, next| one.round == next.round) {
        let [RecordedVote { round, .. }, ..] = of_round else { continue };
        let round = *round;
        let before: &mut Folded = match &mut folded {
            Some(folded) => folded,
            none => none.insert(fold(log, log.partition(), Some(round))?.0),
        };
        fold_on(log, before, round, |_, _, _| {})?;
        let opened = Opened::read(log, &before.state, round).map_err(|error| error.to_string());
        briefs.extend(of_round.iter().map(|vote| brief(opened.as_ref(), models, vote)));
    }
    Ok(briefs)
}

fn brief(
    opened: std::result::Result<&Opened, &String>,
    models: &Models,
    vote: &RecordedVote,
) -> Brief {
    let mut brief = vote.brief();
    let id = VoteId::of(vote.at, &vote.voted);
    let reasons = opened.map_err(Clone::clone).and_then(|opened| {
        reasons_of(opened, models, &id, Depth::Reasons).map_err(|error| error.to_string())
    });
    match reasons {
        Ok(reasons) => {
            let of_members = reasons.labels.into_iter().zip(reasons.whys);
            for (member, (label, why)) in brief.members.iter_mut().zip(of_members) {
                (member.label, member.top) = (Some(label), first_reason(why));
            }
        }
        Err(sentence) => brief.unexplained = Some(sentence),
    }
    brief
}

fn first_reason(why: Why) -> Option<TopReason> {
    let first = why.top.iter().position(|top| top.push_sixtieths > 0).unwrap_or(0);
    why.top.into_iter().nth(first)
}
