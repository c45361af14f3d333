//! A decision in the making. Each event is made true at once, so that the next rule sees it, and is
//! counted against the bounds of one decision before it is written.

use crate::backfill::Backfill;
use crate::command::{RequestAllocation, TargetShape};
use crate::council::FEATURE_COUNT;
use crate::council::quorum::SEATED_MEMBERS;
use crate::decide::BUDGETS_SINCE;
use crate::decision::{Event, LeaseGranted, PoolPolicySet, RequestAdmitted};
use crate::limits::{DECISION_BYTES_MAX, DECISION_EVENTS_MAX, ID_BYTES_MAX, NODE_GPUS_MAX};
use crate::state::State;
use crate::units::{Offset, PoolId, RequestId, TimeMs};
use std::collections::BTreeSet;

/// Events that due timers may write into one decision. With at most
/// [`crate::limits::DUE_VOTES_MAX`] votes of three events each (or fewer, of networks, and what
/// they remember) and one carry-over mark per pool touched, a command's own events and the largest
/// possible grant still fit.
const TIMER_EVENTS_MAX: usize = 250;
/// Bytes of a decision without its events: fixed fields, ids and a rejection's detail.
const HEADER_BYTES_MAX: usize = 4 * 1024;
/// An integer, a branch or a length takes at most this many bytes in Avro.
const INTEGER_BYTES_MAX: usize = 10;
/// Ids and integers of any event but the ones that are counted one by one.
const EVENT_BYTES_MAX: usize = 3 * (ID_BYTES_MAX + INTEGER_BYTES_MAX) + 16 * INTEGER_BYTES_MAX;
/// One with four ids: who has to go and for whom.
const PREEMPTION_BYTES_MAX: usize = EVENT_BYTES_MAX + ID_BYTES_MAX + INTEGER_BYTES_MAX;
/// A mark that says that a queue was carried over or caught up with: one id.
const CARRY_MARK_BYTES_MAX: usize = ID_BYTES_MAX + 4 * INTEGER_BYTES_MAX;
/// A span of a tariff: a model and three integers.
const SPAN_BYTES_MAX: usize = ID_BYTES_MAX + 4 * INTEGER_BYTES_MAX;
/// Digests, features and the members of a vote of networks: two digests, a byte or two for each
/// feature, and five integers and a flag for each member.
const COUNCIL_VOTE_BYTES_MAX: usize =
    32 + 8 + FEATURE_COUNT * 2 + SEATED_MEMBERS * (5 * INTEGER_BYTES_MAX + 1);
/// What became of each member: a branch and two integers.
const COUNCIL_WEIGHTS_BYTES_MAX: usize = SEATED_MEMBERS * 3 * INTEGER_BYTES_MAX;
/// A number of up to 15 bits.
const STATE_WORD_BYTES_MAX: usize = 3;
const _: () = {
    // What networks say of a request, and remember of its tenant, at most: three events, the second
    // of which is a vote, and the largest hidden state. It has the room that the rules' votes have.
    use crate::council::member::HIDDEN_MAX;
    use crate::limits::{DUE_VOTES_MAX, DUE_VOTES_OF_NETWORKS_MAX};
    let words = SEATED_MEMBERS * HIDDEN_MAX * STATE_WORD_BYTES_MAX;
    let each = 4 * EVENT_BYTES_MAX + COUNCIL_VOTE_BYTES_MAX + words;
    // One newcomer's tenant more, and what becomes of each member.
    let all = DUE_VOTES_OF_NETWORKS_MAX * each + (1 + SEATED_MEMBERS) * EVENT_BYTES_MAX + words;
    assert!(all <= DUE_VOTES_MAX * 3 * EVENT_BYTES_MAX, "due votes leave room for a command");
};
/// Pools whose carried-over queue one decision goes on with.
pub(crate) const CARRIED_POOLS_MAX: usize = 64;

/// A decision in the making.
pub(crate) struct Draft<'a> {
    /// The state, evolved by every event so far.
    pub(crate) state: &'a mut State,
    /// The command's offset.
    pub(crate) offset: Offset,
    /// The command's time.
    pub(crate) now: TimeMs,
    /// Pools where something was freed: their queues are looked through before the decision closes.
    pub(crate) freed: BTreeSet<PoolId>,
    /// Requests that joined a queue in this decision.
    pub(crate) newcomers: Vec<(PoolId, RequestId)>,
    events: Vec<Event>,
    bytes: usize,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(state: &'a mut State, offset: Offset, now: TimeMs) -> Self {
        state.begin(offset, now);
        Self {
            state,
            offset,
            now,
            freed: BTreeSet::new(),
            newcomers: Vec::new(),
            events: Vec::new(),
            bytes: HEADER_BYTES_MAX,
        }
    }

    /// Makes `event` true and part of the decision.
    ///
    /// # Panics
    /// When the decision would pass its bounds: whoever writes many events asks `has_room` first.
    pub(crate) fn emit(&mut self, event: Event) {
        self.bytes += bytes_max(&event);
        self.state.apply(self.offset, &event);
        if self.events.is_empty() {
            // Most decisions have one event, and a vector's first growth is to four.
            self.events.reserve_exact(1);
        }
        self.events.push(event);
        let (count, bytes) = (self.events.len(), self.bytes);
        assert!(count <= DECISION_EVENTS_MAX, "offset {}: {count} events", self.offset);
        assert!(bytes <= DECISION_BYTES_MAX, "offset {}: up to {bytes} bytes", self.offset);
    }

    /// Whether due timers may write another event.
    pub(crate) fn has_room_for_timer(&self) -> bool {
        self.events.len() < TIMER_EVENTS_MAX
    }

    /// Whether a grant of `replicas` fits beside the marks of all queues that may have to be
    /// carried over.
    pub(crate) fn has_room_for_grant(&self, replicas: usize) -> bool {
        let marks = self.marks_max();
        // It may have to say whom the lease was let past.
        let more = usize::from(Backfill::is_on(self.state));
        self.events.len() + 1 + more + marks <= DECISION_EVENTS_MAX
            && self.bytes
                + grant_bytes_max(replicas)
                + more * EVENT_BYTES_MAX
                + marks * CARRY_MARK_BYTES_MAX
                <= DECISION_BYTES_MAX
    }

    /// Whether `count` events about a preemption fit beside those marks.
    pub(crate) fn has_room_for_preemption(&self, count: usize) -> bool {
        let marks = self.marks_max();
        self.events.len() + count + marks <= DECISION_EVENTS_MAX
            && self.bytes + count * PREEMPTION_BYTES_MAX + marks * CARRY_MARK_BYTES_MAX
                <= DECISION_BYTES_MAX
    }

    /// Marks that this decision may still have to make of queues.
    fn marks_max(&self) -> usize {
        let pools = self.freed.len() + self.newcomers.len() + CARRIED_POOLS_MAX;
        // From then on each may also say when it is looked at again for a budget.
        if self.state.decide_version < BUDGETS_SINCE { pools } else { 2 * pools }
    }

    pub(crate) fn into_events(self) -> Vec<Event> {
        self.events
    }
}

/// An upper bound of an event's bytes in Avro.
pub(crate) fn bytes_max(event: &Event) -> usize {
    match event {
        Event::PoolPolicySet(PoolPolicySet { pool: _, policy }) => {
            let shapes = policy.target_workload.iter().map(shape_bytes_max).sum::<usize>();
            let prices = policy.prices.len() * (ID_BYTES_MAX + 2 * INTEGER_BYTES_MAX);
            EVENT_BYTES_MAX + shapes + prices
        }
        Event::RequestAdmitted(RequestAdmitted { pool: _, request }) => request_bytes_max(request),
        Event::LeaseGranted(LeaseGranted { replicas, .. }) => grant_bytes_max(replicas.len()),
        Event::LogOpened(_)
        | Event::DeciderActivated(_)
        | Event::NodeDrained(_)
        | Event::NodeRemoved(_)
        | Event::QuotaSet(_)
        | Event::FairShareSet(_)
        | Event::PreemptionSet(_)
        | Event::TenantParentSet(_)
        | Event::RequestVoted(_)
        | Event::RequestQueued(_)
        | Event::RequestDeferred(_)
        | Event::DeferralDue(_)
        | Event::RequestEnded(_)
        | Event::LeaseRenewed(_)
        | Event::LeaseShrunk(_)
        | Event::LeaseEnded(_)
        | Event::CouncilActivated(_)
        | Event::MemberQuarantined(_)
        | Event::MemberReturned(_) => EVENT_BYTES_MAX,
        Event::PreemptionNoticed(_) | Event::LeasePreempted(_) => PREEMPTION_BYTES_MAX,
        Event::CouncilWeighed(_) => EVENT_BYTES_MAX + COUNCIL_WEIGHTS_BYTES_MAX,
        Event::CouncilVoted(_) => EVENT_BYTES_MAX + COUNCIL_VOTE_BYTES_MAX,
        Event::CouncilRemembered(remembered) => {
            EVENT_BYTES_MAX + remembered.words.len() * STATE_WORD_BYTES_MAX
        }
        Event::QueueCarriedOver(_) | Event::QueueCaughtUp(_) | Event::BudgetAwaited(_) => {
            CARRY_MARK_BYTES_MAX
        }
        Event::TariffSet(set) => EVENT_BYTES_MAX + set.tariff.spans.len() * SPAN_BYTES_MAX,
        Event::ReservationStarted(_) | Event::ReservationEnded(_) | Event::LeaseLetPast(_) => {
            EVENT_BYTES_MAX
        }
        Event::ReservationMade(made) => {
            let models = made.reserve.gpu_models.iter();
            let models = models.map(|model| model.0.len() + INTEGER_BYTES_MAX).sum::<usize>();
            let reason = made.reserve.reason.len();
            EVENT_BYTES_MAX + models + reason + grant_bytes_max(made.replicas.len())
        }
        Event::ReservationCancelled(cancelled) => EVENT_BYTES_MAX + cancelled.reason.len(),
        Event::BudgetToppedUp(topped_up) => EVENT_BYTES_MAX + topped_up.reason.len(),
        Event::NodeRegistered(registered) => EVENT_BYTES_MAX + registered.node.topology_group.len(),
        Event::NodeHealthChanged(changed) => EVENT_BYTES_MAX + changed.reason.len(),
        Event::DecisionOverridden(overridden) => EVENT_BYTES_MAX + overridden.reason.len(),
        Event::AppealFiled(appeal) => EVENT_BYTES_MAX + appeal.reason.len(),
    }
}

/// An upper bound of a target shape's bytes in Avro.
pub(crate) fn shape_bytes_max(shape: &TargetShape) -> usize {
    let models = shape.gpu_models.iter().map(|model| model.0.len() + INTEGER_BYTES_MAX);
    6 * INTEGER_BYTES_MAX + models.sum::<usize>()
}

fn request_bytes_max(request: &RequestAllocation) -> usize {
    let models = request.gpu_models.iter().map(|model| model.0.len() + INTEGER_BYTES_MAX);
    let labels = request.labels.iter();
    let labels = labels.map(|label| label.name.len() + label.value.len() + 2 * INTEGER_BYTES_MAX);
    2 * EVENT_BYTES_MAX + models.sum::<usize>() + labels.sum::<usize>()
}

fn grant_bytes_max(replicas: usize) -> usize {
    // A GPU's index is below 64, so it takes one byte; the array takes two counts.
    let gpus = usize::try_from(NODE_GPUS_MAX).expect("a small constant") + 2 * INTEGER_BYTES_MAX;
    EVENT_BYTES_MAX + replicas * (ID_BYTES_MAX + INTEGER_BYTES_MAX + gpus)
}
