//! Membership in the group that shares the partitions out: one consumer, polled by one thread,
//! which hands commands to those who decide them.
//!
//! A partition that is assigned waits, paused, until whoever decides it has taken it over and says
//! from which offset on it wants commands. It is taken away under the lock of its tenure, so that
//! nothing is committed for it afterwards.

use super::life::Life;
use super::tenure::Tenure;
use crate::error::{Error, Result};
use crate::log::StoredCommand;
use crate::log::kafka::settings::{GroupProtocol, KafkaSettings};
use crate::log::kafka::{Hold, Member, committed, metadata, stored_command};
use conclave_core::units::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Message as _, Offset as KafkaOffset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for a message: what owners ask for is looked at this often.
const POLL_MAX: Duration = Duration::from_millis(10);
/// How long rounds under way may take when the group is left.
const FINISH_MAX: Duration = Duration::from_millis(500);
/// How long giving the partitions back may take.
const LEAVE_MAX: Duration = Duration::from_secs(1);
/// Heartbeats per session: others hear with their next one that partitions have to move.
const HEARTBEATS: u32 = 24;
/// After a fence, the group's word that the membership stands counts once so many heartbeats have
/// passed: the answer to the last of them would have said otherwise.
const HEARTBEATS_OF_WORD: u32 = 2;
/// The heartbeat that the brokers are advised to ask for, where it is theirs to say.
const HEARTBEAT_OF_BROKERS: Duration = Duration::from_millis(500);
/// Commands on their way to the owner of one partition.
const ARRIVING_MAX: usize = 1_024;

/// How the group is joined.
#[derive(Clone, Debug)]
pub(super) struct GroupOptions {
    pub(super) settings: KafkaSettings,
    pub(super) group: String,
    pub(super) protocol: GroupProtocol,
    pub(super) instance_id: Option<String>,
    /// Counts with the classic protocol; otherwise it is the brokers'.
    pub(super) session_timeout: Duration,
}

impl GroupOptions {
    /// Between two heartbeats. Members learn from an answer to one that the group shares out anew:
    /// a long session must not make that take long.
    fn heartbeat(&self) -> Duration {
        match self.protocol {
            GroupProtocol::Classic => {
                (self.session_timeout / HEARTBEATS).max(Duration::from_millis(1))
            }
            GroupProtocol::Consumer => HEARTBEAT_OF_BROKERS,
        }
    }
}

/// A partition that was assigned to this instance.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) partition: i32,
    pub(super) tenure: Arc<Tenure>,
    pub(super) commands: Receiver<StoredCommand>,
}

/// The membership, shared by the thread that polls and those who decide.
pub(super) struct Group {
    consumer: BaseConsumer<Routes>,
    topic: String,
    is_closing: AtomicBool,
    heartbeat: Duration,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// What becomes of commands, by partition.
struct Routes {
    topic: String,
    /// Takes assignments; none once the group is left.
    assigned: Mutex<Option<Sender<Assignment>>>,
    routes: Mutex<BTreeMap<i32, Route>>,
    life: Life,
}

/// The way of one partition's commands to whoever decides it.
struct Route {
    tenure: Arc<Tenure>,
    to: SyncSender<StoredCommand>,
    /// What the channel had no room for: the partition is paused meanwhile.
    overflow: VecDeque<StoredCommand>,
    /// The next command that its owner wants; none until it has taken over.
    from: Option<Offset>,
    is_paused: bool,
}

impl Group {
    /// A member that joins the group when it [runs](Group::run); `assigned` takes partitions as
    /// they come.
    pub(super) fn new(options: &GroupOptions, assigned: Sender<Assignment>) -> Result<Self> {
        let topic = options.settings.topics.commands.clone();
        let assigned = Mutex::new(Some(assigned));
        let (routes, life) = (Mutex::default(), Life::default());
        let routes = Routes { topic: topic.clone(), assigned, routes, life };
        let consumer: BaseConsumer<Routes> = config(options)
            .create_with_context(routes)
            .map_err(|error| Error::invalid("a setting of [kafka] is refused").caused_by(error))?;
        let heartbeat = options.heartbeat();
        Ok(Self { consumer, topic, is_closing: AtomicBool::new(false), heartbeat })
    }

    /// From `from` on the owner of `partition` takes commands; false when it is not ours any more.
    pub(super) fn start(&self, partition: i32, tenure: &Arc<Tenure>, from: Offset) -> bool {
        let mut routes = self.routes();
        let route = routes.get_mut(&partition).filter(|route| Arc::ptr_eq(&route.tenure, tenure));
        let Some(route) = route else { return false };
        route.from = Some(from);
        true
    }

    /// Partitions that are ours, and whether each is decided already.
    pub(super) fn partitions(&self) -> BTreeMap<i32, bool> {
        self.routes().iter().map(|(partition, route)| (*partition, route.from.is_some())).collect()
    }

    /// How the membership goes.
    pub(super) fn life(&self) -> &Life {
        &self.consumer.context().life
    }

    /// Whether the group has said since `failed` that this instance is its member. Somebody whose
    /// session has ended does not know it yet when it is fenced: were it to take over again at
    /// once, it would fence whoever has the partition now.
    pub(super) fn has_confirmed_since(&self, failed: Instant) -> bool {
        let heard = failed + self.heartbeat * HEARTBEATS_OF_WORD;
        self.life().steady_at().is_some_and(|at| at >= heard)
    }

    /// Begins anew for the owner of `partition`, whose last attempt failed; none when it is not
    /// ours any more.
    pub(super) fn again(
        &self,
        partition: i32,
        tenure: &Arc<Tenure>,
    ) -> Option<Receiver<StoredCommand>> {
        let mut routes = self.routes();
        let route = routes.get_mut(&partition).filter(|route| Arc::ptr_eq(&route.tenure, tenure));
        let route = route?;
        let (to, commands) = sync_channel(ARRIVING_MAX);
        (route.to, route.from) = (to, None);
        route.overflow.clear();
        if !route.is_paused {
            route.is_paused = self.consumer.pause(&one(&self.topic, partition)).is_ok();
        }
        Some(commands)
    }

    /// Leaves the group, once [`Group::run`] has ended. Nothing is assigned any more.
    ///
    /// The library says good-bye once the partitions were taken away, which needs polling; a member
    /// with a name that is merely closed would keep them until its session ends.
    pub(super) fn leave(&self) {
        // First: an assignment may still be on its way, and nobody would end its tenure.
        let routes = self.consumer.context();
        *routes.assigned.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.consumer.unsubscribe();
        let patience = Instant::now() + LEAVE_MAX;
        let has_some = || self.consumer.assignment().is_ok_and(|some| some.count() > 0);
        while has_some() && Instant::now() < patience {
            let _passed_over = self.consumer.poll(POLL_MAX);
        }
        let _passed_over = self.consumer.poll(5 * POLL_MAX);
    }

    /// Lets [`Group::run`] end.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    /// Joins, and polls until it is told to end.
    ///
    /// # Errors
    /// When the membership is over for good: another instance has this one's name.
    pub(super) fn run(&self) -> Result<()> {
        let ended = self.poll();
        // However it ended: whoever still decides would never hear of it otherwise.
        self.end_all();
        ended
    }

    fn poll(&self) -> Result<()> {
        self.consumer.subscribe(&[&self.topic]).map_err(|error| {
            Error::unavailable("the group cannot be joined: start again").caused_by(error)
        })?;
        while !self.is_closing.load(Ordering::Acquire) {
            self.release();
            match self.consumer.poll(POLL_MAX) {
                None => {}
                Some(Ok(message)) => {
                    self.hand_over(message.partition(), stored_command(&message));
                }
                Some(Err(error)) => check(error)?,
            }
        }
        self.let_finish();
        Ok(())
    }

    /// Lets owners finish the rounds that they are at: one that is aborted half way costs whoever
    /// has the partition next more than waiting for it.
    fn let_finish(&self) {
        self.routes().values().for_each(|route| route.tenure.let_finish());
        let patience = Instant::now() + FINISH_MAX;
        let is_done = || self.routes().values().all(|route| route.tenure.is_done());
        while !is_done() && Instant::now() < patience {
            // Whoever has the partition next decides what comes.
            let _passed_over = self.consumer.poll(POLL_MAX);
        }
    }

    /// Ends every tenure: nothing is committed from here on.
    fn end_all(&self) {
        self.life().ended();
        let routes = std::mem::take(&mut *self.routes());
        routes.values().for_each(|route| route.tenure.end());
    }

    /// Lets partitions flow whose owners are ready, or have room again.
    fn release(&self) {
        for (partition, route) in &mut *self.routes() {
            let Some(from) = route.from else { continue };
            if route.drain() && route.is_paused {
                route.is_paused = !self.resume(*partition, from);
            }
        }
    }

    /// Goes on at `from`; false when the partition is not there yet.
    fn resume(&self, partition: i32, from: Offset) -> bool {
        let at = KafkaOffset::Offset(from.0);
        let moved = self.consumer.seek(&self.topic, partition, at, Duration::from_secs(1));
        let resumed = moved.and_then(|()| self.consumer.resume(&one(&self.topic, partition)));
        if let Err(error) = &resumed {
            tracing::debug!(%error, partition, "a partition cannot go on yet");
        }
        resumed.is_ok()
    }

    fn hand_over(&self, partition: i32, command: StoredCommand) {
        let mut routes = self.routes();
        let Some(route) = routes.get_mut(&partition) else { return };
        // What was fetched before the owner said where it starts is not for it.
        if route.is_paused || route.from.is_none_or(|from| command.offset < from) {
            return;
        }
        route.next_is(&command);
        route.overflow.push_back(command);
        if !route.drain() {
            let paused = self.consumer.pause(&one(&self.topic, partition));
            route.is_paused = paused.is_ok();
        }
    }

    fn routes(&self) -> MutexGuard<'_, BTreeMap<i32, Route>> {
        self.consumer.context().routes()
    }
}

impl Route {
    /// Hands on what waits; true when nothing waits any more.
    fn drain(&mut self) -> bool {
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

    fn next_is(&mut self, command: &StoredCommand) {
        self.from = Some(Offset(command.offset.0 + 1));
    }
}

impl Routes {
    fn routes(&self) -> MutexGuard<'_, BTreeMap<i32, Route>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, partitions: &mut TopicPartitionList) {
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
            let (to, commands) = sync_channel(ARRIVING_MAX);
            let route = Route {
                tenure: Arc::clone(&tenure),
                to,
                overflow: VecDeque::new(),
                from: None,
                is_paused: true,
            };
            self.routes().insert(partition, route);
            let assigned = self.assigned.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(assigned) = &*assigned {
                // Whoever takes assignments outlives the membership.
                let _ignored = assigned.send(Assignment { partition, tenure, commands });
            }
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        for partition in partitions.elements_for_topic(&self.topic) {
            let route = self.routes().remove(&partition.partition());
            if let Some(route) = route {
                route.tenure.end();
            }
        }
        if let Err(error) = consumer.incremental_unassign(partitions) {
            tracing::warn!(%error, "partitions were not given back cleanly");
        }
    }
}

impl ClientContext for Routes {
    fn stats_raw(&self, statistics: &[u8]) {
        self.life.told(statistics);
    }
}

impl ConsumerContext for Routes {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let count = partitions.count();
        self.life.rebalanced();
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            tracing::info!(count, "partitions are assigned");
            self.assign(consumer, partitions);
        } else {
            let is_lost = consumer.assignment_lost();
            tracing::info!(count, is_lost, "partitions are taken away");
            self.revoke(consumer, partitions);
        }
    }
}

/// Who decides one partition, in the group's eyes.
pub(super) struct Owner {
    pub(super) group: Arc<Group>,
    pub(super) tenure: Arc<Tenure>,
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").field("tenure", &self.tenure).finish_non_exhaustive()
    }
}

impl Member for Owner {
    fn metadata(&self) -> Result<ConsumerGroupMetadata> {
        metadata(&self.group.consumer)
    }

    fn committed(&self, topic: &str, partition: i32) -> Result<Option<Offset>> {
        committed(&self.group.consumer, topic, partition)
    }

    fn hold(&self) -> Option<Hold<'_>> {
        self.tenure.hold()
    }
}

fn config(options: &GroupOptions) -> rdkafka::ClientConfig {
    let mut config = options.settings.consumer_of_commands(&options.group);
    if let Some(instance) = &options.instance_id {
        config.set("group.instance.id", instance);
    }
    config.set("group.protocol", options.protocol.as_str());
    // The other protocol's are the brokers' to set, and the library refuses these.
    if options.protocol == GroupProtocol::Classic {
        config.set("session.timeout.ms", options.session_timeout.as_millis().to_string());
        config.set("heartbeat.interval.ms", options.heartbeat().as_millis().to_string());
        config.set("partition.assignment.strategy", "cooperative-sticky");
    }
    // How the group's protocol goes is said nowhere else.
    config.set("statistics.interval.ms", "500");
    config
}

fn one(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(topic, partition);
    list
}

/// What an error of the consumer means: most are mended by the library, which tells of them.
fn check(error: KafkaError) -> Result<()> {
    if let KafkaError::MessageConsumptionFatal(code) = error {
        let what = match code {
            Code::FencedInstanceId => {
                "the brokers gave this one's kafka.instance_id to somebody else: another \
                 instance has the same name, or the brokers were away and an answer of theirs \
                 was lost; give each a name of its own, and start this one again"
            }
            _ => "the membership in the group is over for good; start again",
        };
        return Err(Error::unavailable(what).caused_by(error));
    }
    tracing::warn!(%error, "the consumer of the group reports");
    Ok(())
}
