//! The whole pipeline on the embedded log, fed by a calibrated workload or a real trace.
//!
//! Killed at any moment and started again it goes on where its log ends, and arrives at the same
//! chain head as a run that was never interrupted.

mod feed;
pub(crate) mod scale;
mod source;
mod synthetic;
mod workload;

pub use feed::{Feed, Timed};
pub use scale::Scale;
pub use source::{Job, JobClass, Source};
pub use synthetic::JOBS_DEFAULT;
pub use workload::{Arrival, FeedEnd, Workload};

use crate::council::{CouncilSeat, Depot as _, Engines, Models};
use crate::engine::{Engine, SNAPSHOT_EVERY_DEFAULT};
use crate::error::{Error, Result};
use crate::fold::{FOLD_BYTES_MAX, with_advice};
use crate::log::kafka::settings::KafkaSettings;
use crate::log::kafka::topics::{self, Artifacts, Wish};
use crate::log::kafka::{Alone, KafkaLog, KafkaLogOptions};
use crate::log::rocks::{OpenOptions, RocksLog, SnapshotStore};
use crate::log::{CommandRecord, EventLog, LogReader};
use crate::telemetry::Correlation;
use crate::verify::chain_head;
use crate::wire::{decode_decision, encode_command};
use conclave_core::command::{Command, TimeSource};
use conclave_core::council::ModelId;
use conclave_core::decision::{Decision, Event, Outcome, RequestEnd};
use conclave_core::seat::Seat;
use conclave_core::units::{LogId, Offset, TimeMs};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// What a demo did, counted over the whole log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Commands of the log.
    pub commands: i64,
    /// Decisions of the log.
    pub decisions: i64,
    /// Requests that were ever granted.
    pub granted: u64,
    /// Requests that wait for capacity at the end.
    pub queued: i64,
    /// Requests that stand put off at the end.
    pub put_off: i64,
    /// Requests that were refused, by a rule or by the council.
    pub refused: u64,
    /// Requests that ended without a lease: withdrawn, or past their deadline.
    pub cancelled: u64,
    /// Requests that the council ever put off.
    pub deferred: u64,
    /// Commands whose bytes went to the dead letters.
    pub dead_letters: u64,
    /// Time that this run took, in milliseconds.
    pub elapsed_ms: u64,
    /// Digest over the heads of all partitions.
    pub chain_head: String,
    /// Requested GPU time in thousandths of what the pool has until the last arrival.
    pub load_permille: i64,
    /// Commands that this run found in the log.
    pub resumed_at: i64,
}

impl Summary {
    fn count(&mut self, decision: &Decision) {
        self.decisions += 1;
        if let Outcome::Rejected(rejected) = &decision.outcome {
            self.refused += u64::from(decision.kind == "RequestAllocation");
            self.dead_letters += u64::from(rejected.code.is_dead_letter());
        }
        for event in &decision.events {
            match event {
                Event::LeaseGranted(_) => self.granted += 1,
                Event::RequestDeferred(deferred) => {
                    self.deferred += u64::from(deferred.attempt == 1)
                }
                Event::RequestEnded(ended) => match ended.reason {
                    RequestEnd::CouncilDenied => self.refused += 1,
                    RequestEnd::Cancelled | RequestEnd::DeadlinePassed | RequestEnd::Overridden => {
                        self.cancelled += 1;
                    }
                },
                _ => {}
            }
        }
    }
}

/// Runs a workload on the log in `dir` until its last arrival, telling `progress` how many requests
/// of how many were sent.
///
/// # Errors
/// `Invalid` when the log in `dir` is of another workload; otherwise as the log's.
pub fn run(
    workload: &Workload,
    dir: &Path,
    options: &OpenOptions,
    progress: impl FnMut(usize, usize),
) -> Result<Summary> {
    run_on(&Engines::cpu(), workload, dir, options, progress)
}

/// The same with votes computed by `engines`.
///
/// # Errors
/// As [`run`].
pub fn run_on(
    engines: &Engines,
    workload: &Workload,
    dir: &Path,
    options: &OpenOptions,
    progress: impl FnMut(usize, usize),
) -> Result<Summary> {
    let log = RocksLog::open(dir, options)?;
    let seat = CouncilSeat::new(Models::beside(dir).computed_by(engines));
    let (engine, _) = Engine::open(log, seat, SNAPSHOT_EVERY_DEFAULT)?;
    feed_to_the_end(workload, engine, progress).map(|(summary, _)| summary)
}

/// The same as [`run`], showing `watch` every decision of the log, those of earlier runs too.
pub(crate) fn run_watched(
    workload: &Workload,
    dir: &Path,
    options: &OpenOptions,
    progress: impl FnMut(usize, usize),
    watch: impl FnMut(&Decision),
) -> Result<Summary> {
    let log = RocksLog::open(dir, options)?;
    let seat = CouncilSeat::new(Models::beside(dir));
    let (engine, _) = Engine::open(log, seat, SNAPSHOT_EVERY_DEFAULT)?;
    let (summary, log) = feed_watched(workload, engine, progress, watch)?;
    drop(log);
    Ok(summary)
}

/// The same on Kafka, in topics of one partition that carry their own times; they are made when
/// they are missing.
///
/// # Errors
/// `Invalid` when the topics hold another workload, or have more partitions; otherwise as the
/// log's.
pub fn run_on_kafka(
    engines: &Engines,
    workload: &Workload,
    settings: &KafkaSettings,
    snapshots: &Path,
    progress: impl FnMut(usize, usize),
) -> Result<Summary> {
    let wish = Wish { source: TimeSource::Carried, partitions: Some(1), replication: None };
    topics::apply(settings, &wish)?;
    topics::refuse_harm(settings, TimeSource::Carried)?;
    if let Some(council) = workload.council {
        share(council, settings, snapshots)?;
    }
    let group = format!("{}.demo", settings.topics.commands);
    let member = Arc::new(Alone::new(settings, &group)?);
    let store = Arc::new(SnapshotStore::open(snapshots)?);
    let log = KafkaLog::open(KafkaLogOptions::new(settings, 0, store), member, None)?;
    let seat = CouncilSeat::new(Models::beside(snapshots).computed_by(engines));
    let (engine, _) = Engine::open(log, seat, SNAPSHOT_EVERY_DEFAULT)?;
    feed_to_the_end(workload, engine, progress).map(|(summary, _)| summary)
}

/// Puts the file of a council that is kept beside the snapshots into the topic of artifacts, where
/// whoever proves the log looks for it.
fn share(council: ModelId, settings: &KafkaSettings, snapshots: &Path) -> Result<()> {
    let artifacts = Artifacts::of(settings);
    if artifacts.file(council)?.is_some() {
        return Ok(());
    }
    let file = Models::beside(snapshots).bytes(council).map_err(Error::unavailable)?;
    artifacts.put_model(council, &file)
}

/// The same on any log.
///
/// # Errors
/// As [`run`].
pub fn feed_to_the_end<L: EventLog, S: Seat>(
    workload: &Workload,
    engine: Engine<L, S>,
    progress: impl FnMut(usize, usize),
) -> Result<(Summary, L)> {
    feed_watched(workload, engine, progress, |_| {})
}

fn feed_watched<L: EventLog, S: Seat>(
    workload: &Workload,
    mut engine: Engine<L, S>,
    mut progress: impl FnMut(usize, usize),
    mut watch: impl FnMut(&Decision),
) -> Result<(Summary, L)> {
    let started = Instant::now();
    // A run that was killed may have left accepted commands, OpenLog among them: whatever the
    // settings are now, they are owed their decisions.
    engine.run_to_end(|_| {})?;
    check_identity(workload, &engine)?;
    let mut summary = Summary {
        load_permille: workload.load_permille(),
        resumed_at: engine.folded().next().0,
        ..Summary::default()
    };
    let mut feed = Feed::new(workload);
    let mut learn = |decision: &Decision, feed: &mut Feed<'_>| {
        feed.see(decision);
        summary.count(decision);
        watch(decision);
    };
    for_each_decision(engine.log(), |decision| learn(decision, &mut feed))?;
    loop {
        engine.run_to_end(|decisions| {
            decisions.iter().for_each(|decision| learn(decision, &mut feed));
        })?;
        let (sent, all) = feed.progress();
        progress(sent, all);
        let batch = feed.next_batch(&engine.folded().state);
        if batch.is_empty() {
            break;
        }
        let records: Vec<CommandRecord> =
            batch.iter().map(|(at, command)| record(&workload.log_id, *at, command)).collect();
        engine.accept(&records)?;
    }
    let folded = engine.folded();
    summary.queued = folded.state.pools.values().map(|pool| pool.queue.len()).sum();
    summary.put_off = folded.state.pools.values().map(|pool| pool.deferred_count).sum();
    summary.chain_head = chain_head(&[folded.head]).to_string();
    // Everything that was accepted is decided.
    summary.commands = summary.decisions;
    let log = engine.close()?;
    summary.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok((summary, log))
}

fn check_identity<L: EventLog, S: Seat>(workload: &Workload, engine: &Engine<L, S>) -> Result<()> {
    let (found, wanted) = (&engine.folded().state.log, &workload.log_id);
    match found {
        Some(log) if log.log_id != *wanted => Err(Error::invalid(format!(
            "what is there holds log '{}' and what was named here makes '{wanted}': use the files \
             and settings that it was made with, or another --data (on Kafka: another --prefix)",
            log.log_id
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Tells `see` of every decision of the log in order.
fn for_each_decision(log: &dyn LogReader, mut see: impl FnMut(&Decision)) -> Result<()> {
    let end = log.ends()?.decisions_next;
    let mut from = Offset(0);
    while from < end {
        for record in log.decisions(from, FOLD_BYTES_MAX).map_err(with_advice)? {
            see(&decode_decision(&record.body)?);
            from = Offset(record.offset.0 + 1);
        }
    }
    Ok(())
}

fn record(log: &LogId, time_ms: TimeMs, command: &Command) -> CommandRecord {
    let headers = Correlation::of_sent(log, command).to_headers();
    let key = command.pool.0.as_bytes().to_vec();
    CommandRecord { time_ms, key, value: encode_command(command), headers }
}
