//! The lives of requests while they are followed, and the columns that they become.

use super::data::{Kind, Requests, Segments, UNTIL_OPEN};
use conclave_core::decision::Decision;
use conclave_core::state::State;
use conclave_core::units::{GpuMilli, Offset, PoolId, RequestId, TimeMs};
use std::collections::{BTreeMap, BTreeSet};

/// Segments of one request; beyond it a new reason to wait only prolongs the one before.
const SEGMENTS_MAX: usize = 200;

/// When, and by which decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) time_ms: TimeMs,
    pub(super) offset: Offset,
}

impl Moment {
    pub(super) fn of(decision: &Decision) -> Self {
        Self { time_ms: decision.time_ms, offset: decision.offset }
    }

    pub(super) fn at(state: &State) -> Self {
        Self { time_ms: state.time_ms, offset: state.covered }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) kind: Kind,
    pub(super) from: Moment,
    /// None while it lasts.
    pub(super) until_ms: Option<TimeMs>,
    pub(super) note: u32,
}

/// One request. Texts are places in the names.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) name: u32,
    pub(super) pool: u32,
    pub(super) tenant: u32,
    pub(super) user: u32,
    pub(super) shape: u32,
    pub(super) gpu_milli: GpuMilli,
    pub(super) priority: i64,
    pub(super) received: Moment,
    pub(super) segments: Vec<Segment>,
    pub(super) nodes: BTreeSet<u32>,
    pub(super) is_over: bool,
}

impl Life {
    /// Ends what lasts, if anything does.
    pub(super) fn close(&mut self, now: Moment) {
        let Some(last) = self.segments.iter_mut().rfind(|one| one.until_ms.is_none()) else {
            return;
        };
        last.until_ms = Some(now.time_ms);
    }

    /// Begins a span; what lasted before ends.
    pub(super) fn open(&mut self, kind: Kind, from: Moment, note: u32) {
        self.close(from);
        self.segments.push(Segment { kind, from, until_ms: None, note });
    }

    /// A moment.
    pub(super) fn mark(&mut self, kind: Kind, at: Moment, note: u32) {
        let until_ms = Some(at.time_ms);
        self.segments.push(Segment { kind, from: at, until_ms, note });
    }

    /// Ends the life.
    pub(super) fn end(&mut self, kind: Kind, at: Moment, note: u32) {
        self.close(at);
        self.mark(kind, at, note);
        self.is_over = true;
    }

    /// What lasts now.
    pub(super) fn lasting(&self) -> Option<Kind> {
        let last = self.segments.iter().rfind(|segment| segment.until_ms.is_none());
        last.map(|segment| segment.kind)
    }

    /// Whether another reason to wait is only the prolonging of the one before.
    pub(super) fn is_full(&self) -> bool {
        self.segments.len() >= SEGMENTS_MAX && self.lasting().is_some()
    }
}

/// All lives, and which of them live.
#[derive(Debug)]
pub(super) struct Lives {
    all: Vec<Life>,
    live: BTreeMap<PoolId, BTreeMap<RequestId, usize>>,
    lives_max: usize,
    left_out: i64,
}

impl Lives {
    pub(super) fn new(lives_max: usize) -> Self {
        Self { all: vec![], live: BTreeMap::new(), lives_max, left_out: 0 }
    }

    /// The life that bears this name now.
    pub(super) fn live(&mut self, pool: &PoolId, request: &RequestId) -> Option<&mut Life> {
        let place = *self.live.get(pool)?.get(request)?;
        Some(&mut self.all[place])
    }

    pub(super) fn last(&mut self) -> Option<&mut Life> {
        self.all.last_mut()
    }

    pub(super) fn begin(&mut self, pool: &PoolId, request: &RequestId, life: Life) {
        if self.all.len() >= self.lives_max.saturating_mul(2).max(1) {
            self.leave_out_oldest();
        }
        if !life.is_over {
            let live = self.live.entry(pool.clone()).or_default();
            live.insert(request.clone(), self.all.len());
        }
        self.all.push(life);
    }

    /// The name is free again.
    pub(super) fn forget_name(&mut self, pool: &PoolId, request: &RequestId) {
        if let Some(live) = self.live.get_mut(pool) {
            live.remove(request);
        }
    }

    /// Leaves out whoever ended, first come first gone, until `lives_max` are left; then whoever
    /// came first.
    fn leave_out_oldest(&mut self) {
        let mut excess = self.all.len().saturating_sub(self.lives_max);
        self.left_out += i64::try_from(excess).expect("lives are counted in memory");
        let is_over = self.all.iter().filter(|life| life.is_over).count();
        let mut excess_living = excess.saturating_sub(is_over);
        excess -= excess_living;
        let mut places = Vec::with_capacity(self.all.len());
        let mut kept = 0;
        self.all.retain(|life| {
            let budget = if life.is_over { &mut excess } else { &mut excess_living };
            let stays = *budget == 0;
            *budget = budget.saturating_sub(1);
            places.push(stays.then_some(kept));
            kept += usize::from(stays);
            stays
        });
        for live in self.live.values_mut() {
            live.retain(|_, place| match places[*place] {
                Some(moved) => {
                    *place = moved;
                    true
                }
                None => false,
            });
        }
    }

    /// The columns, and how many lives are left out of them.
    pub(super) fn into_columns(mut self, began_at: TimeMs) -> (Requests, Segments, i64) {
        self.leave_out_oldest();
        let (mut requests, mut segments) = (Requests::default(), Segments::default());
        self.all.sort_by_key(|life| life.received.offset);
        for life in &self.all {
            add(life, began_at, &mut requests, &mut segments);
        }
        (requests, segments, self.left_out)
    }
}

fn add(life: &Life, began_at: TimeMs, requests: &mut Requests, segments: &mut Segments) {
    let since = |time: TimeMs| time.0.saturating_sub(began_at.0);
    requests.name.push(life.name);
    requests.pool.push(life.pool);
    requests.tenant.push(life.tenant);
    requests.user.push(life.user);
    requests.shape.push(life.shape);
    requests.gpu_milli.push(life.gpu_milli.0);
    requests.priority.push(life.priority);
    requests.received_ms.push(since(life.received.time_ms));
    requests.received_at.push(life.received.offset.0);
    let first = u32::try_from(segments.kind.len()).expect("memory ends before 2^32 segments do");
    requests.first_segment.push(first);
    requests.nodes.push(life.nodes.iter().copied().collect());
    for segment in &life.segments {
        segments.kind.push(segment.kind.number());
        segments.from_ms.push(since(segment.from.time_ms));
        segments.until_ms.push(segment.until_ms.map_or(UNTIL_OPEN, since));
        segments.offset.push(segment.from.offset.0);
        segments.note.push(segment.note);
    }
}
