//! The service on Kafka: every instance follows the decisions of all partitions and answers for all
//! of them; the group says which of them it decides.
//!
//! ```text
//!  HTTP ─▶ outbox ─▶ commands ─▶ group (one consumer) ─▶ owner of a partition: turn … ─▶ decisions
//!                                                                                           │
//!  answers, questions ◀── view of each partition ◀── watch (one consumer) ◀─────────────────┘
//! ```
//!
//! A partition that is taken over begins at what its view has folded: every instance is a standby
//! for all of them.

mod fences;
mod gauges;
mod group;
mod lag;
mod life;
mod options;
mod outbox;
mod owner;
mod reach;
mod routes;
mod starved;
mod tenure;
mod watch;

pub use gauges::{Gauges, KafkaFigures, PartitionFigures};
pub use lag::Lag;
pub use life::Membership;
pub use options::KafkaServiceOptions;

use super::reader::Reader;
use super::{Contact, NewCommand, Service, spawn};
use crate::error::{Error, Result};
use crate::fold::fold;
use crate::log::kafka::{KafkaLogOptions, KafkaReader, TopicEnds};
use crate::log::rocks::SnapshotStore;
use crate::log::{LogEnds, LogReader as _};
use crate::wire::reframe;
use group::{Group, GroupOptions};
use lag::Looks;
use outbox::Outbox;
use owner::Post;
use reach::{Ending, Topics, Unreached};
use routes::Assignment;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use watch::Watched;

/// Partitions that are folded at once at a start.
const FOLD_AT_ONCE: usize = 8;

/// A running instance.
#[derive(Debug)]
pub struct KafkaService {
    partitions: Vec<Arc<Service>>,
    group: Arc<Group>,
    outbox: Arc<Outbox>,
    gauges: Arc<Gauges>,
    is_closing: Arc<AtomicBool>,
    ending: Arc<Ending>,
    deciding: Mutex<Option<Deciding>>,
    /// How the membership ended, until somebody has been told.
    left: Mutex<Result<()>>,
    threads: Mutex<Option<Threads>>,
}

/// How long each thread may take to end once it is asked to, and how often it is looked at.
const END_MAX: Duration = Duration::from_secs(3);
const END_NAP: Duration = Duration::from_millis(5);
/// How long the views may take to see the last decisions when the group is left.
const VIEWS_MAX: Duration = Duration::from_millis(300);

/// The threads of whoever decides.
#[derive(Debug)]
struct Deciding {
    group: JoinHandle<Result<()>>,
    owners: JoinHandle<()>,
}

/// The threads of whoever follows.
#[derive(Debug)]
struct Threads {
    watch: JoinHandle<()>,
    reach: JoinHandle<()>,
    lag: JoinHandle<()>,
    /// Dropped to end the watch of the lag.
    lag_runs: Sender<()>,
}

impl KafkaService {
    /// Folds all partitions, joins the group and decides what it is given. While the brokers are
    /// away it begins with its snapshots and takes commands in; it joins once they have answered
    /// and the topics turn out to be sound.
    ///
    /// # Errors
    /// `Unavailable` when brokers do not answer and never did, `Invalid` when topics are missing,
    /// contradict each other or could lose decisions, `Corrupt` when a partition is not what was
    /// written.
    pub fn start(options: &KafkaServiceOptions) -> Result<Self> {
        let settings = &options.settings;
        let ending = Arc::new(Ending::default());
        let Topics { count, is_checked } = reach::topics(settings, &options.data, &ending)?;
        let (dir, commands_max) = (options.data.join("outbox"), options.outbox_commands_max);
        let outbox = Outbox::open(settings, &dir, options.durability, commands_max)?;
        let outbox = Arc::new(outbox);
        // First: it looks for the group's brokers while the partitions are folded. Joining comes
        // afterwards, so that nobody gives up a partition that cannot be decided here yet.
        let (assigned, assignments) = channel();
        let group = Arc::new(Group::new(&group_options(options), assigned)?);
        let (mut partitions, mut posts, mut watched) = (vec![], vec![], vec![]);
        let mut counted = vec![];
        let began = Instant::now();
        for (log, (service, notices)) in follow_all(options, count, &outbox, is_checked)? {
            let service = Arc::new(service);
            let reader = KafkaReader::open(settings, log.partition)?;
            watched.push(Watched { reader, notices: notices.clone() });
            partitions.push(Arc::clone(&service));
            counted.push((Arc::clone(&service), Arc::clone(&log.counts)));
            posts.push((log, service, notices));
        }
        tracing::info!(count, elapsed_ms = millis(began), "all partitions are folded");
        let is_closing = Arc::new(AtomicBool::new(false));
        let looks = Arc::new(Looks::new(partitions.len()));
        let post = |(log, service, notices)| Post {
            group: Arc::clone(&group),
            log,
            service,
            notices,
            snapshot_every: options.snapshot_every,
            looks: Arc::clone(&looks),
            registry: options.registry.clone(),
        };
        let gauges = Gauges::new(Arc::clone(&group), counted, Arc::clone(&looks));
        let ends = TopicEnds::open(settings, &options.group)?;
        let (looked_at, (lag_runs, lag_ends)) = (partitions.clone(), channel());
        let posts: Vec<Post> = posts.into_iter().map(post).collect();
        let heard: Vec<_> = posts.iter().map(|post| post.notices.clone()).collect();
        let (polled, closing) = (Arc::clone(&group), Arc::clone(&is_closing));
        let (joining, asking) = (Arc::clone(&ending), Arc::clone(&ending));
        let (settings, data) = (settings.clone(), options.data.clone());
        let (asked, watched_at) = (settings.clone(), settings.clone());
        let deciding = Deciding {
            group: spawn("group", move || {
                if is_checked || reach::await_topics(&settings, &data, &joining)? {
                    polled.run()?;
                }
                Ok(())
            })?,
            owners: spawn("owners", move || start_owners(&posts, &assignments))?,
        };
        let threads = Threads {
            watch: spawn("watch", move || {
                watch::watch(&watched_at, &watched, &closing);
                let_go(watched);
            })?,
            reach: spawn("reach", move || reach::listen(&asked, &heard, &asking))?,
            lag: spawn("lag", move || lag::watch(&ends, &looked_at, &looks, &lag_ends))?,
            lag_runs,
        };
        Ok(Self {
            partitions,
            group,
            outbox,
            gauges: Arc::new(gauges),
            is_closing,
            ending,
            deciding: Mutex::new(Some(deciding)),
            left: Mutex::new(Ok(())),
            threads: Mutex::new(Some(threads)),
        })
    }

    /// One service per partition, by number.
    #[must_use]
    pub fn partitions(&self) -> &[Arc<Service>] {
        &self.partitions
    }

    /// What it says about itself.
    #[must_use]
    pub fn gauges(&self) -> &Arc<Gauges> {
        &self.gauges
    }

    /// Partitions that this instance decides now.
    #[must_use]
    pub fn owned(&self) -> Vec<i32> {
        let owned = self.group.partitions();
        owned.into_iter().filter_map(|(partition, runs)| runs.then_some(partition)).collect()
    }

    /// Whether the membership in the group has ended, and nothing is decided here any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let deciding = locked(&self.deciding);
        deciding.as_ref().is_none_or(|deciding| deciding.group.is_finished())
    }

    /// Stops deciding and leaves the group. Commands are taken in, and answers to those who wait
    /// are given, as before: others decide. [`KafkaService::close`] tells how it went.
    pub fn leave(&self) {
        // Whoever comes meanwhile waits until it is done.
        let mut deciding = locked(&self.deciding);
        let Some(Deciding { group, owners }) = deciding.take() else { return };
        let began = Instant::now();
        let is_away = self.is_away();
        self.ending.come();
        self.group.close();
        let ended = group.join().unwrap_or_else(|_| Err(Error::bug("the group's thread panicked")));
        self.group.leave();
        tracing::info!(elapsed_ms = millis(began), "the group is left");
        let owners = ended_soon(owners, "those who decide");
        tracing::info!(elapsed_ms = millis(began), "nothing is decided here any more");
        // One that ended by itself may have a namesake, who decides.
        if ended.is_ok() && (is_away || self.group.is_deserted(began)) {
            tracing::info!("nobody else decides now: those who wait for decisions are told");
            self.await_views();
            self.partitions.iter().for_each(|partition| partition.desert());
        }
        *locked(&self.left) = owners.and(ended);
    }

    /// Whether the brokers, which others need as well, are away.
    fn is_away(&self) -> bool {
        self.partitions.iter().any(|partition| partition.contact().is_away())
    }

    /// Lets the views see what was decided here last: those who wait for it are answered.
    fn await_views(&self) {
        let patience = Instant::now() + VIEWS_MAX;
        let is_behind = || self.partitions.iter().any(|partition| partition.view_lag() > 0);
        while is_behind() && Instant::now() < patience {
            std::thread::sleep(END_NAP);
        }
        // An answer comes a moment after it was folded.
        std::thread::sleep(END_NAP);
    }

    /// Stops deciding, leaves the group and ends all threads. What was accepted is decided by
    /// whoever has the partitions next.
    ///
    /// # Errors
    /// When the membership ended by itself: why.
    pub fn close(&self) -> Result<()> {
        self.leave();
        let Some(threads) = locked(&self.threads).take() else { return Ok(()) };
        let began = Instant::now();
        let Threads { watch, reach, lag, lag_runs } = threads;
        drop(lag_runs);
        self.is_closing.store(true, Ordering::Release);
        self.outbox.close();
        // All at once: each of them waits for the threads of its clients.
        let closed: Result<()> = std::thread::scope(|scope| {
            let closing: Vec<_> =
                self.partitions.iter().map(|partition| scope.spawn(|| partition.close())).collect();
            ended_soon(watch, "the watch")?;
            ended_soon(reach, "whoever asks the brokers")?;
            ended_soon(lag, "the watch of the lag")?;
            closing.into_iter().try_for_each(|closing| {
                closing.join().unwrap_or_else(|_| Err(Error::bug("closing a partition panicked")))
            })
        });
        closed?;
        tracing::info!(elapsed_ms = millis(began), "nothing is followed here any more");
        std::mem::replace(&mut *locked(&self.left), Ok(()))
    }
}

/// Waits for a thread, but not for one that waits for brokers which are away: it holds nothing that
/// is not committed or kept on disk, and ends with the process.
fn ended_soon(thread: JoinHandle<()>, who: &str) -> Result<()> {
    let patience = Instant::now() + END_MAX;
    while !thread.is_finished() {
        if Instant::now() > patience {
            tracing::warn!("{who}: the brokers do not answer, and the end does not wait for them");
            return Ok(());
        }
        std::thread::sleep(END_NAP);
    }
    thread.join().map_err(|_| Error::bug(format!("{who}: a thread panicked")))
}

/// Drops all at once: each of them waits for the threads of its clients.
fn let_go<T: Send>(many: Vec<T>) {
    std::thread::scope(|scope| {
        for one in many {
            scope.spawn(move || drop(one));
        }
    });
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Drop for KafkaService {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the service did not close cleanly");
        }
        // Nobody else holds them by now: those who were asked for figures have ended.
        if let Some(gauges) = Arc::get_mut(&mut self.gauges) {
            gauges.partitions.clear();
        }
        let_go(std::mem::take(&mut self.partitions));
    }
}

/// Starts whoever decides a partition, as partitions come, and waits for the last of them.
fn start_owners(posts: &[Post], assignments: &Receiver<Assignment>) {
    let mut owners: Vec<JoinHandle<()>> = vec![];
    for assignment in assignments {
        owners.retain(|owner| !owner.is_finished());
        let post = usize::try_from(assignment.partition).ok().and_then(|number| posts.get(number));
        let Some(post) = post.cloned() else {
            tracing::error!(
                partition = assignment.partition,
                "a partition that was not there at the start is not decided: partitions are never \
                 added to a log"
            );
            continue;
        };
        let name = format!("owner-{}", assignment.partition);
        match spawn(&name, move || owner::decide(&post, assignment)) {
            Ok(owner) => owners.push(owner),
            Err(error) => tracing::error!(%error, "a partition is not decided"),
        }
    }
    for owner in owners {
        if owner.join().is_err() {
            tracing::error!("whoever decided a partition panicked");
        }
    }
}

/// The views of all partitions, by number: several are folded at once, because each waits for the
/// brokers most of the time.
fn follow_all(
    options: &KafkaServiceOptions,
    count: i32,
    outbox: &Arc<Outbox>,
    is_reached: bool,
) -> Result<Vec<(KafkaLogOptions, Followed)>> {
    let follow_one = |partition| {
        let log = log_options(options, partition)?;
        let (service, notices) = follow(&log, outbox, is_reached)?;
        Ok((log, (service.with_models(options.models.clone()), notices)))
    };
    let (numbers, mut all) = ((0..count).collect::<Vec<_>>(), vec![]);
    for some in numbers.chunks(FOLD_AT_ONCE) {
        let folded: Vec<Result<_>> = std::thread::scope(|scope| {
            let started = some.iter().map(|number| scope.spawn(|| follow_one(*number)));
            let started: Vec<_> = started.collect();
            let ended = started.into_iter().map(std::thread::ScopedJoinHandle::join);
            let panicked = |_| Err(Error::bug("whoever folded a partition panicked"));
            ended.map(|ended| ended.unwrap_or_else(panicked)).collect()
        });
        for one in folded {
            all.push(one?);
        }
    }
    Ok(all)
}

/// A view, and who tells it what is new.
type Followed = (Service, super::Notices);

/// The view of one partition, whoever decides it.
fn follow(log: &KafkaLogOptions, outbox: &Arc<Outbox>, is_reached: bool) -> Result<Followed> {
    let (partition, snapshots) = (log.partition, Arc::clone(&log.snapshots));
    let reader = KafkaReader::open(&log.settings, partition)?.with_snapshots(snapshots.clone());
    let (folded, ends) = if is_reached {
        let (folded, _) = fold(&reader, reader.partition(), None)?;
        (folded, reader.ends()?)
    } else {
        let (folded, _) = fold(&Unreached { partition, snapshots }, reader.partition(), None)?;
        let next = folded.next();
        let ends = LogEnds { commands_next: next, decisions_next: next, head: folded.head };
        (folded, ends)
    };
    let to = Arc::clone(outbox);
    let ids = log.settings.schema_ids.commands;
    let submit = Box::new(move |mut command: NewCommand, receipt| {
        reframe(&mut command.value, ids);
        to.submit(partition, command, receipt)
    });
    let (service, notices) = Service::follow_from(Reader::new(reader), folded, ends, submit)?;
    notices.set_outbox(Arc::clone(outbox.level()));
    notices.set_contact(if is_reached { Contact::At(Instant::now()) } else { Contact::Never });
    Ok((service, notices))
}

fn log_options(options: &KafkaServiceOptions, partition: i32) -> Result<KafkaLogOptions> {
    let folder = options.data.join(format!("partition-{partition}"));
    let snapshots = Arc::new(SnapshotStore::open(&folder.join("snapshots"))?);
    Ok(KafkaLogOptions {
        transaction_timeout: options.transaction_timeout,
        ..KafkaLogOptions::new(&options.settings, partition, snapshots)
    })
}

fn group_options(options: &KafkaServiceOptions) -> GroupOptions {
    GroupOptions {
        settings: options.settings.clone(),
        group: options.group.clone(),
        protocol: options.group_protocol,
        instance_id: options.instance_id.clone(),
        session_timeout: options.session_timeout,
    }
}
