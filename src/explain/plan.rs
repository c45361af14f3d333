//! What the rules would answer to a command that nobody has sent: the real decision code, on a copy
//! of what the command can reach. Nothing is stored, and nothing is promised.

use super::advice::Known;
use super::ahead::ahead;
use super::networks::Networks;
use super::refusal::is_about_the_ask;
use super::report::{Ahead, Council, EventAt, Granted, Moment};
use super::sentences;
use crate::estimate::{Estimates, Outlook};
use crate::log::{CommandRecord, Headers, StoredCommand};
use crate::report::decision::advice;
use crate::report::event::Subject;
use crate::report::sentence;
use crate::report::viewer::{ANOTHER_TENANT, Viewer};
use crate::wire::{CommandReader, encode_command};
use conclave_core::blocker::Blocker;
use conclave_core::command::{Command, Payload, RequestAllocation};
use conclave_core::decide::{decide, subject_request};
use conclave_core::decision::{
    Decision, Event, LeaseGranted, Outcome, Rejected, RequestVoted, SeatKind,
};
use conclave_core::explain::{Change, all_blockers, changes_that_admit, smallest_changes};
use conclave_core::input::{Content, Input};
use conclave_core::rejection::RejectionCode;
use conclave_core::round::{Round, open_round};
use conclave_core::seat::{APPROVE_SCORE, Absent, DEFER_SCORE, FINAL_SCORE, Seat};
use conclave_core::state::State;
use conclave_core::units::{Offset, PoolId, RequestId, TimeMs};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Consequences for others that are told one by one.
const ALSO_MAX: usize = 20;

/// What is said with every plan.
const NO_PROMISE: &str = "what the rules would answer if this were the next command: whatever is \
                          decided before it can change the answer, and nothing is reserved";

/// What a command would be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanReport {
    /// The answer holds while this is the last decision, at this log time.
    pub holds_for: Moment,
    /// What was planned, e.g. `RequestAllocation`.
    pub kind: String,
    /// Its pool; empty for log commands.
    pub pool: String,
    /// The request that it is about; empty when it is about none.
    pub request: String,
    /// `accepted`, `rejected` or `duplicate`.
    pub outcome: String,
    /// The rule that refuses it.
    pub code: Option<String>,
    /// That rule's numbers in words.
    pub detail: Option<String>,
    /// The decision that answered the same command before.
    pub first_offset: Option<i64>,
    /// The vote on the request, when the rules give it.
    pub council: Option<Council>,
    /// The vote on the request, when networks give it.
    pub networks: Option<Networks>,
    /// Where the request would start.
    pub granted: Option<Granted>,
    /// Until when the council would put it off.
    pub deferred_until_ms: Option<i64>,
    /// Everything that would stand against it, the rule that is met first coming first.
    #[schema(value_type = Vec<Object>)]
    pub blocked_by: Vec<Blocker>,
    /// The same in sentences.
    pub blocked_by_sentences: Vec<String>,
    /// Who would stand before it; none when it would not wait in the queue.
    pub ahead: Option<Ahead>,
    /// How long it would wait, judged by others; none when it would not wait in the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Outlook>,
    /// The smallest changes of one field that would let it start; of a refused or deferred one,
    /// that would let it in.
    #[schema(value_type = Vec<Object>)]
    pub changes: Vec<Change>,
    /// What to make of the changes, or of there being none.
    pub advice: Option<String>,
    /// What else would happen in the decision, first the first: another tenant's requests are not
    /// named.
    pub also: Vec<String>,
    /// How much else would happen, what is not told one by one included.
    pub also_count: usize,
    /// Every event of the decision that the viewer may see.
    pub events: Vec<EventAt>,
    /// That nothing is promised.
    pub promise: String,
}

impl PlanReport {
    /// Adds how long what `command` asks for would wait.
    pub fn add_estimate(&mut self, estimates: &Estimates, command: &Command) {
        let Payload::RequestAllocation(ask) = &command.payload else { return };
        if self.ahead.is_some() {
            self.wait = Some(estimates.outlook(&command.pool, ask));
        }
    }
}

/// What `command` would be answered if it were the next one, at `now` or at the last command's
/// time, whichever is later. `seat` votes as it would.
///
/// # Errors
/// When the council that would vote is not here.
///
/// # Panics
/// When a part of the state contradicts another.
pub fn plan(
    state: &State,
    command: Command,
    now: TimeMs,
    seat: &mut impl Seat,
    viewer: &Viewer,
) -> Result<PlanReport, Absent> {
    let now = now.max(state.time_ms);
    let input = next_input(state, &command, now);
    let id_hash = match &input.content {
        Content::Readable { digests, .. } => Some(digests.id_hash),
        Content::Unreadable(_) => None,
    };
    let mut after = state.for_plan(&command.pool, now, id_hash);
    let round = Round { inputs: vec![input] };
    let votes = seat.vote(&open_round(&after, &round.inputs))?;
    let decision = decide(&mut after, &round, &votes).pop().expect("a round of one command");
    let plan =
        Plan { before: state, after: &after, decision: &decision, command: &command, viewer };
    Ok(plan.report())
}

/// The record that the log would hold, read as it would be.
pub(super) fn next_input(state: &State, command: &Command, now: TimeMs) -> Input {
    let record = CommandRecord {
        time_ms: now,
        key: command.pool.0.as_bytes().to_vec(),
        value: encode_command(command),
        headers: Headers::default(),
    };
    let stored = StoredCommand { offset: Offset(state.covered.0 + 1), record };
    CommandReader::new().read(state.partition, &stored, state.decide_version)
}

struct Plan<'a> {
    before: &'a State,
    after: &'a State,
    decision: &'a Decision,
    command: &'a Command,
    viewer: &'a Viewer,
}

impl Plan<'_> {
    fn report(&self) -> PlanReport {
        let Decision { kind, pool, request, .. } = self.decision;
        let (outcome, code, detail, first_offset) = self.outcome();
        let (blocked_by, changes) = (self.blocked_by(), self.changes());
        let stands = self.stands();
        let also = self.also();
        PlanReport {
            holds_for: Moment { offset: self.before.covered.0, time_ms: self.decision.time_ms.0 },
            kind: kind.to_string(),
            pool: pool.to_string(),
            request: request.to_string(),
            outcome: outcome.to_owned(),
            code,
            detail,
            first_offset,
            council: self.own().find_map(council),
            networks: self.own().find_map(networks),
            granted: self.own().find_map(|event| self.granted(event)),
            deferred_until_ms: self.own().find_map(deferred_until),
            blocked_by_sentences: sentences(&blocked_by, self.after),
            ahead: ahead(self.after, pool, request, self.viewer),
            wait: None,
            advice: self.advice(stands, &blocked_by, &changes).or_else(|| advice(self.decision)),
            blocked_by,
            changes,
            also_count: also.len(),
            also: also.into_iter().take(ALSO_MAX).collect(),
            events: self.events(),
            promise: NO_PROMISE.to_owned(),
        }
    }

    fn outcome(&self) -> (&'static str, Option<String>, Option<String>, Option<i64>) {
        match &self.decision.outcome {
            Outcome::Accepted => ("accepted", None, None, None),
            Outcome::Rejected(no) => {
                ("rejected", Some(no.code.as_str().to_owned()), Some(no.detail.clone()), None)
            }
            Outcome::Duplicate(again) => ("duplicate", None, None, Some(again.first_offset.0)),
            Outcome::Failed(_) => unreachable!("only a person has a command passed over"),
        }
    }

    /// Events about the request that was planned.
    fn own(&self) -> impl Iterator<Item = &Event> {
        self.decision.events.iter().filter(|event| self.is_own(event))
    }

    fn is_own(&self, event: &Event) -> bool {
        let Subject { pool, request, .. } = Subject::of(event);
        let planned = subject_request(&self.command.payload);
        planned.is_some() && request == planned && pool == Some(&self.command.pool)
    }

    /// The request, when it is live and does not run after the decision.
    fn waiting(&self) -> Option<(&PoolId, &RequestId)> {
        if self.decision.outcome != Outcome::Accepted {
            return None;
        }
        let (pool, id) = (&self.command.pool, subject_request(&self.command.payload)?);
        let request = self.after.pools.get(pool)?.request(id)?;
        request.lease().is_none().then_some((pool, id))
    }

    fn stands(&self) -> Option<&'static str> {
        if let (Outcome::Rejected(no), Some(_)) = (&self.decision.outcome, self.asks()) {
            return is_about_the_ask(no.code).then_some("refused");
        }
        let (pool, id) = self.waiting()?;
        let waits = self.after.pool(pool).request(id)?.waits_since().is_some();
        Some(if waits { "waiting" } else { "put off by the council" })
    }

    fn asks(&self) -> Option<&RequestAllocation> {
        match &self.command.payload {
            Payload::RequestAllocation(ask) => Some(ask),
            _ => None,
        }
    }

    fn blocked_by(&self) -> Vec<Blocker> {
        let Some((pool, id)) = self.waiting() else { return vec![] };
        let blockers = all_blockers(self.after, pool, id).into_iter();
        blockers.map(|blocker| self.viewer.hide(self.after.pool(pool), blocker)).collect()
    }

    fn changes(&self) -> Vec<Change> {
        if let Some((pool, id)) = self.waiting() {
            return smallest_changes(self.after, pool, id);
        }
        let (Outcome::Rejected(_), Some(ask)) = (&self.decision.outcome, self.asks()) else {
            return vec![];
        };
        let Decision { offset, time_ms, .. } = self.decision;
        changes_that_admit(self.before, &self.command.pool, ask, (*offset, *time_ms))
    }

    fn granted(&self, event: &Event) -> Option<Granted> {
        let Event::LeaseGranted(granted) = event else { return None };
        let LeaseGranted { request, gpu_model, replicas, ends_at_ms, .. } = granted;
        Some(Granted {
            request: request.to_string(),
            gpu_model: gpu_model.to_string(),
            replicas: replicas.clone(),
            ends_at_ms: ends_at_ms.0,
        })
    }

    /// Whose request an event is about, as far as the states know.
    fn is_seen(&self, event: &Event) -> bool {
        let Subject { pool, tenant, request } = Subject::of(event);
        let find = |state: &State| {
            let request = state.pools.get(pool?)?.request(request?)?;
            Some(self.viewer.sees(&request.ask.tenant))
        };
        let of_request = || find(self.after).or_else(|| find(self.before));
        match (self.viewer, tenant) {
            (Viewer::Everything, _) => true,
            (viewer, Some(tenant)) => viewer.sees(tenant),
            (_, None) if request.is_some() => self.is_own(event) || of_request().unwrap_or(false),
            (_, None) => true,
        }
    }

    /// What happens to others, or by itself, in a line each.
    fn also(&self) -> Vec<String> {
        let is_news = |event: &&Event| {
            !self.is_own(event)
                && !matches!(event, Event::RequestQueued(_) | Event::CouncilRemembered(_))
        };
        let line = |event: &Event| {
            let name = crate::report::event::name(event);
            if self.is_seen(event) {
                let event = self.viewer.hide_event(event.clone());
                format!("{name}: {}", sentence::event(&event, self.decision.time_ms))
            } else {
                format!("{name}: a request of {ANOTHER_TENANT}")
            }
        };
        self.decision.events.iter().filter(is_news).map(line).collect()
    }

    fn events(&self) -> Vec<EventAt> {
        let at = Moment::of(self.decision);
        let seen = self.decision.events.iter().filter(|event| self.is_seen(event));
        seen.map(|event| EventAt { at, event: self.viewer.hide_event(event.clone()) }).collect()
    }

    fn advice(
        &self,
        stands: Option<&str>,
        blocked_by: &[Blocker],
        changes: &[Change],
    ) -> Option<String> {
        let refused = |no: &Rejected| no.code == RejectionCode::CouncilDenied;
        let known = Known {
            stands: stands?,
            state: self.after,
            pool: &self.command.pool,
            request: subject_request(&self.command.payload)?,
            is_networks_word: self.own().find_map(networks).is_some(),
            is_denied: matches!(&self.decision.outcome, Outcome::Rejected(no) if refused(no)),
            is_about_the_ask: true,
            blocked_by,
            changes,
        };
        known.advice()
    }
}

fn deferred_until(event: &Event) -> Option<i64> {
    match event {
        Event::RequestDeferred(deferred) => Some(deferred.retry_at_ms.0),
        _ => None,
    }
}

pub(super) fn council_of(vote: &RequestVoted) -> Council {
    let is_final = vote.seat == SeatKind::RulesFinal;
    Council {
        attempt: vote.attempt,
        score: vote.score,
        priority_points: vote.priority_points,
        size_points: vote.size_points,
        duration_points: vote.duration_points,
        preemptible_points: vote.preemptible_points,
        approve_from: if is_final { FINAL_SCORE } else { APPROVE_SCORE },
        defer_from: (!is_final).then_some(DEFER_SCORE),
    }
}

fn council(event: &Event) -> Option<Council> {
    match event {
        Event::RequestVoted(vote) => Some(council_of(vote)),
        _ => None,
    }
}

fn networks(event: &Event) -> Option<Networks> {
    match event {
        Event::CouncilVoted(voted) => Some(Networks::of(voted, None)),
        _ => None,
    }
}
