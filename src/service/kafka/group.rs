//! Membership in the group that shares the partitions out: one consumer, polled by one thread,
//! which hands commands to those who decide them.
//!
//! A partition that is assigned waits, paused, until whoever decides it has taken it over and says
//! from which offset on it wants commands. It is taken away under the lock of its tenure, so that
//! nothing is committed for it afterwards.

mod deserted;

use super::fences::Fences;
use super::life::Life;
use super::routes::{Assignment, Joined, Route, Routes};
use super::tenure::Tenure;
use crate::error::{Error, Result};
use crate::log::StoredCommand;
use crate::log::kafka::settings::{GroupProtocol, KafkaSettings};
use crate::log::kafka::{Hold, Member, committed, metadata, stored_command};
use conclave_core::units::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Message as _, Offset as KafkaOffset, TopicPartitionList};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
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

/// The membership, shared by the thread that polls and those who decide.
pub(super) struct Group {
    options: GroupOptions,
    /// Another one takes its place when it was fenced and may come back.
    consumer: Mutex<Arc<BaseConsumer<Joined>>>,
    routes: Arc<Routes>,
    is_closing: AtomicBool,
}

/// How polling ended.
enum Ended {
    /// As it was told to.
    Asked,
    /// The membership is over for good, as the library says.
    Fatal(KafkaError),
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("topic", &self.routes.topic).finish_non_exhaustive()
    }
}

impl Group {
    /// A member that joins the group when it [runs](Group::run); `assigned` takes partitions as
    /// they come.
    pub(super) fn new(options: &GroupOptions, assigned: Sender<Assignment>) -> Result<Self> {
        let topic = options.settings.topics.commands.clone();
        let routes = Arc::new(Routes::new(topic, assigned));
        let consumer = Mutex::new(Arc::new(member(options, &routes)?));
        let options = options.clone();
        Ok(Self { options, consumer, routes, is_closing: AtomicBool::new(false) })
    }

    /// From `from` on the owner of `partition` takes commands; false when it is not ours any more.
    pub(super) fn start(&self, partition: i32, tenure: &Arc<Tenure>, from: Offset) -> bool {
        let mut routes = self.routes();
        let Some(route) = route_of(&mut routes, partition, tenure) else { return false };
        route.from = Some(from);
        true
    }

    /// Partitions that are ours, and whether each is decided already.
    pub(super) fn partitions(&self) -> BTreeMap<i32, bool> {
        self.routes().iter().map(|(partition, route)| (*partition, route.from.is_some())).collect()
    }

    /// How the membership goes.
    pub(super) fn life(&self) -> &Life {
        &self.routes.life
    }

    /// Whether the group has said since `failed` that this instance is its member. Somebody whose
    /// session has ended does not know it yet when it is fenced: were it to take over again at
    /// once, it would fence whoever has the partition now.
    pub(super) fn has_confirmed_since(&self, failed: Instant) -> bool {
        let heard = failed + self.options.heartbeat() * HEARTBEATS_OF_WORD;
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
        let route = route_of(&mut routes, partition, tenure)?;
        let commands = route.renew();
        self.pause(partition, route);
        Some(commands)
    }

    /// Fetches the commands of `partition` again from `from` on: they stand in the topic, and do
    /// not arrive.
    pub(super) fn fetch_again(&self, partition: i32, tenure: &Arc<Tenure>, from: Offset) {
        let mut routes = self.routes();
        let route = route_of(&mut routes, partition, tenure);
        let Some(route) = route.filter(|route| route.from.is_some()) else { return };
        route.go_back(from);
        self.pause(partition, route);
    }

    /// Leaves the group, once [`Group::run`] has ended. Nothing is assigned any more.
    ///
    /// The library says good-bye once the partitions were taken away, which needs polling; a member
    /// with a name that is merely closed would keep them until its session ends.
    pub(super) fn leave(&self) {
        // First: an assignment may still be on its way, and nobody would end its tenure.
        self.routes.shut();
        let consumer = self.consumer();
        consumer.unsubscribe();
        let patience = Instant::now() + LEAVE_MAX;
        let has_some = || consumer.assignment().is_ok_and(|some| some.count() > 0);
        while has_some() && Instant::now() < patience {
            let _passed_over = consumer.poll(POLL_MAX);
        }
        let _passed_over = consumer.poll(5 * POLL_MAX);
    }

    /// Whether nobody is in the group, now that this instance has left it in a stop that began at
    /// `began`. Not when the brokers do not say.
    pub(super) fn is_deserted(&self, began: Instant) -> bool {
        deserted::is_deserted(&self.consumer(), &self.options.group, began)
    }

    /// Lets [`Group::run`] end.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    /// Joins, and polls until it is told to end. One that is fenced because of an absence of the
    /// brokers leaves everything that it has and joins once more.
    ///
    /// # Errors
    /// When the membership is over for good: another instance has this one's name.
    pub(super) fn run(&self) -> Result<()> {
        let mut fences = Fences::new(self.options.session_timeout);
        let ended = loop {
            match self.poll() {
                Ok(Ended::Asked) => break Ok(()),
                Ok(Ended::Fatal(error)) if !is_fence(&error) => break Err(is_over(error)),
                Ok(Ended::Fatal(error)) => {
                    if !fences.excuse(Instant::now(), self.life().away_at()) {
                        break Err(is_over(error));
                    }
                    tracing::warn!(%error, "fenced after an absence of the brokers: it joins anew");
                }
                Err(error) => break Err(error),
            }
            // Nothing is committed for what it had.
            self.routes.end_all();
            if let Err(error) = self.replace() {
                break Err(error);
            }
        };
        self.life().ended();
        // However it ended: whoever still decides would never hear of it otherwise.
        self.routes.end_all();
        ended
    }

    /// Puts a new consumer in the place of one that is fenced, which is of no use any more.
    fn replace(&self) -> Result<()> {
        let new = Arc::new(member(&self.options, &self.routes)?);
        let mut consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *consumer, new);
        drop(consumer);
        old.context().replace();
        self.life().joins_anew();
        Ok(())
    }

    fn poll(&self) -> Result<Ended> {
        let consumer = self.consumer();
        consumer.subscribe(&[&self.routes.topic]).map_err(|error| {
            Error::unavailable("the group cannot be joined: start again").caused_by(error)
        })?;
        while !self.is_closing.load(Ordering::Acquire) {
            self.release();
            match consumer.poll(POLL_MAX) {
                None => {}
                Some(Ok(message)) => {
                    self.hand_over(message.partition(), stored_command(&message));
                }
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    return Ok(Ended::Fatal(error));
                }
                Some(Err(error)) => self.note(&error),
            }
        }
        self.let_finish(&consumer);
        Ok(Ended::Asked)
    }

    /// The library mends it, and tells of it.
    fn note(&self, error: &KafkaError) {
        tracing::warn!(%error, "the consumer of the group reports");
        if error.rdkafka_error_code() == Some(Code::AllBrokersDown) {
            self.life().was_away();
        }
    }

    /// Lets owners finish the rounds that they are at: one that is aborted half way costs whoever
    /// has the partition next more than waiting for it.
    fn let_finish(&self, consumer: &BaseConsumer<Joined>) {
        self.routes().values().for_each(|route| route.tenure.let_finish());
        let patience = Instant::now() + FINISH_MAX;
        let is_done = || self.routes().values().all(|route| route.tenure.is_done());
        while !is_done() && Instant::now() < patience {
            // Whoever has the partition next decides what comes.
            let _passed_over = consumer.poll(POLL_MAX);
        }
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
        let (consumer, topic) = (self.consumer(), &self.routes.topic);
        let moved = consumer.seek(topic, partition, at, Duration::from_secs(1));
        let resumed = moved.and_then(|()| consumer.resume(&one(topic, partition)));
        if let Err(error) = &resumed {
            tracing::debug!(%error, partition, "a partition cannot go on yet");
        } else {
            tracing::debug!(partition, %from, "a partition goes on");
        }
        resumed.is_ok()
    }

    fn hand_over(&self, partition: i32, command: StoredCommand) {
        let mut routes = self.routes();
        let Some(route) = routes.get_mut(&partition) else { return };
        if route.wants(command.offset) && !route.hand_on(command) {
            self.pause(partition, route);
        }
    }

    fn routes(&self) -> MutexGuard<'_, BTreeMap<i32, Route>> {
        self.routes.lock()
    }

    fn consumer(&self) -> Arc<BaseConsumer<Joined>> {
        Arc::clone(&self.consumer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps a partition from flowing. Should the library refuse, what it brings is passed over:
    /// the way goes on where its owner wants, whatever came meanwhile.
    fn pause(&self, partition: i32, route: &mut Route) {
        if !route.is_paused
            && let Err(error) = self.consumer().pause(&one(&self.routes.topic, partition))
        {
            tracing::debug!(%error, partition, "a partition cannot be paused");
        }
        route.is_paused = true;
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
        metadata(&self.group.consumer())
    }

    fn committed(&self, topic: &str, partition: i32) -> Result<Option<Offset>> {
        committed(&self.group.consumer(), topic, partition)
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

/// The way of a partition, as long as it is the one of `tenure`.
fn route_of<'r>(
    routes: &'r mut BTreeMap<i32, Route>,
    partition: i32,
    tenure: &Arc<Tenure>,
) -> Option<&'r mut Route> {
    routes.get_mut(&partition).filter(|route| Arc::ptr_eq(&route.tenure, tenure))
}

fn one(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(topic, partition);
    list
}

/// A consumer that tells `routes` what comes.
fn member(options: &GroupOptions, routes: &Arc<Routes>) -> Result<BaseConsumer<Joined>> {
    let joined = Joined::new(Arc::clone(routes));
    let member = config(options).create_with_context(joined);
    member.map_err(|error| Error::invalid("a setting of [kafka] is refused").caused_by(error))
}

fn is_fence(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(Code::FencedInstanceId)
}

/// Why a membership is over for good.
fn is_over(error: KafkaError) -> Error {
    let what = if is_fence(&error) {
        "the brokers gave this one's kafka.instance_id to somebody else: another instance has the \
         same name; give each a name of its own, and start this one again"
    } else {
        "the membership in the group is over for good; start again"
    };
    Error::unavailable(what).caused_by(error)
}
