//! Stories as sequences: per tenant its steps in log order, and per member what is to be learnt at
//! which of them.

use crate::draw::Draw;
use crate::job::Scenario;
use crate::member::Role;
use crate::quantise::time_table;
use crate::split::{Part, Split};
use crate::world::{self, Step, Story};
use conclave_core::council::TimeCode;
use conclave_core::decision::Verdict;
use conclave_core::units::DurationMs;

/// A story, cut.
#[derive(Clone, Debug)]
pub struct Source {
    /// What was run.
    pub scenario: Scenario,
    /// What happened, with nobody in the seat.
    pub story: Story,
    /// Time code of every step.
    pub codes: Vec<TimeCode>,
    /// Positions of each tenant's steps.
    pub by_tenant: Vec<Vec<usize>>,
    /// Who is learnt from, and when.
    pub split: Split,
}

/// What is to be learnt at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// What hindsight says.
    pub verdict: Verdict,
    /// What it is used for.
    pub part: Part,
    /// From when on hindsight can be had.
    pub known_ms: i64,
}

/// What one member learns from: by source, by step.
#[derive(Clone, Debug)]
pub struct Lesson<'a> {
    /// Its sources, each with its targets.
    pub sources: Vec<(&'a Source, Vec<Option<Target>>)>,
}

/// A tenant's steps, as far as they are learnt from.
#[derive(Clone, Debug)]
pub struct Sequence<'a> {
    /// Whose.
    pub source: &'a Source,
    /// Positions in the story's steps.
    pub steps: Vec<usize>,
    /// Which logit should be largest, by step.
    pub classes: Vec<Option<usize>>,
}

/// The logit of a verdict.
#[must_use]
pub fn class(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Approve => 0,
        Verdict::Deny => 1,
        Verdict::Defer => 2,
    }
}

impl Source {
    /// `scenario`, cut by `seed`.
    #[must_use]
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        let story = world::run(&scenario);
        let requests = story.steps.iter().filter(|step| step.job.is_some());
        let mut times: Vec<_> = requests.map(|step| step.at_ms).collect();
        times.sort_unstable();
        let mut draw = Draw::new(seed, &format!("split of {}", story.name));
        let split = Split::new(&times, story.tenants, &mut draw);
        Self::of(scenario, story, split)
    }

    /// `scenario`, used for `part` as a whole.
    #[must_use]
    pub fn whole(scenario: Scenario, part: Part) -> Self {
        let story = world::run(&scenario);
        let split = Split::whole(part, story.tenants);
        Self::of(scenario, story, split)
    }

    /// The same, but for the time between steps: it is told as a quarter of a second throughout.
    #[must_use]
    pub fn untimed(mut self) -> Self {
        let code = time_table().code(DurationMs(255));
        self.codes.fill(code);
        self
    }

    fn of(scenario: Scenario, story: Story, split: Split) -> Self {
        let table = time_table();
        let codes = story.elapsed().into_iter().map(|elapsed| table.code(elapsed)).collect();
        Self { scenario, codes, by_tenant: story.by_tenant(), split, story }
    }
}

impl<'a> Lesson<'a> {
    /// What `role` learns from `sources`.
    #[must_use]
    pub fn new(role: &Role, sources: &'a [Source]) -> Self {
        let sources = sources.iter().map(|source| (source, targets(role, source))).collect();
        Self { sources }
    }

    /// The name of the source at `index`.
    #[must_use]
    pub fn name(&self, index: usize) -> &'static str {
        self.sources[index].0.story.name
    }

    /// The names of all sources, each once.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = (0..self.sources.len()).map(|index| self.name(index)).collect();
        names.dedup();
        names
    }

    /// A number for the tenant of a step: no other tenant of any source has it.
    #[must_use]
    pub fn block(&self, index: usize, step: usize) -> usize {
        let before: usize =
            self.sources[..index].iter().map(|(source, _)| source.story.tenants).sum();
        before + self.sources[index].0.story.steps[step].tenant
    }

    /// What is learnt from: tenants that are not held out, until the first cut.
    #[must_use]
    pub fn sequences(&self) -> Vec<Sequence<'a>> {
        self.sequences_of(Part::Train, |split| split.learnt_until_ms)
    }

    /// What is fitted to: the same tenants until the second cut, with what is to be said between.
    #[must_use]
    pub fn fitted(&self) -> Vec<Sequence<'a>> {
        self.sequences_of(Part::Calibrate, |split| split.fitted_until_ms)
    }

    fn sequences_of(&self, part: Part, until_ms: fn(&Split) -> i64) -> Vec<Sequence<'a>> {
        let mut all = Vec::new();
        for (source, targets) in &self.sources {
            let until_ms = until_ms(&source.split);
            let tenants = source.by_tenant.iter().zip(&source.split.is_held_out);
            for (steps, _) in tenants.filter(|(_, is_held_out)| !**is_held_out) {
                let is_early = |at: &usize| source.story.steps[*at].at_ms < until_ms;
                let steps: Vec<_> = steps.iter().copied().filter(is_early).collect();
                let wanted = |at: &usize| {
                    let target = targets[*at].filter(|target| target.part == part);
                    target.map(|target| class(target.verdict))
                };
                let classes: Vec<_> = steps.iter().map(wanted).collect();
                if classes.iter().any(Option::is_some) {
                    all.push(Sequence { source, steps, classes });
                }
            }
        }
        all
    }
}

fn targets(role: &Role, source: &Source) -> Vec<Option<Target>> {
    let hindsight = (role.hindsight)(&source.story);
    let target = |step: &Step| {
        // Hard rules refuse whatever anybody says.
        let job = step.job.filter(|job| !source.story.fates[*job].is_refused)?;
        let judged = hindsight[job]?;
        let part = source.split.part(step.tenant, step.at_ms, judged.known_ms);
        Some(Target { verdict: judged.verdict, part, known_ms: judged.known_ms })
    };
    source.story.steps.iter().map(target).collect()
}
