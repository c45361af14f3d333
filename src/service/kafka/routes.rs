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

    /// Hands `command` on, behind what waits; true when nothing waits any more.
    pub(super) fn hand_on(&mut self, command: StoredCommand) -> bool {
        self.from = Some(Offset(command.offset.0 + 1));
        self.overflow.push_back(command);
        self.drain()
    }

    /// Hands on what waits; true when nothing waits any more.
    pub(super) fn drain(&mut self) -> bool {
        while let Some(command) = self.overflow.pop_front() {
            match self.to.try_send(command) {
                Ok(()) => {}
                Err(TrySendError::Full(command)) => {
                    self.overflow.push_front(command);
                    return false;
                }
                // Its owner has ended: the partition will be taken up again.
                Err(TrySendError::Disconnected(_)) => self.overflow.clear(),
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
