//! What the events of a decision say of the requests that they name.

use super::data::Kind;
use super::follow::Follower;
use super::life::{Life, Moment};
use crate::report::sentence;
use crate::report::show::count;
use conclave_core::command::WorkOutcome;
use conclave_core::decision::{
    CouncilVoted, Decision, Event, LeaseEnd, LeaseEnded, LeaseGranted, Outcome, RequestEnd,
    RequestEnded, RequestVoted, SeatKind, Verdict,
};
use conclave_core::units::{GpuMilli, PoolId, RequestId};
use std::collections::BTreeSet;

impl Follower<'_> {
    pub(super) fn note_refusal(&mut self, decision: &Decision, now: Moment) {
        let Outcome::Rejected(refused) = &decision.outcome else { return };
        let Decision { kind, pool, tenant, request, .. } = decision;
        let is_meant = kind == "RequestAllocation" && !request.0.is_empty();
        if !is_meant || !self.shows(pool) || !self.options.may_see(tenant) {
            return;
        }
        let note = format!("{}: {}", refused.code.as_str(), refused.detail);
        let mut life = Life {
            name: self.names.place(&request.0),
            pool: self.names.place(&pool.0),
            tenant: self.names.place(&tenant.0),
            user: 0,
            shape: 0,
            gpu_milli: GpuMilli(0),
            priority: 0,
            received: now,
            segments: vec![],
            nodes: BTreeSet::new(),
            is_over: false,
        };
        life.end(Kind::Refused, now, self.names.place(&note));
        self.lives.begin(pool, request, life);
    }

    pub(super) fn note_event(&mut self, pool: &PoolId, event: &Event, now: Moment) {
        match event {
            Event::RequestAdmitted(admitted) => {
                let ask = &admitted.request;
                if self.options.may_see(&ask.tenant) {
                    let life = self.life(pool, ask, now);
                    self.lives.begin(pool, &ask.request, life);
                }
            }
            Event::RequestVoted(voted) => {
                let seat = match voted.seat {
                    SeatKind::Rules => "the rules",
                    SeatKind::RulesFinal => "the rules, for the last time",
                };
                let by = format!("{seat} with {} of 100 points", voted.score);
                let RequestVoted { request, attempt, verdict, .. } = voted;
                self.note_vote((pool, request), (*attempt, *verdict, &by), now);
            }
            Event::CouncilVoted(voted) => {
                let CouncilVoted { request, attempt, verdict, .. } = voted;
                self.note_vote((pool, request), (*attempt, *verdict, &networks(voted)), now);
            }
            Event::RequestDeferred(deferred) => {
                self.open(pool, &deferred.request, Kind::Deferred, now);
            }
            Event::DeferralDue(due) => self.open(pool, &due.request, Kind::VoteDue, now),
            Event::LeaseGranted(granted) => self.note_grant(pool, granted, now),
            Event::LeaseRenewed(renewed) => {
                self.mark(pool, &renewed.request, Kind::Renewed, now, "")
            }
            Event::LeaseShrunk(shrunk) => {
                let keeps = u64::try_from(shrunk.replicas).unwrap_or(0);
                let note = format!("keeps {}", count(keeps, "replica"));
                self.mark(pool, &shrunk.request, Kind::Shrunk, now, &note);
            }
            Event::LeaseEnded(ended) => {
                self.end(pool, &ended.request, kind_of_lease_end(ended), now, &work(ended));
            }
            Event::RequestEnded(ended) => {
                self.end(pool, &ended.request, kind_of_end(ended), now, "");
            }
            _ => {}
        }
    }

    fn note_vote(
        &mut self,
        (pool, request): (&PoolId, &RequestId),
        (attempt, verdict, by): (i64, Verdict, &str),
        now: Moment,
    ) {
        let (kind, verdict) = match verdict {
            Verdict::Approve => (Kind::Approved, "approved"),
            Verdict::Defer => (Kind::PutOff, "put off"),
            Verdict::Deny => (Kind::VotedDown, "voted down"),
        };
        let note = format!("vote {attempt}: {verdict} by {by}");
        let Self { lives, names, .. } = self;
        if let Some(life) = lives.live(pool, request) {
            life.mark(kind, now, names.place(&note));
        } else if let Some(refused) =
            lives.last().filter(|life| life.is_refused_at(now, names.find(&request.0)))
        {
            // Its first vote said no: the refusal stands already, and the vote goes before it.
            let end = refused.segments.pop();
            refused.mark(kind, now, names.place(&note));
            refused.segments.extend(end);
        }
    }

    fn note_grant(&mut self, pool: &PoolId, granted: &LeaseGranted, now: Moment) {
        let nodes = self.nodes(pool, &granted.replicas);
        let Self { lives, names, .. } = self;
        if let Some(life) = lives.live(pool, &granted.request) {
            let note = sentence::places(&granted.replicas, &granted.gpu_model);
            life.open(Kind::Running, now, names.place(&note));
            life.nodes.extend(nodes);
        }
    }

    fn open(&mut self, pool: &PoolId, request: &RequestId, kind: Kind, now: Moment) {
        if let Some(life) = self.lives.live(pool, request) {
            life.open(kind, now, 0);
        }
    }

    // A text is kept only for a life that is shown: its name may be nobody else's to see.
    fn mark(&mut self, pool: &PoolId, request: &RequestId, kind: Kind, now: Moment, note: &str) {
        let Self { lives, names, .. } = self;
        if let Some(life) = lives.live(pool, request) {
            life.mark(kind, now, names.place(note));
        }
    }

    fn end(&mut self, pool: &PoolId, request: &RequestId, kind: Kind, now: Moment, note: &str) {
        let Self { lives, names, .. } = self;
        if let Some(life) = lives.live(pool, request) {
            life.end(kind, now, names.place(note));
        }
        lives.forget_name(pool, request);
    }
}

impl Life {
    fn is_refused_at(&self, now: Moment, name: Option<u32>) -> bool {
        let last = self.segments.last().map(|segment| segment.kind);
        self.received == now && Some(self.name) == name && last == Some(Kind::Refused)
    }
}

fn kind_of_lease_end(ended: &LeaseEnded) -> Kind {
    match ended.reason {
        LeaseEnd::Released => Kind::Released,
        LeaseEnd::Expired => Kind::Expired,
        LeaseEnd::Revoked => Kind::Revoked,
    }
}

fn kind_of_end(ended: &RequestEnded) -> Kind {
    match ended.reason {
        RequestEnd::Cancelled => Kind::Cancelled,
        RequestEnd::DeadlinePassed => Kind::DeadlinePassed,
        RequestEnd::CouncilDenied => Kind::Denied,
        RequestEnd::Overridden => Kind::Revoked,
    }
}

/// How the work ended, as far as its holder said.
fn work(ended: &LeaseEnded) -> String {
    let outcome = match ended.outcome {
        WorkOutcome::Unknown => "",
        WorkOutcome::Succeeded => "the work succeeded",
        WorkOutcome::Failed => "the work failed",
        WorkOutcome::Stopped => "the work was stopped",
    };
    match ended.utilisation_bp {
        None => outcome.to_owned(),
        Some(used) if outcome.is_empty() => format!("{} % used", used / 100),
        Some(used) => format!("{outcome}, {} % used", used / 100),
    }
}

/// Which members said what.
fn networks(voted: &CouncilVoted) -> String {
    let count = |verdict| voted.members.iter().filter(|one| one.verdict == verdict).count();
    format!(
        "the networks, {} approve, {} deny, {} defer",
        count(Verdict::Approve),
        count(Verdict::Deny),
        count(Verdict::Defer)
    )
}
