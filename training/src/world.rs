//! A scenario, run through the core: commands are decided one by one, and what the council is told
//! is taken from the ballots that the core makes. So it is what a live log tells, in the same
//! order.

mod agenda;
mod send;

use crate::job::{Ending, Job, Scenario};
use crate::panel::{Nobody, Panel};
use crate::since::elapsed;
use agenda::{Act, Agenda};
use conclave_core::command::{Command, Payload, WorkOutcome};
use conclave_core::council::Features;
use conclave_core::council::hearing::{Heard, Place};
use conclave_core::decide::decide;
use conclave_core::decision::{Event, LeaseEnd, Outcome, RequestEnd};
use conclave_core::rejection::RejectionCode;
use conclave_core::round::{Ballot, Grounds, Question, Round, open_round};
use conclave_core::seat::score;
use conclave_core::state::{Request, State};
use conclave_core::units::{DurationMs, Offset, RequestId, TimeMs};
use send::{POOL, input, log_commands, request_of, sent};
use std::collections::BTreeMap;

/// How long a lease outlasts what was expected, before it ends by its timer.
pub const GRACE_MS: i64 = 3_600_000;
/// Longest lease, and longest renewal.
const LEASE_MAX_MS: i64 = 30 * 24 * 3_600_000;

/// What happened to a scenario.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its name.
    pub name: &'static str,
    /// How many tenants it has.
    pub tenants: usize,
    /// What was asked, as in the scenario.
    pub jobs: Vec<Job>,
    /// What became of each job.
    pub fates: Vec<Fate>,
    /// Every step of every tenant's state: of a tenant in log order.
    pub steps: Vec<Step>,
    /// When the last command was decided.
    pub end_ms: i64,
    /// GPUs of the fleet, in milli.
    pub fleet_gpu_milli: i64,
}

/// One step of a tenant's hidden state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whose state.
    pub tenant: usize,
    /// Which job is voted on; none where a lease ended.
    pub job: Option<usize>,
    /// Log time.
    pub at_ms: i64,
    /// What the council is told.
    pub features: Features,
}

/// What became of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// The hard rules refused it: nobody votes on it.
    pub is_refused: bool,
    /// The rule score when it asked, 0 to 100.
    pub rule_score: i64,
    /// GPUs that its tenant held when it asked, in milli.
    pub used_gpu_milli: i64,
    /// When it started.
    pub started_ms: Option<i64>,
    /// When its lease ended, and how.
    pub ended: Option<(i64, Way)>,
    /// When it was withdrawn because its deadline passed, or denied later than at once.
    pub withdrawn_ms: Option<i64>,
    /// The council denied it.
    pub is_denied: bool,
}

/// How a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Given back, with what its holder said.
    Released(WorkOutcome),
    /// By its timer.
    Expired,
}

struct World<'a> {
    scenario: &'a Scenario,
    state: State,
    /// Offset of the next command.
    next: i64,
    names: BTreeMap<RequestId, usize>,
    /// The request of the latest command that asked.
    asking: RequestId,
    agenda: Agenda,
    story: Story,
    panel: &'a mut dyn Panel,
}

/// Runs `scenario` to its last arrival, with nobody in the council's seat; what runs then is left
/// running.
#[must_use]
pub fn run(scenario: &Scenario) -> Story {
    run_with(scenario, &mut Nobody)
}

/// Runs `scenario` with `panel` in the council's seat.
#[must_use]
pub fn run_with(scenario: &Scenario, panel: &mut dyn Panel) -> Story {
    let (mode, model) = (panel.mode(), panel.model());
    let jobs = &scenario.jobs;
    let mut world = World {
        scenario,
        state: State::new(0),
        next: 0,
        names: BTreeMap::new(),
        asking: RequestId::default(),
        agenda: Agenda::default(),
        story: Story {
            name: scenario.name,
            tenants: scenario.tenants.len(),
            jobs: jobs.clone(),
            fates: vec![Fate::default(); jobs.len()],
            steps: Vec::new(),
            end_ms: jobs.last().map_or(0, |job| job.at_ms),
            fleet_gpu_milli: 1_000 * scenario.nodes.iter().map(|n| n.gpu_count).sum::<i64>(),
        },
        panel,
    };
    let begin_ms = jobs.first().map_or(0, |job| job.at_ms);
    for command in log_commands(scenario, mode, model) {
        world.send(begin_ms, command);
    }
    for (job, asks) in jobs.iter().enumerate() {
        world.agenda.add(asks.at_ms, Act::Ask(job));
    }
    while let Some((at_ms, act)) = world.agenda.next(world.state.next_timer_ms()) {
        if world.story.end_ms < at_ms {
            break;
        }
        world.act(at_ms, act);
        // Requests that were put off are voted on when the next round opens.
        while !world.state.due.is_empty() {
            world.act(at_ms, Act::Timer);
        }
    }
    world.story
}

impl World<'_> {
    fn act(&mut self, at_ms: i64, act: Act) {
        let name = |job| send::name(job);
        let lease = |world: &Self, job| {
            let request = world.request(&name(job))?;
            request.lease().map(|lease| (lease.fencing, lease.ends_at_ms))
        };
        match act {
            Act::Timer => self.send(at_ms, sent("", Payload::Tick, self.next)),
            Act::Ask(job) => self.ask(at_ms, job),
            Act::Release(job) => {
                if let Some((fencing, _)) = lease(self, job) {
                    self.release(at_ms, job, fencing);
                }
            }
            Act::Renew(job) => {
                if let Some((fencing, _)) = lease(self, job) {
                    self.renew(at_ms, job, fencing);
                }
            }
        }
    }

    fn request(&self, name: &RequestId) -> Option<&Request> {
        self.state.pools.get(POOL)?.request(name)
    }

    fn ask(&mut self, at_ms: i64, job: usize) {
        let ask = request_of(&self.scenario.jobs[job], job);
        let tenant = self.state.pools[POOL].tenants.get(&ask.tenant);
        let used = tenant.map_or(0, |tenant| tenant.used_gpu_milli.0);
        let fate = &mut self.story.fates[job];
        fate.rule_score = rule_score(&Question::about(&ask, 1));
        fate.used_gpu_milli = used;
        self.names.insert(ask.request.clone(), job);
        self.asking = ask.request.clone();
        let command = sent(POOL, Payload::RequestAllocation(ask), self.next);
        let outcome = self.decide(at_ms, command);
        let fate = &mut self.story.fates[job];
        match outcome {
            Outcome::Rejected(why) if why.code == RejectionCode::CouncilDenied => {
                fate.is_denied = true;
            }
            Outcome::Accepted => {}
            Outcome::Rejected(_) | Outcome::Duplicate(_) | Outcome::Failed(_) => {
                fate.is_refused = true;
            }
        }
    }

    fn release(&mut self, at_ms: i64, job: usize, fencing: Offset) {
        let asked = &self.scenario.jobs[job];
        let Ending::Released(outcome) = asked.ending else { return };
        let (name, utilisation_bp) = (send::name(job), asked.utilisation_bp);
        let command = send::release(name, fencing, outcome, utilisation_bp, self.next);
        self.send(at_ms, command);
    }

    fn renew(&mut self, at_ms: i64, job: usize, fencing: Offset) {
        let started = self.story.fates[job].started_ms.unwrap_or(at_ms);
        let left = started + self.scenario.jobs[job].run_ms - at_ms + GRACE_MS;
        let extend = DurationMs(left.clamp(1, LEASE_MAX_MS));
        let command = send::renew(send::name(job), fencing, extend, self.next);
        self.send(at_ms, command);
    }

    fn send(&mut self, at_ms: i64, command: Command) {
        let outcome = self.decide(at_ms, command);
        assert_eq!(outcome, Outcome::Accepted, "a command of the trainer's own at {at_ms}");
    }

    /// Decides `command` in a round of its own.
    fn decide(&mut self, at_ms: i64, command: Command) -> Outcome {
        let round = Round { inputs: vec![input(self.next, at_ms, command)] };
        self.next += 1;
        let ballot = open_round(&self.state, &round.inputs);
        let votes = self.panel.vote(&ballot).expect("whoever the log names sits here");
        for heard in ballot.hearing.iter().flat_map(|hearing| &hearing.tenants) {
            self.note_steps(&ballot, heard, round.first());
        }
        let decisions = decide(&mut self.state, &round, &votes);
        let decision = decisions.into_iter().next().expect("a round of one has one decision");
        for event in &decision.events {
            self.follow(at_ms, event);
        }
        decision.outcome
    }

    /// What the council is told of a tenant in this round.
    fn note_steps(&mut self, ballot: &Ballot, heard: &Heard, round: Offset) {
        let name = |place: Place| match place {
            Place::Due(index) => ballot.due[index].0.request.clone(),
            Place::Newcomer(offset) => {
                assert_eq!(offset, round, "a round has one command");
                self.asking.clone()
            }
        };
        let job = |place| self.names[&name(place)];
        let jobs: Vec<_> = heard.cases.iter().map(|case| job(case.place)).collect();
        let tenant = self.scenario.jobs[jobs[0]].tenant;
        let ended = heard.memory.outcomes().map(|ended| (None, ended.at_ms, ended.features));
        let cases = jobs.iter().zip(&heard.cases);
        let asked = cases.map(|(job, case)| (Some(*job), case.at_ms, case.features));
        let steps = ended.chain(asked);
        self.story.steps.extend(steps.map(|(job, at, features)| Step {
            tenant,
            job,
            at_ms: at.0,
            features,
        }));
    }

    fn follow(&mut self, at_ms: i64, event: &Event) {
        match event {
            Event::LeaseGranted(granted) => {
                let job = self.names[&granted.request];
                self.story.fates[job].started_ms = Some(at_ms);
                self.plan_end(at_ms, job, granted.ends_at_ms.0);
            }
            Event::LeaseRenewed(renewed) => {
                let job = self.names[&renewed.request];
                let started = self.story.fates[job].started_ms.unwrap_or(at_ms);
                self.plan_renewal(
                    started + self.scenario.jobs[job].run_ms,
                    job,
                    renewed.ends_at_ms.0,
                );
            }
            Event::LeaseEnded(ended) => {
                let job = self.names[&ended.request];
                let way = match ended.reason {
                    LeaseEnd::Released => Way::Released(ended.outcome),
                    LeaseEnd::Expired | LeaseEnd::Revoked => Way::Expired,
                };
                self.story.fates[job].ended = Some((at_ms, way));
            }
            Event::RequestEnded(ended) => {
                let fate = &mut self.story.fates[self.names[&ended.request]];
                fate.withdrawn_ms = Some(at_ms);
                fate.is_denied = ended.reason == RequestEnd::CouncilDenied;
            }
            // Nothing else starts or ends a job.
            _ => {}
        }
    }

    /// What a granted job does next.
    fn plan_end(&mut self, at_ms: i64, job: usize, ends_at_ms: i64) {
        let asked = &self.scenario.jobs[job];
        match asked.ending {
            Ending::Abandoned => {}
            Ending::Released(_) => {
                let done = at_ms + asked.run_ms;
                self.agenda.add(done, Act::Release(job));
                self.plan_renewal(done, job, ends_at_ms);
            }
        }
    }

    /// A lease that would end before its work is renewed a minute before.
    fn plan_renewal(&mut self, done_ms: i64, job: usize, ends_at_ms: i64) {
        if ends_at_ms <= done_ms {
            self.agenda.add(ends_at_ms - 60_000, Act::Renew(job));
        }
    }
}

impl Story {
    /// Positions in `steps` of each tenant's steps, in log order.
    #[must_use]
    pub fn by_tenant(&self) -> Vec<Vec<usize>> {
        let mut by_tenant = vec![Vec::new(); self.tenants];
        for (at, step) in self.steps.iter().enumerate() {
            by_tenant[step.tenant].push(at);
        }
        by_tenant
    }

    /// Log time since the same tenant's step before, of every step; zero for its first.
    #[must_use]
    pub fn elapsed(&self) -> Vec<DurationMs> {
        let mut last = vec![None; self.tenants];
        let elapsed = self.steps.iter().map(|step| {
            let now = TimeMs(step.at_ms);
            let before = last[step.tenant].replace(now);
            elapsed(before, now)
        });
        elapsed.collect()
    }

    /// How long a job waited for its start, as far as anybody knows at the end: whether it started,
    /// and the time until then, or until it was withdrawn or the story ended.
    #[must_use]
    pub fn wait(&self, job: usize) -> (bool, i64) {
        let (asked, fate) = (self.jobs[job].at_ms, &self.fates[job]);
        match (fate.started_ms, fate.withdrawn_ms) {
            (Some(started), _) => (true, started - asked),
            (None, Some(withdrawn)) => (false, withdrawn - asked),
            (None, None) => (false, self.end_ms - asked),
        }
    }

    /// Share of the fleet's GPU time that was held.
    #[must_use]
    pub fn mean_use(&self) -> f64 {
        let held = |(job, fate): (&Job, &Fate)| {
            let started = fate.started_ms?;
            let until = fate.ended.map_or(self.end_ms, |(ended, _)| ended);
            Some(job.total_gpu_milli() as f64 * (until - started) as f64)
        };
        let held: f64 = self.jobs.iter().zip(&self.fates).filter_map(held).sum();
        let span = self.end_ms - self.jobs.first().map_or(0, |job| job.at_ms);
        held / (self.fleet_gpu_milli as f64 * span.max(1) as f64)
    }

    /// How many requests are voted on.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.steps.iter().filter(|step| step.job.is_some()).count()
    }
}

/// Points of the rules.
fn rule_score(question: &Question) -> i64 {
    match score(question).grounds {
        Grounds::Rules(_, points) => points.score(),
        Grounds::Council(_) => unreachable!("the rules are no council"),
    }
}
