//! The ways of commands from the one consumer of the group to those who decide them, and what comes
//! of them when partitions come and go.

use super::life::Life;
use super::tenure::Tenure;
use crate::log::StoredCommand;
use conclave_core::units::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset as KafkaOffset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Commands on their way to the owner of one partition.
const ARRIVING_MAX: usize = 1_024;

/// A partition that was assigned to this instance.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) partition: i32,
    pub(super) tenure: Arc<Tenure>,
    pub(super) commands: Receiver<StoredCommand>,
}

/// What becomes of commands, by partition.
pub(super) struct Routes {
    pub(super) topic: String,
    /// Takes assignments; none once the group is left.
    assigned: Mutex<Option<Sender<Assignment>>>,
    routes: Mutex<BTreeMap<i32, Route>>,
    pub(super) life: Life,
}

/// The way of one partition's commands to whoever decides it.
pub(super) struct Route {
    pub(super) tenure: Arc<Tenure>,
    to: SyncSender<StoredCommand>,
    /// What the channel had no room for: the partition is paused meanwhile.
    overflow: VecDeque<StoredCommand>,
    /// The next command that its owner wants; none until it has taken over.
    pub(super) from: Option<Offset>,
    pub(super) is_paused: bool,
}

/// What one consumer tells of: the routes, until another consumer has taken its place.
pub(super) struct Joined {
    pub(super) routes: Arc<Routes>,
    is_replaced: AtomicBool,
}

impl Route {
    /// The way to a new owner, paused until it says where it begins.
    fn new(tenure: Arc<Tenure>) -> (Self, Receiver<StoredCommand>) {
        let (to, commands) = sync_channel(ARRIVING_MAX);
        let (overflow, from, is_paused) = (VecDeque::new(), None, true);
        (Self { tenure, to, overflow, from, is_paused }, commands)
    }

    /// Begins anew for the same owner: nothing is on its way to it.
    pub(super) fn renew(&mut self) -> Receiver<StoredCommand> {
        let (to, commands) = sync_channel(ARRIVING_MAX);
        (self.to, self.from) = (to, None);
        self.overflow.clear();
        commands
    }

    /// What comes next is what comes from `from` on.
    pub(super) fn go_back(&mut self, from: Offset) {
        self.from = Some(from);
        self.overflow.clear();
    }

    /// Whether its owner takes what stands at `offset`. What was fetched before the owner said
    /// where it goes on is not for it.
    pub(super) fn wants(&self, offset: Offset) -> bool {
        !self.is_paused && self.from.is_some_and(|from| offset >= from)
    }

    /// Hands `command` on, behind what waits; true when nothing waits any more.
    pub(super) fn hand_on(&mut self, command: StoredCommand) -> bool {
        self.from = Some(Offset(command.offset.0 + 1));
        self.overflow.push_back(command);
        self.drain()
    }

    /// Hands on what waits; true when nothing waits any more. False as well when nobody takes it:
    /// the way begins anew then.
    pub(super) fn drain(&mut self) -> bool {
        while let Some(command) = self.overflow.pop_front() {
            match self.to.try_send(command) {
                Ok(()) => {}
                Err(TrySendError::Full(command)) => {
                    self.overflow.push_front(command);
                    return false;
                }
                // Its owner has ended: the partition will be taken up again.
                Err(TrySendError::Disconnected(_)) => {
                    self.overflow.clear();
                    self.from = None;
                    return false;
                }
            }
        }
        true
    }
}

impl Routes {
    /// To those whom `assigned` tells of partitions of `topic`.
    pub(super) fn new(topic: String, assigned: Sender<Assignment>) -> Self {
        let assigned = Mutex::new(Some(assigned));
        Self { topic, assigned, routes: Mutex::default(), life: Life::default() }
    }

    /// Assigns nothing any more.
    pub(super) fn shut(&self) {
        *self.assigned.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Ends every tenure: nothing is committed for it from here on.
    pub(super) fn end_all(&self) {
        let routes = std::mem::take(&mut *self.lock());
        routes.values().for_each(|route| route.tenure.end());
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Route>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assign(&self, consumer: &BaseConsumer<Joined>, partitions: &mut TopicPartitionList) {
        // Somewhere, and paused: where it starts is for whoever takes it over to say.
        let placed = partitions.set_all_offsets(KafkaOffset::Beginning);
        let assigned = placed.and_then(|()| consumer.incremental_assign(partitions));
        let assigned = assigned.and_then(|()| consumer.pause(partitions));
        if let Err(error) = assigned {
            tracing::error!(%error, "an assignment was not taken: the group gives it out again");
            return;
        }
        for partition in partitions.elements_for_topic(&self.topic) {
            let (partition, tenure) = (partition.partition(), Arc::new(Tenure::new()));
            let (route, commands) = Route::new(Arc::clone(&tenure));
            self.lock().insert(partition, route);
            let assigned = self.assigned.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(assigned) = &*assigned {
                // Whoever takes assignments outlives the membership.
                let _ignored = assigned.send(Assignment { partition, tenure, commands });
            }
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Joined>, partitions: &TopicPartitionList) {
        for partition in partitions.elements_for_topic(&self.topic) {
            let route = self.lock().remove(&partition.partition());
            if let Some(route) = route {
                route.tenure.end();
            }
        }
        if let Err(error) = consumer.incremental_unassign(partitions) {
            tracing::warn!(%error, "partitions were not given back cleanly");
        }
    }
}

impl Joined {
    pub(super) fn new(routes: Arc<Routes>) -> Self {
        Self { routes, is_replaced: AtomicBool::new(false) }
    }

    /// Another consumer takes its place: what this one still tells does not count.
    pub(super) fn replace(&self) {
        self.is_replaced.store(true, Ordering::Release);
    }

    fn is_replaced(&self) -> bool {
        self.is_replaced.load(Ordering::Acquire)
    }
}

impl ClientContext for Joined {
    fn stats_raw(&self, statistics: &[u8]) {
        if !self.is_replaced() {
            self.routes.life.told(statistics);
        }
    }
}

impl ConsumerContext for Joined {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if self.is_replaced() {
            // What was its own has ended already.
            let _it_is_given_up_anyway = consumer.incremental_unassign(partitions);
            return;
        }
        let count = partitions.count();
        self.routes.life.rebalanced();
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            tracing::info!(count, "partitions are assigned");
            self.routes.assign(consumer, partitions);
        } else {
            let is_lost = consumer.assignment_lost();
            tracing::info!(count, is_lost, "partitions are taken away");
            if is_lost && consumer.client().fatal_error().is_none() {
                // The session is over. A fence takes them away as well, and is no absence.
                self.routes.life.was_away();
            }
            self.routes.revoke(consumer, partitions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{CommandRecord, Headers};
    use conclave_core::units::TimeMs;
    use proptest::prelude::*;

    /// Offsets in the topic, with holes.
    const TOPIC: i64 = 60;

    fn command(offset: i64) -> StoredCommand {
        let (key, value, headers) = (vec![], vec![], Headers::new());
        let record = CommandRecord { time_ms: TimeMs(0), key, value, headers };
        StoredCommand { offset: Offset(offset), record }
    }

    /// What the client library, the group's thread and an owner do in turns.
    #[derive(Clone, Debug)]
    enum Turn {
        /// The library brings the next message of where it stands.
        Bring,
        /// It brings one that was fetched before it was told to go elsewhere.
        BringOld(i64),
        /// The group's thread looks whose way may go on.
        Release,
        /// The owner takes so many commands.
        Take(usize),
        /// It has them fetched again.
        FetchAgain,
        /// It fails, and takes the partition over again.
        Fail,
        /// It has taken it over.
        Start,
    }

    fn turns() -> impl Strategy<Value = Vec<Turn>> {
        let turn = prop_oneof![
            12 => Just(Turn::Bring),
            3 => (0..TOPIC).prop_map(Turn::BringOld),
            6 => Just(Turn::Release),
            4 => (1usize..8).prop_map(Turn::Take),
            1 => Just(Turn::FetchAgain),
            1 => Just(Turn::Fail),
            3 => Just(Turn::Start),
        ];
        proptest::collection::vec(turn, 1..400)
    }

    /// A partition whose channel holds two commands, so that it overflows.
    struct World {
        route: Route,
        arriving: Receiver<StoredCommand>,
        /// Where the library reads next.
        position: i64,
        /// The owner's: the last offset that came, and what it has taken.
        last: i64,
        taken: Vec<i64>,
    }

    fn is_hole(offset: i64) -> bool {
        offset % 7 == 3
    }

    impl World {
        fn new() -> Self {
            let (to, arriving) = sync_channel(2);
            let (tenure, overflow) = (Arc::new(Tenure::new()), VecDeque::new());
            let route = Route { tenure, to, overflow, from: Some(Offset(0)), is_paused: true };
            Self { route, arriving, position: 0, last: -1, taken: vec![] }
        }

        fn next(&self) -> Offset {
            Offset(self.taken.last().map_or(0, |last| last + 1))
        }

        fn bring(&mut self, offset: i64) {
            if self.route.wants(Offset(offset)) && !self.route.hand_on(command(offset)) {
                self.route.is_paused = true;
            }
        }

        fn turn(&mut self, turn: &Turn) {
            match turn {
                Turn::Bring => {
                    while is_hole(self.position) {
                        self.position += 1;
                    }
                    if self.position < TOPIC && !self.route.is_paused {
                        self.position += 1;
                        self.bring(self.position - 1);
                    }
                }
                // The library drops what it fetched for another position than it has now, unless
                // that was popped already: then the way has paused meanwhile, or gone on behind it.
                Turn::BringOld(offset) if !is_hole(*offset) => {
                    if self.route.is_paused || self.route.from.is_none_or(|from| *offset < from.0) {
                        self.bring(*offset);
                    }
                }
                Turn::BringOld(_) => {}
                Turn::Release => {
                    let Some(from) = self.route.from else { return };
                    if self.route.drain() && self.route.is_paused {
                        (self.position, self.route.is_paused) = (from.0, false);
                    }
                }
                Turn::Take(count) => {
                    for command in self.arriving.try_iter().take(*count) {
                        // As the feed does.
                        if command.offset.0 > self.last {
                            self.last = command.offset.0;
                            self.taken.push(self.last);
                        }
                    }
                }
                Turn::FetchAgain if self.route.from.is_none() => {}
                Turn::FetchAgain => {
                    self.route.go_back(self.next());
                    self.route.is_paused = true;
                }
                Turn::Fail => {
                    self.arriving = self.route.renew();
                    self.route.is_paused = true;
                    self.last = -1;
                }
                Turn::Start if self.route.from.is_none() => self.route.from = Some(self.next()),
                Turn::Start => {}
            }
        }
    }

    proptest! {
        #[test]
        fn an_owner_takes_every_command_once_in_order(turns in turns()) {
            let mut world = World::new();
            turns.iter().for_each(|turn| world.turn(turn));
            for _ in 0..3 * TOPIC {
                for turn in [Turn::Start, Turn::Release, Turn::Bring, Turn::Take(9)] {
                    world.turn(&turn);
                }
            }
            let all: Vec<i64> = (0..TOPIC).filter(|offset| !is_hole(*offset)).collect();
            prop_assert_eq!(world.taken, all);
        }
    }

    #[test]
    fn nothing_flows_to_an_owner_that_has_gone() {
        let mut world = World::new();
        world.turn(&Turn::Release);
        drop(world.arriving);
        assert!(!world.route.hand_on(command(0)));
        assert!(world.route.from.is_none() && !world.route.wants(Offset(1)));
    }
}
