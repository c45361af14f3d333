//! A timeline as it is stored and sent: columns, and one table of names.

use conclave_core::blocker::Blocker;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// `until_ms` of a span that lasts.
pub const UNTIL_OPEN: i64 = -1;

/// What happened to the requests of a log between two decisions. All times are milliseconds since
/// `began_at_ms`; whatever is called a name is a place in `names`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// The log's identity; empty before it is opened.
    pub log_id: String,
    /// The partition that is shown; not written of partition 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub partition: i64,
    /// Log time of its first decision: since 1970, or since the start of an imported trace.
    pub began_at_ms: i64,
    /// First decision shown.
    pub from: i64,
    /// Last decision shown; -1 when there is none.
    pub until: i64,
    /// The log's next decision when this was made.
    pub log_next: i64,
    /// Time before the first decision shown: where the page begins.
    pub from_ms: i64,
    /// Time of the last decision shown.
    pub until_ms: i64,
    /// The pools there are, those not shown included.
    pub pools: Vec<String>,
    /// The only pool shown; none when all are.
    pub pool: Option<String>,
    /// The only tenant whose requests are shown; none when all are.
    pub viewer: Option<String>,
    /// What `kind` of a segment counts in.
    pub kinds: Vec<String>,
    /// Every text once.
    pub names: Vec<String>,
    /// One row for each request.
    pub requests: Requests,
    /// What happened to them, in the order of requests, then of time.
    pub segments: Segments,
    /// How full each node was.
    pub heat: Heat,
    /// Requests that ended before others, and are left out.
    pub requests_left_out: i64,
    /// Nodes that are left out.
    pub nodes_left_out: i64,
    /// From this decision on, reasons to wait were not looked up after every decision.
    pub sampled_from: Option<i64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Requests, by when they were asked for; each column has one entry per request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Requests {
    /// Its name.
    pub name: Vec<u32>,
    /// The name of its pool.
    pub pool: Vec<u32>,
    /// The name of its tenant.
    pub tenant: Vec<u32>,
    /// The name of its user; empty when it was refused.
    pub user: Vec<u32>,
    /// What it wants, in words; empty when it was refused.
    pub shape: Vec<u32>,
    /// GPUs of the whole gang.
    pub gpu_milli: Vec<i64>,
    /// 1 (least) to 10; 0 when it was refused.
    pub priority: Vec<i64>,
    /// When it was asked for.
    pub received_ms: Vec<i64>,
    /// By which command.
    pub received_at: Vec<i64>,
    /// Its first segment; the next one's first ends it.
    pub first_segment: Vec<u32>,
    /// The nodes that it ran on, as places in `heat.node`.
    pub nodes: Vec<Vec<u32>>,
}

/// Spans and moments in the lives of requests; each column has one entry per segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Segments {
    /// A place in `kinds`.
    pub kind: Vec<u8>,
    /// When it began.
    pub from_ms: Vec<i64>,
    /// When it ended: the same for moments, -1 while it lasts.
    pub until_ms: Vec<i64>,
    /// The decision that it began with.
    pub offset: Vec<i64>,
    /// The name of a sentence about it, as things stood when it began; often empty.
    pub note: Vec<u32>,
}

/// How full each node was, as means over equal spans of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Heat {
    /// When the first span begins.
    pub from_ms: i64,
    /// How long each span is.
    pub bucket_ms: i64,
    /// How many there are.
    pub buckets: i64,
    /// The names of the nodes, pool by pool in the order in which they came.
    pub node: Vec<u32>,
    /// The name of each node's pool.
    pub pool: Vec<u32>,
    /// The name of what each node has.
    pub has: Vec<u32>,
    /// Per node and span: allocated GPUs (CPU, of a node without GPUs) in thousandths of what it
    /// has; -1 where it was not there.
    pub share_permille: Vec<Vec<i16>>,
    /// Per node: the spans in which it drained, each as its first and its last.
    pub draining: Vec<Vec<[u32; 2]>>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal;)*) => {
        /// What a segment says of a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $kind),* }

        /// The names of all kinds; a kind is its place here.
        pub const KINDS: &[&str] = &[$($name),*];
    };
}

kinds! {
    /// Before the first decision shown: what it did then is not read.
    Earlier = "earlier";
    /// Put off by the council.
    Deferred = "deferred";
    /// Its next vote is taken when the next round opens.
    VoteDue = "vote_due";
    /// Waits: the queue is worked off over several decisions.
    CarriedOver = "carried_over";
    /// Waits: its tenant's limit or budget, or its own cap.
    Limit = "limit";
    /// Waits: what is free is promised to others.
    Held = "held";
    /// Waits: nobody may overtake somebody who came before.
    Behind = "behind";
    /// Waits: the nodes could not hold it even if they were empty.
    TooSmall = "too_small";
    /// Waits: the nodes have no room now.
    NoRoom = "no_room";
    /// Has its GPUs.
    Running = "running";
    /// A moment: the council voted for it.
    Approved = "approved";
    /// A moment: the council voted to look again later.
    PutOff = "put_off";
    /// A moment: the council voted against it.
    VotedDown = "voted_down";
    /// A moment: its lease was renewed.
    Renewed = "renewed";
    /// A moment: it gave back a part.
    Shrunk = "shrunk";
    /// Its end: it gave its GPUs back.
    Released = "released";
    /// Its end: nobody renewed its lease.
    Expired = "expired";
    /// Its end: an operator ended it.
    Revoked = "revoked";
    /// Its end: withdrawn.
    Cancelled = "cancelled";
    /// Its end: it was not worth starting any more.
    DeadlinePassed = "deadline_passed";
    /// Its end: a later vote said no.
    Denied = "denied";
    /// Its end: refused when it was asked for.
    Refused = "refused";
    /// Waits: no single node or topology group has the room that the pool has.
    Topology = "topology";
}

impl Kind {
    /// As `kind` of a segment.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What a blocker is shown as.
    pub(super) fn of(blocker: &Blocker) -> Self {
        match blocker {
            Blocker::Deferred { .. } => Self::Deferred,
            Blocker::VoteDue => Self::VoteDue,
            Blocker::CarriedOver => Self::CarriedOver,
            Blocker::TenantLimit { .. }
            | Blocker::BudgetUsedUp { .. }
            | Blocker::TooManyWindows { .. }
            | Blocker::OverCap { .. }
            | Blocker::BorrowLimit { .. } => Self::Limit,
            Blocker::HeldForOthers { .. } | Blocker::Reserved { .. } => Self::Held,
            Blocker::BehindProtected { .. } => Self::Behind,
            // The sentence beside it tells them apart.
            Blocker::PoolTooSmall
            | Blocker::NodesOutOfService { .. }
            | Blocker::TopologyTooSmall { .. } => Self::TooSmall,
            Blocker::Topology { .. } => Self::Topology,
            Blocker::NoRoom { .. } | Blocker::RoomIsMade { .. } => Self::NoRoom,
        }
    }
}

/// Texts, each kept once.
#[derive(Debug)]
pub(super) struct Names {
    places: BTreeMap<String, u32>,
    texts: Vec<String>,
}

impl Names {
    /// The empty text has the place 0.
    pub(super) fn new() -> Self {
        Self { places: BTreeMap::from([(String::new(), 0)]), texts: vec![String::new()] }
    }

    pub(super) fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = u32::try_from(self.texts.len()).expect("memory ends before 2^32 texts do");
        self.places.insert(text.to_owned(), place);
        self.texts.push(text.to_owned());
        place
    }

    /// The place of a text that is known.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.places.get(text).copied()
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        self.texts
    }
}
