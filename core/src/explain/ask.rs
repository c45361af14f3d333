//! What the sender of a request could change: one field of it at a time.

use super::change::{By, Change, Field, Value};
use super::ground::{Answer, Ground};
use super::search::highest;
use crate::command::{CouncilMode, RequestAllocation, Topology};
use crate::limits::{GPU_MODELS_MAX, PRIORITY_MAX};
use crate::state::Pool;
use crate::units::{CpuMilli, DurationMs, GpuMilli, GpuModel, MemoryMib, TimeMs};
use std::collections::BTreeSet;

/// A number of a request that less of is easier, and how low it may go.
pub(crate) struct Lower {
    pub(crate) field: Field,
    pub(crate) low: i64,
    pub(crate) get: fn(&RequestAllocation) -> i64,
    pub(crate) set: fn(&mut RequestAllocation, i64),
}

pub(crate) const LOWER: [Lower; 6] = [
    Lower {
        field: Field::Replicas,
        low: 1,
        get: |ask| ask.replicas,
        set: |ask, to| ask.replicas = to,
    },
    Lower {
        field: Field::GpuCount,
        low: 1,
        get: |ask| ask.gpu_count,
        set: |ask, to| ask.gpu_count = to,
    },
    Lower {
        field: Field::GpuMilli,
        low: 1,
        // Only one GPU can be taken in part.
        get: |ask| if ask.gpu_count == 1 { ask.gpu_milli.0 } else { 0 },
        set: |ask, to| ask.gpu_milli = GpuMilli(to),
    },
    Lower {
        field: Field::CpuMilli,
        low: 0,
        get: |ask| ask.cpu_milli.0,
        set: |ask, to| ask.cpu_milli = CpuMilli(to),
    },
    Lower {
        field: Field::MemoryMib,
        low: 0,
        get: |ask| ask.memory_mib.0,
        set: |ask, to| ask.memory_mib = MemoryMib(to),
    },
    Lower {
        field: Field::ExpectedDurationMs,
        low: 1,
        get: |ask| ask.expected_duration_ms.0,
        set: |ask, to| ask.expected_duration_ms = DurationMs(to),
    },
];

/// The nearest value of each field that helps: with `is_let_in`, to be let in; otherwise to start.
pub(super) fn changes(
    ground: &mut Ground,
    ask: &RequestAllocation,
    is_let_in: bool,
) -> Vec<Change> {
    let is_enough = move |answer: Answer| {
        if is_let_in { answer.is_let_in() } else { answer == Answer::Starts }
    };
    let mut search = Search { ground, ask, is_enough };
    let mut changes: Vec<Change> = LOWER.iter().filter_map(|lower| search.lower(lower)).collect();
    changes.extend(search.priority());
    changes.extend(search.preemptible());
    changes.extend(search.models());
    changes.extend(search.topology());
    changes.extend(search.cap());
    changes
}

/// Whether a later deadline lets it in.
pub(super) fn later_deadline(
    ground: &mut Ground,
    ask: &RequestAllocation,
    to: TimeMs,
) -> Option<Change> {
    let from = Value::Number(ask.deadline_ms?.0);
    let changed = RequestAllocation { deadline_ms: Some(to), ..ask.clone() };
    let mut search = Search { ground, ask, is_enough: Answer::is_let_in };
    search.change(Field::DeadlineMs, from, Value::Number(to.0), &changed)
}

struct Search<'a, F> {
    ground: &'a mut Ground,
    ask: &'a RequestAllocation,
    is_enough: F,
}

impl<F: Fn(Answer) -> bool> Search<'_, F> {
    fn helps(&mut self, changed: &RequestAllocation) -> bool {
        let answer = self.ground.answer(changed);
        (self.is_enough)(answer)
    }

    fn change(
        &mut self,
        field: Field,
        from: Value,
        to: Value,
        changed: &RequestAllocation,
    ) -> Option<Change> {
        if !self.helps(changed) {
            return None;
        }
        let granted = self.ground.grant(changed);
        Some(Change { by: By::Sender, field, from, to, granted })
    }

    fn lower(&mut self, lower: &Lower) -> Option<Change> {
        let Lower { field, low, get, set } = lower;
        let from = get(self.ask);
        let mut changed = self.ask.clone();
        let to = highest(*low, from - 1, &mut |to| {
            set(&mut changed, to);
            self.helps(&changed)
        })?;
        set(&mut changed, to);
        self.change(*field, Value::Number(from), Value::Number(to), &changed)
    }

    fn priority(&mut self) -> Option<Change> {
        if self.ground.pool().policy.council != CouncilMode::Enforce {
            return None;
        }
        let from = self.ask.priority;
        (from + 1..=PRIORITY_MAX).find_map(|to| {
            let changed = RequestAllocation { priority: to, ..self.ask.clone() };
            self.change(Field::Priority, Value::Number(from), Value::Number(to), &changed)
        })
    }

    fn preemptible(&mut self) -> Option<Change> {
        let pool = self.ground.pool();
        let borrows = pool.preemption.rules.is_some()
            && pool.tenants[&self.ask.tenant].quota.borrow_gpu_milli > GpuMilli(0);
        let counts = pool.policy.council == CouncilMode::Enforce || borrows;
        if self.ask.preemptible || !counts {
            return None;
        }
        let changed = RequestAllocation { preemptible: true, ..self.ask.clone() };
        self.change(Field::Preemptible, Value::Flag(false), Value::Flag(true), &changed)
    }

    /// The cap with which it can pay for its cheapest model.
    fn cap(&mut self) -> Option<Change> {
        let cap = self.ask.budget_cap_micro_usd?;
        let (pool, now) = (self.ground.pool(), self.ground.now());
        if pool.affordable(self.ask, now).is_some() {
            return None;
        }
        let to = pool.least_cost(self.ask, now);
        let changed = RequestAllocation { budget_cap_micro_usd: Some(to), ..self.ask.clone() };
        let (from, to) = (Value::Number(cap.0), Value::Number(to.0));
        self.change(Field::BudgetCapMicroUsd, from, to, &changed)
    }

    /// One model more, or one model less, or any: the first that helps.
    fn models(&mut self) -> Option<Change> {
        if self.ask.gpu_count == 0 {
            return None;
        }
        let wishes = model_wishes(&self.ask.gpu_models, &models_of(self.ground.pool()));
        wishes.into_iter().find_map(|gpu_models| {
            let from = Value::Models(self.ask.gpu_models.clone());
            let to = Value::Models(gpu_models.clone());
            let changed = RequestAllocation { gpu_models, ..self.ask.clone() };
            self.change(Field::GpuModels, from, to, &changed)
        })
    }

    /// Nodes of one group instead of one node, or no wish: the first that helps. Where one node
    /// would do, no wish does too, so that one is never tried instead.
    fn topology(&mut self) -> Option<Change> {
        let from = self.ask.topology;
        let wishes: &[Topology] = match from {
            Topology::None => &[],
            Topology::SameNode => &[Topology::SameGroup, Topology::None],
            Topology::SameGroup => &[Topology::None],
        };
        wishes.iter().find_map(|to| {
            let changed = RequestAllocation { topology: *to, ..self.ask.clone() };
            self.change(Field::Topology, word(from), word(*to), &changed)
        })
    }
}

/// A wish as it is written in a command.
fn word(topology: Topology) -> Value {
    let word = match topology {
        Topology::None => "none",
        Topology::SameNode => "same_node",
        Topology::SameGroup => "same_group",
    };
    Value::Word(word.to_owned())
}

/// The models of the nodes that accept work, by name.
fn models_of(pool: &Pool) -> BTreeSet<GpuModel> {
    let nodes = pool.fleet.nodes().iter().filter(|node| node.accepts_work());
    let models: BTreeSet<&GpuModel> = nodes.map(|node| pool.fleet.model_of(node)).collect();
    models.into_iter().filter(|model| !model.0.is_empty()).cloned().collect()
}

/// Other wishes than `own`, the nearest first. Fewer models can help somebody who is kept back by a
/// protected request that wants only one of them.
fn model_wishes(own: &[GpuModel], models: &BTreeSet<GpuModel>) -> Vec<Vec<GpuModel>> {
    let mut wishes = Vec::new();
    let less_one = (0..own.len()).filter(|_| own.len() > 1).map(|at| {
        let others = own.iter().enumerate().filter(|(other, _)| *other != at);
        others.map(|(_, model)| model.clone()).collect()
    });
    if own.is_empty() {
        wishes.extend(models.iter().map(|model| vec![model.clone()]));
        return wishes;
    }
    let news = models.iter().filter(|model| own.len() < GPU_MODELS_MAX && !own.contains(model));
    wishes.extend(news.map(|model| own.iter().chain([model]).cloned().collect()));
    wishes.extend(less_one);
    wishes.push(vec![]);
    wishes
}
