//! Why the members of a council voted as they did. Nothing is said that is not proved: the vote is
//! computed again from the log, and has to be the recorded one word for word.

use super::networks::{CORRUPT, FlipSaid, GroupPush, Networks, Told, TopReason, Unexplained, Why};
use super::opened::{Opened, VoteId, round_of};
use super::plan::{PlanReport, next_input};
use super::report::ExplainReport;
use super::told::Subject;
use crate::council::{Models, Seated};
use crate::error::{Error, ErrorKind, Result};
use crate::fold::fold;
use crate::log::LogReader;
use crate::report::sentence::verdict;
use conclave_core::command::Command;
use conclave_core::council::explain::{
    Flip, MemberShares, Occlusions, flips, nothing_known, occlusion, shapley, top_reasons,
};
use conclave_core::council::features::{Asked, FEATURES, FeatureGroup, FeatureRow};
use conclave_core::council::hearing::{Place, Spoken};
use conclave_core::council::recall::Recalled;
use conclave_core::council::{Evaluator as _, Features, ModelId};
use conclave_core::decision::CouncilVoted;
use conclave_core::round::{Ballot, Grounds, Vote, Votes};
use conclave_core::seat::Absent;
use conclave_core::state::State;
use conclave_core::units::{Offset, TimeMs};
use std::sync::Arc;

/// Adds to the last vote of networks in `report` why its members said what they said, and what
/// would have changed it; or why that cannot be said.
///
/// Folds the log up to the vote's round once more.
pub fn give_reasons(log: &dyn LogReader, models: &Models, report: &mut ExplainReport) {
    let ExplainReport { pool, request, networks, networks_before, .. } = report;
    for networks in [networks, networks_before].into_iter().flatten() {
        let Some(at) = networks.at else { continue };
        let vote = VoteId {
            at: Offset(at.offset),
            pool: pool.as_str().into(),
            request: request.as_str().into(),
            attempt: networks.attempt,
        };
        networks.explain(prove(log, models, &vote));
    }
}

/// The same for a plan: `report` is what [`super::plan()`] said of `command` at `now` on `state`,
/// or on a copy of as much of it as the command can reach.
pub fn give_reasons_of_plan(
    state: &State,
    (command, now): (&Command, TimeMs),
    models: &Models,
    report: &mut PlanReport,
) {
    let Some(networks) = &mut report.networks else { return };
    let input = next_input(state, command, now.max(state.time_ms));
    let vote = VoteId {
        at: input.offset,
        pool: report.pool.as_str().into(),
        request: report.request.as_str().into(),
        attempt: networks.attempt,
    };
    let opened = Opened::planned(state, input);
    networks.explain(planned(&opened, models, &vote));
}

fn prove(log: &dyn LogReader, models: &Models, vote: &VoteId) -> Result<Reasons> {
    let round = round_of(log, vote.at)?;
    let (folded, _) = fold(log, log.partition(), Some(round))?;
    reasons_of(&Opened::read(log, &folded.state, round)?, models, vote, Depth::Full)
}

fn planned(opened: &Opened, models: &Models, vote: &VoteId) -> Result<Reasons> {
    let place = opened.place(vote);
    let asked = opened.asked(&vote.pool, place);
    let (asked, case) = asked.ok_or_else(|| Error::bug("nobody is asked about this plan"))?;
    let model = opened.ballot.hearing.as_ref().expect("somebody is asked").model;
    let seated = seated(models, model)?;
    let subject = Subject { pool: opened.state().pool(&vote.pool), asked, now: case.at_ms };
    Ok(computed(&seated, &opened.ballot, place, &subject, Depth::Full))
}

/// A hundredth of a logit, in 1/2048: less than that no feature is named for.
const WORTH_A_WORD: i64 = 20;

/// How much is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Reasons.
    Reasons,
    /// Reasons, and what would have changed the vote.
    Full,
}

/// The reasons of a vote that is recorded in the round `opened`.
///
/// # Errors
/// `Unavailable` when its council cannot be asked here; `Corrupt` when it does not follow from the
/// log.
pub(super) fn reasons_of(
    opened: &Opened,
    models: &Models,
    vote: &VoteId,
    depth: Depth,
) -> Result<Reasons> {
    let differs = |what: &str| {
        let VoteId { at, request, attempt, .. } = vote;
        Error::corrupt(format!(
            "vote {attempt} on {request} in decision {at} does not follow from the log: {what}; no \
             reasons are given for what cannot be proved: run `replay verify`"
        ))
    };
    let recorded = opened.recorded(vote).ok_or_else(|| differs("it is not there"))?;
    let place = opened.place(vote);
    let asked = opened.asked(&vote.pool, place);
    let (asked, case) = asked.ok_or_else(|| differs("nobody was asked"))?;
    let seated = seated(models, recorded.model)?;
    let votes = opened.answered(&seated).map_err(differs)?;
    let again = vote_at(votes, place).ok_or_else(|| differs("nobody voted"))?;
    if let Some(what) = difference(recorded, again) {
        return Err(differs(what));
    }
    let subject = Subject { pool: opened.state().pool(&vote.pool), asked, now: case.at_ms };
    Ok(computed(&seated, &opened.ballot, place, &subject, depth))
}

fn seated(models: &Models, model: ModelId) -> Result<Arc<Seated>> {
    let found = models.get(model).map_err(|why| Absent { model, why });
    found.map_err(Error::from)
}

fn vote_at(votes: &Votes, place: Place) -> Option<&Vote> {
    match place {
        Place::Due(index) => votes.due.get(index).map(|(_, vote)| vote),
        Place::Newcomer(offset) => votes.newcomers.get(&offset),
    }
}

/// What of a recorded vote is not what is computed.
fn difference(recorded: &CouncilVoted, vote: &Vote) -> Option<&'static str> {
    let Grounds::Council(spoken) = &vote.grounds else { return Some("the rules would answer") };
    let Spoken { model, memory, elapsed_ms, features, weights_seq, members, ground, confidence } =
        &**spoken;
    let told = features.values().map(i64::from);
    let checks = [
        (recorded.model == *model, "another council sat"),
        (recorded.attempt == vote.attempt, "it is another attempt"),
        (recorded.elapsed_ms == *elapsed_ms, "another time has passed"),
        (recorded.features == told, "the council is told something else"),
        (recorded.memory == *memory, "its hidden state has another digest"),
        (recorded.weights_seq == *weights_seq, "other weights hold"),
        (recorded.members == *members, "the members say something else"),
        (recorded.verdict == vote.verdict, "the members come to something else"),
        (recorded.ground == *ground, "the members come to it on another ground"),
        (recorded.confidence_per_mille == i64::from(confidence.0), "they are less or more sure"),
    ];
    checks.into_iter().find(|(is_same, _)| !is_same).map(|(_, what)| what)
}

/// What is added to a vote.
#[derive(Debug)]
pub(super) struct Reasons {
    pub(super) labels: Vec<String>,
    pub(super) whys: Vec<Why>,
    told: Vec<Told>,
    flips: Vec<FlipSaid>,
}

fn computed(
    seated: &Seated,
    ballot: &Ballot,
    place: Place,
    subject: &Subject,
    depth: Depth,
) -> Reasons {
    let (council, evaluator) = (seated.council(), seated.evaluator());
    let hearing = ballot.hearing.as_ref().expect("networks were asked");
    let recalled = hearing.recall(evaluator, council, place).expect("networks were asked there");
    let (step, nothing) = (recalled.step(), nothing_known());
    let told = told(&recalled, subject);
    let shares = shapley(evaluator, &step, &nothing);
    let occluded = occlusion(evaluator, &step, &nothing);
    let whys = shares.iter().zip(&occluded).map(|(shares, alone)| why(shares, alone, &told));
    let whys = whys.collect();
    let flips = match depth {
        Depth::Reasons => vec![],
        Depth::Full => flips_of(seated, &recalled, subject),
    };
    let labels = council.parts().members.iter().map(|member| member.label.clone()).collect();
    Reasons { labels, whys, told, flips: flips.into_iter().map(said).collect() }
}

/// None while the rule score decides: then the networks turn nothing.
fn flips_of(seated: &Seated, recalled: &Recalled, subject: &Subject) -> Vec<Flip> {
    let (council, evaluator, step) = (seated.council(), seated.evaluator(), recalled.step());
    let Subject { pool, asked, now } = subject;
    let features_of = |ask: &_| Features::of_request(pool, &Asked { ask, ..*asked }, *now);
    let verdict_of = |logits: &_| recalled.verdict(council, logits);
    let as_it_was = evaluator.step(&mut recalled.state.clone(), step.features, step.time);
    if verdict_of(&as_it_was).is_none() {
        return vec![];
    }
    let verdict_of = |logits: &_| verdict_of(logits).expect("as many are listened to as before");
    flips(evaluator, &step, (asked.ask, *now), features_of, verdict_of)
}

fn told(recalled: &Recalled, subject: &Subject) -> Vec<Told> {
    let told = |(row, value): (&FeatureRow, i8)| Told {
        feature: row.name.to_owned(),
        group: row.group.as_str().to_owned(),
        value: value.into(),
        words: subject.words(row),
    };
    recalled.features.iter().map(told).collect()
}

fn why(shares: &MemberShares, alone: &Occlusions, told: &[Told]) -> Why {
    let push = |group: FeatureGroup| i64::from(shares.shares[group as usize].0);
    let group = |group: FeatureGroup| GroupPush {
        group: group.as_str().to_owned(),
        push_sixtieths: push(group),
    };
    // Without the feature the lead changes by that; so much it did the other way.
    let losses: Vec<i64> = alone.changes.iter().map(|change| -i64::from(change.0)).collect();
    let top = top_reasons(&shares.shares).into_iter().filter(|reason| reason.share.0 != 0);
    let top = top.map(|reason| {
        let strongest = strongest(reason.group, push(reason.group), &losses);
        TopReason {
            group: reason.group.as_str().to_owned(),
            push_sixtieths: push(reason.group),
            feature: strongest.map(|row| row.name.to_owned()),
            feature_push: strongest.map_or(0, |row| losses[row.index]),
            words: strongest.map_or(String::new(), |row| told[row.index].words.clone()),
        }
    });
    Why {
        runner_up: verdict(shares.contest.runner_up).to_owned(),
        lead: shares.gap.0.into(),
        baseline_lead: shares.baseline_gap.0.into(),
        history: shares.of_state.0.into(),
        groups: FeatureGroup::ALL.map(group).into(),
        top: top.collect(),
        occlusions: losses,
    }
}

/// The feature of `group` that does most by itself in the direction of `push`; none when none does
/// enough to be worth a word.
fn strongest(group: FeatureGroup, push: i64, losses: &[i64]) -> Option<&'static FeatureRow> {
    let loss = |row: &FeatureRow| losses[row.index] * push.signum();
    let of_group = FEATURES.iter().filter(|row| row.group == group && loss(row) >= WORTH_A_WORD);
    // Among equal ones the first.
    of_group.rev().max_by_key(|row| loss(row))
}

fn said(flip: Flip) -> FlipSaid {
    let Flip { field, from, to, verdict: to_verdict } = flip;
    FlipSaid { field, from, to, verdict: verdict(to_verdict).to_owned() }
}

impl Networks {
    /// Adds the reasons, or says why there are none.
    pub(super) fn explain(&mut self, reasons: Result<Reasons>) {
        match reasons {
            Ok(Reasons { labels, whys, told, flips }) => {
                let reasons = labels.into_iter().zip(whys);
                for (member, (label, why)) in self.members.iter_mut().zip(reasons) {
                    (member.label, member.why) = (Some(label), Some(why));
                }
                (self.told, self.flips) = (told, flips);
            }
            Err(error) => {
                let kind = match error.kind {
                    ErrorKind::Corrupt => CORRUPT,
                    ErrorKind::Unavailable | ErrorKind::Invalid | ErrorKind::Bug => "unavailable",
                };
                let sentence = error.to_string();
                self.unexplained = Some(Unexplained { kind: kind.to_owned(), sentence });
            }
        }
    }
}
