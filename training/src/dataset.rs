//! Stories as sequences: per tenant its steps in log order, and per member what is to be learnt at
//! which of them.

use crate::draw::Draw;
use crate::member::Role;
use crate::quantise::time_table;
use crate::split::{Part, Split};
use crate::world::Story;
use conclave_core::council::TimeCode;
use conclave_core::decision::Verdict;

/// A story, cut.
#[derive(Clone, Debug)]
pub struct Source {
    /// What happened.
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
    /// `story`, cut by `seed`.
    #[must_use]
    pub fn new(story: Story, seed: u64) -> Self {
        let requests = story.steps.iter().filter(|step| step.is_request);
        let times: Vec<_> = requests.map(|step| step.at_ms).collect();
        let mut draw = Draw::new(seed, &format!("split of {}", story.name));
        let split = Split::new(&times, story.tenants, &mut draw);
        let table = time_table();
        let codes = story.elapsed().into_iter().map(|elapsed| table.code(elapsed)).collect();
        Self { codes, by_tenant: story.by_tenant(), split, story }
    }
}

impl<'a> Lesson<'a> {
    /// What `role` learns from `sources`.
    #[must_use]
    pub fn new(role: &Role, sources: &'a [Source]) -> Self {
        let its_own = sources.iter().filter(|source| role.sources.contains(&source.story.name));
        let sources = its_own.map(|source| (source, targets(role, source))).collect();
        Self { sources }
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
    let target = |step: &crate::world::Step| {
        let judged = hindsight[step.job].filter(|_| step.is_request)?;
        let part = source.split.part(step.tenant, step.at_ms, judged.known_ms);
        Some(Target { verdict: judged.verdict, part, known_ms: judged.known_ms })
    };
    source.story.steps.iter().map(target).collect()
}
