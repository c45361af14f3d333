//! How full each node was, as means over spans of time that are as long as they have to be.

use super::data::{Heat, Names};
use conclave_core::placement::Node;
use conclave_core::state::{Pool, State};
use conclave_core::units::{NodeId, PoolId, TimeMs};
use std::collections::BTreeMap;

/// Spans of time; when there would be more, each is made twice as long.
const BUCKETS_MAX: usize = 400;
/// The shortest span.
const BUCKET_MS_MIN: i64 = 1;
const PERMILLE: i128 = 1_000;

/// One node, with what it has and holds now and the sums over time.
#[derive(Debug)]
struct Row {
    pool: PoolId,
    node: NodeId,
    has: String,
    now: Now,
    /// Per span: thousandths times milliseconds, milliseconds there, milliseconds draining.
    sums: Vec<[i64; 3]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Now {
    share_permille: i64,
    is_there: bool,
    is_draining: bool,
}

/// The nodes of the pools that are shown.
#[derive(Debug)]
pub(super) struct HeatMap {
    rows: Vec<Row>,
    places: BTreeMap<PoolId, BTreeMap<NodeId, usize>>,
    from: TimeMs,
    now: TimeMs,
    bucket_ms: i64,
    nodes_max: usize,
    left_out: i64,
}

impl HeatMap {
    pub(super) fn new(from: TimeMs, nodes_max: usize) -> Self {
        let (rows, places) = (vec![], BTreeMap::new());
        let bucket_ms = BUCKET_MS_MIN;
        Self { rows, places, from, now: from, bucket_ms, nodes_max, left_out: 0 }
    }

    /// The place of a node among those shown.
    pub(super) fn place(&self, pool: &PoolId, node: &NodeId) -> Option<usize> {
        self.places.get(pool)?.get(node).copied()
    }

    /// What was so far lasted until `now`.
    pub(super) fn pass(&mut self, now: TimeMs) {
        if now <= self.now {
            return;
        }
        let end = now.0 - self.from.0;
        while end > self.bucket_ms * i64::try_from(BUCKETS_MAX).expect("it is small") {
            self.bucket_ms *= 2;
            self.rows.iter_mut().for_each(|row| halve(&mut row.sums));
        }
        let (from, bucket_ms) = (self.now.0 - self.from.0, self.bucket_ms);
        for row in self.rows.iter_mut().filter(|row| row.now.is_there) {
            add(row, from, end, bucket_ms);
        }
        self.now = now;
    }

    /// Takes over what the nodes of a pool hold from now on.
    pub(super) fn take_over(&mut self, state: &State, pool_id: &PoolId) {
        let Some(pool) = state.pools.get(pool_id) else { return };
        let (places, mut seen) = (self.places.entry(pool_id.clone()).or_default(), 0);
        for node in pool.fleet.nodes() {
            seen += 1;
            let place = match places.get(node.id()) {
                Some(place) => *place,
                None if self.rows.len() >= self.nodes_max => continue,
                None => {
                    let (pool, node) = (pool_id.clone(), node.id().clone());
                    places.insert(node.clone(), self.rows.len());
                    let (has, now) = (String::new(), Now::default());
                    self.rows.push(Row { pool, node, has, now, sums: vec![] });
                    self.rows.len() - 1
                }
            };
            let row = &mut self.rows[place];
            if !row.now.is_there {
                row.has = has(pool, node);
            }
            let is_draining = !node.accepts_work();
            row.now = Now { share_permille: share(node), is_there: true, is_draining };
        }
        if seen < places.len() {
            for (node, place) in places.iter() {
                self.rows[*place].now.is_there &= pool.fleet.index_of(node).is_some();
            }
        }
        self.left_out = self.left_out.max(seen as i64 - places.len() as i64);
    }

    /// The map, and how many nodes are left out of it.
    pub(super) fn into_heat(self, names: &mut Names, began_at: TimeMs) -> (Heat, i64) {
        let span = (self.now.0 - self.from.0).max(1);
        let buckets = (span + self.bucket_ms - 1) / self.bucket_ms;
        let (from_ms, bucket_ms) = (self.from.0.saturating_sub(began_at.0), self.bucket_ms);
        let mut heat = Heat { from_ms, bucket_ms, buckets, ..Heat::default() };
        for row in &self.rows {
            heat.node.push(names.place(&row.node.0));
            heat.pool.push(names.place(&row.pool.0));
            heat.has.push(names.place(&row.has));
            let count = usize::try_from(buckets).expect("at most BUCKETS_MAX");
            let sums = || row.sums.iter().copied().chain(std::iter::repeat([0; 3])).take(count);
            heat.share_permille.push(sums().map(mean).collect());
            heat.draining.push(runs(sums().map(|[_, _, draining]| draining > 0)));
        }
        (heat, self.left_out)
    }
}

/// Makes each span twice as long.
fn halve(sums: &mut Vec<[i64; 3]>) {
    let pairs = sums.chunks(2).map(|pair| match pair {
        [one, other] => std::array::from_fn(|part| one[part] + other[part]),
        [one] => *one,
        _ => unreachable!("chunks of two"),
    });
    *sums = pairs.collect();
}

/// Adds what `row` is now to the spans between `from` and `end`.
fn add(row: &mut Row, from: i64, end: i64, bucket_ms: i64) {
    let mut at = from;
    while at < end {
        let bucket = at / bucket_ms;
        let until = end.min((bucket + 1) * bucket_ms);
        let bucket = usize::try_from(bucket).expect("time does not go back");
        if row.sums.len() <= bucket {
            row.sums.resize(bucket + 1, [0; 3]);
        }
        let (span, sums) = (until - at, &mut row.sums[bucket]);
        sums[0] += row.now.share_permille * span;
        sums[1] += span;
        sums[2] += if row.now.is_draining { span } else { 0 };
        at = until;
    }
}

fn mean([share, there, _]: [i64; 3]) -> i16 {
    if there == 0 { -1 } else { i16::try_from(share / there).expect("at most 1000") }
}

/// The runs of `true`, each as its first and last place.
fn runs(marks: impl Iterator<Item = bool>) -> Vec<[u32; 2]> {
    let mut runs: Vec<[u32; 2]> = vec![];
    for (mark, place) in marks.zip(0..) {
        match runs.last_mut() {
            _ if !mark => {}
            Some([_, last]) if *last + 1 == place => *last = place,
            _ => runs.push([place, place]),
        }
    }
    runs
}

/// Allocated GPUs of a node in thousandths of what it has; of one without GPUs, its CPU.
fn share(node: &Node) -> i64 {
    let (used, total) = match node.gpu_milli_total() {
        0 => (node.class().cpu_milli.0 - node.cpu_left().0, node.class().cpu_milli.0),
        total => (node.gpu_milli_used(), total),
    };
    if total == 0 {
        return 0;
    }
    let share = i128::from(used) * PERMILLE / i128::from(total);
    i64::try_from(share).expect("a part of the whole")
}

/// What a node has, in words.
fn has(pool: &Pool, node: &Node) -> String {
    let cpu = node.class().cpu_milli.0 / 1_000;
    match node.class().gpu_count {
        0 => format!("no GPU, {cpu} CPU"),
        gpus => format!("{gpus} × {}, {cpu} CPU", pool.fleet.model_of(node).0),
    }
}
