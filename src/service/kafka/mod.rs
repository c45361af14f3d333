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

mod group;
mod outbox;
mod owner;
mod reach;
mod tenure;
mod watch;

use super::reader::Reader;
use super::{Contact, Service, spawn};
use crate::error::{Error, Result};
use crate::fold::fold;
use crate::log::kafka::settings::KafkaSettings;
use crate::log::kafka::{KafkaLogOptions, KafkaReader};
use crate::log::rocks::{Durability, SnapshotStore};
use crate::log::{LogEnds, LogReader as _};
use group::{Assignment, Group, GroupOptions};
use outbox::Outbox;
use owner::Post;
use reach::{Ending, Topics, Unreached};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use watch::Watched;

/// How a service on Kafka is run.
#[derive(Clone, Debug)]
pub struct KafkaServiceOptions {
    /// Where the brokers are and what the topics are called.
    pub settings: KafkaSettings,
    /// The group that shares the partitions out.
    pub group: String,
    /// This instance's name in it.
    pub instance_id: Option<String>,
    /// How long an instance may be silent before its partitions go to others.
    pub session_timeout: Duration,
    /// How long an open transaction outlives its writer.
    pub transaction_timeout: Duration,
    /// Commands that wait for the brokers here; one more is refused.
    pub outbox_commands_max: u64,
    /// What a command in the outbox outlives.
    pub durability: Durability,
    /// Directory of the outbox and the snapshots.
    pub data: PathBuf,
    /// Decisions between two snapshots.
    pub snapshot_every: i64,
}

/// A running instance.
#[derive(Debug)]
pub struct KafkaService {
    partitions: Vec<Arc<Service>>,
    group: Arc<Group>,
    outbox: Arc<Outbox>,
    is_closing: Arc<AtomicBool>,
    ending: Arc<Ending>,
    threads: Mutex<Option<Threads>>,
}

#[derive(Debug)]
struct Threads {
    group: JoinHandle<Result<()>>,
    owners: JoinHandle<()>,
    watch: JoinHandle<()>,
    reach: JoinHandle<()>,
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
        let Topics { count, is_checked } = reach::topics(settings, &options.data)?;
        let (dir, commands_max) = (options.data.join("outbox"), options.outbox_commands_max);
        let outbox = Outbox::open(settings, &dir, options.durability, commands_max)?;
        let outbox = Arc::new(outbox);
        let (mut partitions, mut posts, mut watched) = (vec![], vec![], vec![]);
        for partition in 0..count {
            let log = log_options(options, partition)?;
            let (service, notices) = follow(&log, &outbox, is_checked)?;
            let service = Arc::new(service);
            let reader = KafkaReader::open(settings, partition)?;
            watched.push(Watched { reader, notices: notices.clone() });
            partitions.push(Arc::clone(&service));
            posts.push((log, service, notices));
        }
        let is_closing = Arc::new(AtomicBool::new(false));
        let (assigned, assignments) = channel();
        let group = Arc::new(Group::new(&group_options(options), assigned)?);
        let post = |(log, service, notices)| Post {
            group: Arc::clone(&group),
            log,
            service,
            notices,
            snapshot_every: options.snapshot_every,
        };
        let posts: Vec<Post> = posts.into_iter().map(post).collect();
        let heard: Vec<_> = posts.iter().map(|post| post.notices.clone()).collect();
        let ending = Arc::new(Ending::default());
        let (polled, closing) = (Arc::clone(&group), Arc::clone(&is_closing));
        let (joining, asking) = (Arc::clone(&ending), Arc::clone(&ending));
        let (settings, data) = (settings.clone(), options.data.clone());
        let (asked, watched_at) = (settings.clone(), settings.clone());
        let threads = Threads {
            group: spawn("group", move || {
                if is_checked || reach::await_topics(&settings, &data, &joining)? {
                    polled.run()?;
                }
                Ok(())
            })?,
            owners: spawn("owners", move || start_owners(&posts, &assignments))?,
            watch: spawn("watch", move || watch::watch(&watched_at, &watched, &closing))?,
            reach: spawn("reach", move || reach::listen(&asked, &heard, &asking))?,
        };
        let threads = Mutex::new(Some(threads));
        Ok(Self { partitions, group, outbox, is_closing, ending, threads })
    }

    /// One service per partition, by number.
    #[must_use]
    pub fn partitions(&self) -> &[Arc<Service>] {
        &self.partitions
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
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.as_ref().is_none_or(|threads| threads.group.is_finished())
    }

    /// Stops deciding, leaves the group and ends all threads. What was accepted is decided by
    /// whoever has the partitions next.
    ///
    /// # Errors
    /// When the membership ended by itself: why.
    pub fn close(&self) -> Result<()> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Threads { group, owners, watch, reach }) = threads else { return Ok(()) };
        self.outbox.close();
        self.is_closing.store(true, Ordering::Release);
        self.ending.come();
        self.group.close();
        let ended = group.join().map_err(|_| Error::bug("the group's thread panicked"));
        self.group.leave();
        owners.join().map_err(|_| Error::bug("the owners' thread panicked"))?;
        watch.join().map_err(|_| Error::bug("the watch panicked"))?;
        reach.join().map_err(|_| Error::bug("whoever asks the brokers panicked"))?;
        for partition in &self.partitions {
            partition.close()?;
        }
        ended.and_then(|ended| ended)
    }
}

impl Drop for KafkaService {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the service did not close cleanly");
        }
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

/// The view of one partition, whoever decides it.
fn follow(
    log: &KafkaLogOptions,
    outbox: &Arc<Outbox>,
    is_reached: bool,
) -> Result<(Service, super::Notices)> {
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
    let submit = Box::new(move |command, receipt| to.submit(partition, command, receipt));
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
        instance_id: options.instance_id.clone(),
        session_timeout: options.session_timeout,
    }
}
