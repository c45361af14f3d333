//! What decides a partition elsewhere: a log in memory with holes among its offsets, as Kafka's
//! have them, and an engine that is told when to go on.

use conclave::engine::Engine;
use conclave::error::Result;
use conclave::fold::Folded;
use conclave::log::memory::MemoryLog;
use conclave::log::{
    CommandRecord, CommitError, DeadLetterRecord, DecisionRecord, EventLog, Headers, LogEnds,
    LogReader, RoundRecord, StoredCommand,
};
use conclave::service::{NewCommand, Notices, Reader, Receipt, Service, Submit};
use conclave::wire::encode_command;
use conclave_core::command::{Actor, Command, OpenLog, Payload, Role, TimeSource};
use conclave_core::seat::RuleSeat;
use conclave_core::units::{
    CommandId, DurationMs, LogId, Offset, PoolId, TenantId, TimeMs, UserId,
};
use std::sync::{Arc, Mutex};

/// Offsets left out before every append.
const HOLE: usize = 3;

/// A log in memory, for whoever holds it.
#[derive(Clone, Debug)]
pub(crate) struct Topic(Arc<Mutex<MemoryLog>>);

/// Commands that were sent, in order; none are decided by themselves.
type Outbox = Arc<Mutex<Vec<(NewCommand, Receipt)>>>;

/// A partition, decided step by step.
pub(crate) struct Elsewhere {
    pub(crate) topic: Topic,
    engine: Engine<Topic, RuleSeat>,
    outbox: Outbox,
    pub(crate) notices: Notices,
}

impl Elsewhere {
    /// Partition `partition` of `count`, opened, and the service that follows it.
    pub(crate) fn new(partition: i64, count: i64) -> (Self, Service) {
        let log = MemoryLog::with_holes(partition, HOLE);
        let topic = Topic(Arc::new(Mutex::new(log)));
        let (mut engine, _) = Engine::open(topic.clone(), RuleSeat, i64::MAX).unwrap();
        engine.accept(&[opening(count)]).unwrap();
        let outbox = Outbox::default();
        let sent = Arc::clone(&outbox);
        let submit: Submit = Box::new(move |command, receipt| {
            sent.lock().unwrap().push((command, receipt));
            Ok(())
        });
        let start = Folded::nothing(partition);
        let (service, notices) =
            Service::follow(Reader::new(topic.clone()), start, submit).unwrap();
        let mut elsewhere = Self { topic, engine, outbox, notices };
        elsewhere.decide();
        elsewhere.publish();
        (elsewhere, service)
    }

    /// Appends what was sent, and says so to nobody yet.
    pub(crate) fn append(&mut self) -> Vec<(Receipt, Offset)> {
        let sent = std::mem::take(&mut *self.outbox.lock().unwrap());
        let append = |(command, receipt): (NewCommand, Receipt)| {
            let NewCommand { key, value, headers } = command;
            let record = CommandRecord { time_ms: TimeMs(1_000), key, value, headers };
            (receipt, self.engine.accept(&[record]).unwrap())
        };
        sent.into_iter().map(append).collect()
    }

    /// Decides what was appended.
    pub(crate) fn decide(&mut self) {
        self.engine.run_to_end(|_| {}).unwrap();
    }

    /// Tells the service where the log ends.
    pub(crate) fn publish(&self) {
        self.notices.publish(self.topic.ends().unwrap());
    }

    /// Appends, decides and tells what was sent.
    pub(crate) fn work(&mut self) {
        let appended = self.append();
        if appended.is_empty() {
            return;
        }
        appended.into_iter().for_each(|(receipt, offset)| receipt.accepted(offset));
        self.decide();
        self.publish();
    }
}

fn opening(partition_count: i64) -> CommandRecord {
    let open = OpenLog {
        log_id: LogId::from("elsewhere"),
        time_source: TimeSource::LogAppend,
        partition_count,
        round_commands: 64,
        duplicate_ids: 1_000,
        duplicate_window_ms: DurationMs(3_600_000),
    };
    let command = Command {
        command_id: CommandId::from("open"),
        pool: PoolId::default(),
        actor: Actor {
            tenant: TenantId::default(),
            user: UserId::from("conclave"),
            role: Role::Administrator,
        },
        submitted_at_ms: TimeMs(0),
        payload: Payload::OpenLog(open),
    };
    let (value, headers) = (encode_command(&command), Headers::new());
    CommandRecord { time_ms: TimeMs(0), key: vec![], value, headers }
}

impl LogReader for Topic {
    fn partition(&self) -> i64 {
        self.0.lock().unwrap().partition()
    }

    fn ends(&self) -> Result<LogEnds> {
        self.0.lock().unwrap().ends()
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.0.lock().unwrap().commands(from, bytes_max)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.0.lock().unwrap().decisions(from, bytes_max)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.0.lock().unwrap().dead_letters(from, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.0.lock().unwrap().snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.0.lock().unwrap().snapshot(offset)
    }
}

impl EventLog for Topic {
    fn accept(&mut self, commands: &[CommandRecord]) -> Result<Offset> {
        self.0.lock().unwrap().accept(commands)
    }

    fn commit(&mut self, round: &RoundRecord) -> std::result::Result<(), CommitError> {
        self.0.lock().unwrap().commit(round)
    }

    fn keep_snapshot(&mut self, offset: Offset, bytes: &[u8]) -> Result<()> {
        self.0.lock().unwrap().keep_snapshot(offset, bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.0.lock().unwrap().sync()
    }
}
