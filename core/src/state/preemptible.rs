//! The leases of a pool that may be preempted and have no notice yet, node by node, and for the
//! shapes that were looked for lately how much room their nodes would have without them: so that
//! whoever looks for leases to end does not go through all of them.
//!
//! It follows from the requests and the fleet and is no part of a pool's value; it is there once
//! somebody looked.

use super::request::Request;
use super::requests::Requests;
use crate::placement::{Fleet, GpuSet, Moment, Need, Node, Shape};
use crate::units::{GpuMilli, RequestId, TenantId};

/// Shapes whose rooms are kept; beyond it the one not looked for longest is dropped. Each costs
/// eight bytes per node.
const ROWS_MAX: usize = 64;

/// Leases that may end for others; not made yet when none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preemptible(Option<Made>);

#[derive(Clone, Debug, Default)]
struct Made {
    /// By the place of the node in the fleet's order.
    by_node: Vec<Vec<Seat>>,
    /// The one looked for last comes last.
    rows: Vec<Row>,
}

/// A replica of such a lease.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seat {
    pub(crate) priority: i64,
    need: Need,
    gpus: GpuSet,
    pub(crate) tenant: TenantId,
    pub(crate) request: RequestId,
    /// What the whole lease holds.
    pub(crate) held: GpuMilli,
}

/// The room for replicas of a shape, node by node.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    shape: Shape,
    /// Leases of a lower priority than this go.
    below: i64,
    seen: Moment,
    rooms: Vec<Rooms>,
    /// Replicas that fit now.
    pub(crate) fit: i64,
    /// Those that would fit besides if all went who may; when some got notice meanwhile, fewer.
    pub(crate) gain_max: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rooms {
    fit: i32,
    gain: i32,
}

impl Preemptible {
    /// Goes through all requests, unless that was done before.
    pub(crate) fn make(&mut self, fleet: &Fleet, requests: &Requests) {
        if self.0.is_none() {
            self.0 = Some(Made { by_node: by_node(fleet, requests), rows: vec![] });
        }
    }

    /// The room for `shape` now and without leases of a priority below `below`.
    ///
    /// # Panics
    /// When it was not made.
    pub(crate) fn look(&mut self, fleet: &Fleet, shape: &Shape, below: i64) -> &Row {
        let Made { by_node, rows } = self.0.as_mut().expect("it is made before anybody looks");
        by_node.resize(fleet.nodes().len(), vec![]);
        let found = rows.iter().position(|row| row.below == below && row.shape == *shape);
        let mut row = match found {
            Some(at) => rows.remove(at),
            None => Row::new(shape.clone(), below),
        };
        row.refresh(fleet, by_node);
        if rows.len() == ROWS_MAX {
            rows.remove(0);
        }
        rows.push(row);
        rows.last().expect("it was just pushed")
    }

    /// The replicas of such leases on a node.
    pub(crate) fn on(&self, node: usize) -> &[Seat] {
        self.0.as_ref().and_then(|made| made.by_node.get(node)).map_or(&[], Vec::as_slice)
    }

    /// A lease is granted, or holds less from now on.
    pub(crate) fn note(&mut self, fleet: &Fleet, request: &Request) {
        let Some(made) = &mut self.0 else { return };
        for (node, seat) in seats(fleet, request) {
            if made.by_node.len() <= node {
                made.by_node.resize(node + 1, vec![]);
            }
            made.by_node[node].push(seat);
        }
    }

    /// What a lease holds is about to change, or it ends, now or at a notice.
    pub(crate) fn forget(&mut self, fleet: &Fleet, request: &Request) {
        let Some(made) = &mut self.0 else { return };
        for (node, _) in seats(fleet, request) {
            made.by_node[node].retain(|seat| seat.request != request.ask.request);
        }
    }

    /// Nodes moved up in the fleet's order.
    pub(crate) fn node_left(&mut self) {
        self.0 = None;
    }

    /// Whether it is what follows from `requests`, if it was made.
    pub(crate) fn is_of(&self, fleet: &Fleet, requests: &Requests) -> bool {
        let Some(made) = &self.0 else { return true };
        let sorted = |by_node: &[Vec<Seat>]| {
            let mut by_node = by_node.to_vec();
            by_node.resize(fleet.nodes().len(), vec![]);
            by_node.iter_mut().for_each(|seats| seats.sort_unstable());
            by_node
        };
        sorted(&made.by_node) == sorted(&by_node(fleet, requests))
    }
}

impl Row {
    fn new(shape: Shape, below: i64) -> Self {
        let (seen, rooms) = (Moment::default(), vec![]);
        Self { shape, below, seen, rooms, fit: 0, gain_max: 0 }
    }

    /// The nodes that would have more room, in the fleet's order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = usize> {
        (0..).zip(&self.rooms).filter(|(_, rooms)| rooms.gain > 0).map(|(node, _)| node)
    }

    /// Looks again at nodes that changed. What gets notice changes no node: then it is too much
    /// that is said to be gained there, until the lease ends.
    fn refresh(&mut self, fleet: &Fleet, by_node: &[Vec<Seat>]) {
        let changed = (!self.rooms.is_empty()).then(|| fleet.changed_since(self.seen)).flatten();
        match changed {
            Some(nodes) => nodes.for_each(|node| self.look_at(fleet, node, by_node)),
            None => {
                (self.rooms, self.fit, self.gain_max) = (vec![], 0, 0);
                (0..fleet.nodes().len()).for_each(|node| self.look_at(fleet, node, by_node));
            }
        }
        self.seen = fleet.moment();
    }

    fn look_at(&mut self, fleet: &Fleet, node: usize, by_node: &[Vec<Seat>]) {
        if self.rooms.len() <= node {
            self.rooms.resize(node + 1, Rooms::default());
        }
        let now = self.rooms_on(fleet, node, &by_node[node]);
        let before = std::mem::replace(&mut self.rooms[node], now);
        self.fit += i64::from(now.fit) - i64::from(before.fit);
        self.gain_max += i64::from(now.gain) - i64::from(before.gain);
    }

    fn rooms_on(&self, fleet: &Fleet, node: usize, seats: &[Seat]) -> Rooms {
        let at = fleet.node(node);
        if !at.accepts_work() || !self.shape.accepts(fleet.model_of(at)) {
            return Rooms::default();
        }
        // More than any gang has replicas is all the same.
        let room =
            |node: &Node| i32::try_from(node.replicas_that_fit(&self.shape)).unwrap_or(i32::MAX);
        let (fit, mut without) = (room(at), None);
        for seat in seats.iter().filter(|seat| seat.priority < self.below) {
            without.get_or_insert_with(|| at.clone()).give_back(&seat.need, seat.gpus);
        }
        Rooms { fit, gain: without.map_or(0, |without| room(&without) - fit) }
    }
}

/// Two pools are equal when their requests are.
impl PartialEq for Preemptible {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Preemptible {}

/// Where the replicas of a request sit whose lease may end for another.
fn seats<'r>(
    fleet: &'r Fleet,
    request: &'r Request,
) -> impl Iterator<Item = (usize, Seat)> + use<'r> {
    let ask = &request.ask;
    let lease = request.lease().filter(|lease| ask.preemptible && lease.notice.is_none());
    let replicas = lease.map_or([].as_slice(), |lease| &lease.replicas);
    let held = request.held_gpu_milli();
    replicas.iter().map(move |at| {
        let node = fleet.index_of(&at.node).expect("a lease sits on a known node");
        let (need, gpus) = (Need::of(ask), GpuSet::of(&at.gpus));
        let (tenant, request) = (ask.tenant.clone(), ask.request.clone());
        (node, Seat { priority: ask.priority, need, gpus, tenant, request, held })
    })
}

fn by_node(fleet: &Fleet, requests: &Requests) -> Vec<Vec<Seat>> {
    let mut by_node = vec![vec![]; fleet.nodes().len()];
    for (node, seat) in requests.values().flat_map(|request| seats(fleet, request)) {
        by_node[node].push(seat);
    }
    by_node
}
