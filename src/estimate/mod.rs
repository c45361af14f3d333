//! How long requests wait, learnt from the own log, and how often that was right: a fold over the
//! decisions, which uses nothing but what had been decided at the moment of each estimate.
//! `docs/wait-estimate.md` has the formula, the bounds, and what it is not.
//!
//! Reading order: [`class`] (whose waits are alike), [`window`] (the recent waits of a class),
//! `outcomes` (what came of estimates, and what is made of it), this file (the fold), [`report`]
//! (what is said of it).

pub mod class;
mod outcomes;
pub mod report;
pub mod window;

pub use report::{Estimate, Held, Outlook};

use crate::error::{Error, Result};
use crate::fold::FOLD_BYTES_MAX;
use crate::log::LogReader;
use crate::wire::decode_decision;
use class::Class;
use conclave_core::command::RequestAllocation;
use conclave_core::decision::{Decision, Event};
use conclave_core::units::{Offset, PoolId, RequestId, TimeMs};
use outcomes::{Outcomes, Part};
use std::collections::{BTreeMap, BTreeSet};
use window::{Quantiles, Window};

/// Decisions before the last one that are read where nobody has followed the log.
pub const LOOK_BACK: i64 = 100_000;
/// Classes that are told apart; beyond it new ones are counted in the coarser ones alone.
pub const CLASSES_MAX: usize = 4_096;
/// Requests without a lease that are followed; beyond it new ones are not.
pub const FOLLOWED_MAX: usize = 200_000;

/// What is known of waits after some decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimates {
    /// The first decision that was seen; none before it.
    from: Option<Offset>,
    covered: Option<Offset>,
    windows: BTreeMap<Class, Window>,
    followed: BTreeMap<(PoolId, RequestId), Followed>,
    /// When what was said to somebody is over, if nothing happens before.
    deadlines: BTreeSet<(TimeMs, PoolId, RequestId, Part)>,
    outcomes: BTreeMap<PoolId, Outcomes>,
}

/// A request that has not started.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Followed {
    class: Class,
    /// When it joined the queue; none while the council has put it off.
    joined: Option<(Offset, TimeMs)>,
    /// What was said then.
    said: Option<Quantiles>,
}

impl Estimates {
    /// What is known after the decision at `last`, learnt from [`LOOK_BACK`] decisions.
    ///
    /// # Errors
    /// When the log cannot be read, or is not what was written.
    pub fn of_log(log: &impl LogReader, last: Offset) -> Result<Self> {
        let mut estimates = Self::default();
        estimates.catch_up(log, last)?;
        Ok(estimates)
    }

    /// Goes on to the decision at `last`.
    ///
    /// # Errors
    /// As [`Estimates::of_log`].
    pub fn catch_up(&mut self, log: &impl LogReader, last: Offset) -> Result<()> {
        let first = Offset((last.0 + 1 - LOOK_BACK).max(0));
        let mut next = self.covered.map_or(first, |covered| Offset(covered.0 + 1));
        while next <= last {
            let records = log.decisions(next, FOLD_BYTES_MAX)?;
            let Some(end) = records.last().map(|record| record.offset) else {
                return Err(Error::corrupt(format!(
                    "the log ends before {last}: no decision {next}"
                )));
            };
            for record in records.iter().filter(|record| record.offset <= last) {
                self.see(&decode_decision(&record.body)?);
            }
            next = Offset(end.0 + 1);
        }
        Ok(())
    }

    /// Whether the decision at `last` has been seen, or there is none.
    #[must_use]
    pub fn reach(&self, last: Offset) -> bool {
        self.covered.unwrap_or(Offset(-1)) >= last
    }

    /// Whether `decision` is the next one.
    #[must_use]
    pub fn is_before(&self, decision: &Decision) -> bool {
        self.covered.unwrap_or(Offset(-1)) == decision.covered_before
    }

    /// Takes note of a decision. One that was seen is passed over; where some are missing before
    /// it, all begins anew: waits across a hole are not known.
    pub fn see(&mut self, decision: &Decision) {
        match self.covered {
            Some(covered) if decision.offset <= covered => return,
            Some(covered) if decision.covered_before != covered => *self = Self::default(),
            _ => {}
        }
        self.from.get_or_insert(decision.offset);
        self.covered = Some(decision.offset);
        self.let_pass(decision.time_ms);
        let (mut joined, now) = (vec![], (decision.offset, decision.time_ms));
        for event in &decision.events {
            match event {
                Event::RequestAdmitted(event) => self.follow(&event.pool, &event.request),
                Event::RequestQueued(event) => {
                    let id = (event.pool.clone(), event.request.clone());
                    if let Some(followed) = self.followed.get_mut(&id) {
                        followed.joined = Some(now);
                        joined.push(id);
                    }
                }
                Event::LeaseGranted(event) => self.start(&event.pool, &event.request, now),
                Event::RequestEnded(event) => self.withdraw(&event.pool, &event.request, now),
                _ => {}
            }
        }
        for id in joined {
            self.say(id, decision.time_ms);
        }
    }

    /// What was said is over by `now`: it was wrong, whenever the request starts.
    fn let_pass(&mut self, now: TimeMs) {
        while self.deadlines.first().is_some_and(|(until, ..)| *until < now) {
            let Some((_, pool, _, part)) = self.deadlines.pop_first() else { return };
            self.outcomes.entry(pool).or_default().passed(part);
        }
    }

    /// Keeps what is known at the moment at which a request joins the queue.
    fn say(&mut self, id: (PoolId, RequestId), now: TimeMs) {
        let class = self.followed.get(&id).map(|followed| followed.class.clone());
        let said = class.and_then(|class| self.quantiles(&id.0, &class));
        let Some(followed) = self.followed.get_mut(&id) else { return };
        followed.said = said;
        if let Some(said) = said {
            for part in Part::ALL {
                let (pool, request) = id.clone();
                self.deadlines.insert((said.until(part, now), pool, request, part));
            }
        }
    }

    /// Takes back what was said to a request that does not wait any more. Returns which parts of it
    /// were not over yet; those that were have been counted. None when nothing was said.
    fn settle(
        &mut self,
        pool: &PoolId,
        request: &RequestId,
        followed: &Followed,
    ) -> Option<Vec<Part>> {
        let ((_, since), said) = followed.joined.zip(followed.said)?;
        let parts = Part::ALL.into_iter().filter(|part| {
            let until = said.until(*part, since);
            self.deadlines.remove(&(until, pool.clone(), request.clone(), *part))
        });
        let in_time: Vec<Part> = parts.collect();
        if !in_time.contains(&Part::NineTenths) {
            self.outcomes.entry(pool.clone()).or_default().left();
        }
        Some(in_time)
    }

    fn follow(&mut self, pool: &PoolId, ask: &RequestAllocation) {
        if self.followed.len() < FOLLOWED_MAX {
            let class = Class::of(pool, ask);
            let followed = Followed { class, joined: None, said: None };
            self.followed.insert((pool.clone(), ask.request.clone()), followed);
        }
    }

    fn start(&mut self, pool: &PoolId, request: &RequestId, (offset, now): (Offset, TimeMs)) {
        let Some(followed) = self.followed.remove(&(pool.clone(), request.clone())) else { return };
        // Whoever starts in the decision that queued it never waited for anything.
        let Some((_, since)) = followed.joined.filter(|(at, _)| *at != offset) else { return };
        let waited_ms = now.since(since).0;
        for part in self.settle(pool, request, &followed).unwrap_or_default() {
            self.outcomes.entry(pool.clone()).or_default().in_time(part);
        }
        self.learn(&followed.class, waited_ms);
    }

    /// What was withdrawn would have waited longer. Where it had waited longer than was said, that
    /// was wrong, and how long it did is learnt; otherwise nothing is known.
    fn withdraw(&mut self, pool: &PoolId, request: &RequestId, (_, now): (Offset, TimeMs)) {
        let Some(followed) = self.followed.remove(&(pool.clone(), request.clone())) else { return };
        let in_time = self.settle(pool, request, &followed);
        let (Some(in_time), Some((_, since))) = (in_time, followed.joined) else { return };
        if in_time.contains(&Part::NineTenths) {
            self.outcomes.entry(pool.clone()).or_default().withdrawn();
        } else {
            self.learn(&followed.class, now.since(since).0);
        }
    }

    fn learn(&mut self, class: &Class, waited_ms: i64) {
        for class in class.and_coarser() {
            if self.windows.len() < CLASSES_MAX || self.windows.contains_key(&class) {
                self.windows.entry(class).or_default().add(waited_ms);
            }
        }
    }

    /// Of the finest class that has enough waits, corrected by what came of estimates before.
    fn quantiles(&self, pool: &PoolId, class: &Class) -> Option<Quantiles> {
        let found = class.and_coarser().find_map(|class| {
            let level = class.level();
            self.windows.get(&class)?.quantiles(level)
        })?;
        Some(self.outcomes.get(pool).map_or(found, |outcomes| outcomes.corrected(found)))
    }

    /// What a request would be told that joined the queue of `pool` now.
    #[must_use]
    pub fn outlook(&self, pool: &PoolId, ask: &RequestAllocation) -> Outlook {
        let class = Class::of(pool, ask);
        let known = self.windows.get(&class.of_pool()).map_or(0, Window::len);
        self.told(pool, self.quantiles(pool, &class), known, None)
    }

    /// What a request that waits was told when it joined the queue; none when nobody saw it join:
    /// it was preempted, or that is too long ago.
    #[must_use]
    pub fn outlook_of(&self, pool: &PoolId, request: &RequestId) -> Option<Outlook> {
        let followed = self.followed.get(&(pool.clone(), request.clone()))?;
        let known = self.windows.get(&followed.class.of_pool()).map_or(0, Window::len);
        Some(self.told(pool, followed.said, known, Some(followed.joined?)))
    }

    /// What a request that waits was told; none when it was told nothing.
    #[must_use]
    pub fn said_to(&self, pool: &PoolId, request: &RequestId) -> Option<Estimate> {
        let followed = self.followed.get(&(pool.clone(), request.clone()))?;
        followed.said.map(|said| Estimate::of(&said))
    }

    /// How often the estimates of a pool were right.
    #[must_use]
    pub fn held(&self, pool: &PoolId) -> Held {
        let of_none = Held { learnt_from: self.from.unwrap_or_default().0, ..Held::default() };
        self.outcomes.get(pool).map_or(of_none, |outcomes| outcomes.held(of_none.learnt_from))
    }

    fn told(
        &self,
        pool: &PoolId,
        said: Option<Quantiles>,
        known: usize,
        joined: Option<(Offset, TimeMs)>,
    ) -> Outlook {
        Outlook::of(said, known, joined, self.held(pool))
    }
}
