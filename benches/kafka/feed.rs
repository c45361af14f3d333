//! The commands topic, filled beforehand. Mix A: each partition has a pool of its own, whose home
//! it is, and a log that the broker stamps. Mix B: one partition, one pool of 1,213 nodes, each
//! request placed.

use crate::broker::{Broker, TIMEOUT};
use crate::mix_a::{Batch, MixA};
use crate::mix_b::MixB;
use conclave::engine::{Engine, SNAPSHOT_EVERY_DEFAULT};
use conclave::log::memory::MemoryLog;
use conclave::log::{CommandRecord, LogReader};
use conclave_core::command::{OpenLog, Payload, PlacementPolicy, TimeSource};
use conclave_core::limits::{DUPLICATE_IDS_MAX, DUPLICATE_WINDOW_MS_MAX};
use conclave_core::partition::home_partition;
use conclave_core::seat::RuleSeat;
use conclave_core::units::{LogId, Offset, PoolId};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use std::thread;
use std::time::Duration;

/// Leases of each partition that are left when everything else was released.
const LEASES: usize = 10_000;
/// Of a hundred commands of the mix at most so many release a lease: all that will be released are
/// there from the beginning, so that nothing is placed once the mix has begun.
const RELEASES_PERCENT: usize = 6;
/// Leases that the fleet has room for.
const LEASES_MAX: usize = 25_000;
/// Commands of a partition for which there is room for leases.
pub(crate) const RECORDS_MAX: usize = (LEASES_MAX - LEASES) * 100 / RELEASES_PERCENT;
/// Commands that are made in one go.
const SEGMENT: usize = 20_000;
/// Commands whose decisions say how large decisions are.
const SAMPLE: usize = 20_000;

/// What commands are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Renew, cancel, refuse, release: nothing is placed.
    A,
    /// Requests and releases, each request placed by FGD.
    B,
}

/// The commands of one partition, one after the other.
#[derive(Debug)]
pub(crate) struct Feed {
    partition: i32,
    commands: Commands,
}

#[derive(Debug)]
enum Commands {
    A { mix: Box<MixA>, open: Option<OpenLog> },
    B { setup: Vec<CommandRecord>, steady: std::vec::IntoIter<CommandRecord> },
}

/// Mean bytes of a decision's record, as Conclave writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecisionSize {
    pub(crate) value: usize,
    /// Beside `command_offset`.
    pub(crate) headers: usize,
}

impl Feed {
    /// Up to `records` commands of mix A in `partition`, one of `partitions`, in rounds of `round`
    /// commands.
    pub(crate) fn mix_a(
        log_id: &str,
        (partition, partitions): (i32, i32),
        round: usize,
        records: usize,
    ) -> Self {
        let open = OpenLog {
            log_id: LogId::from(log_id),
            time_source: TimeSource::LogAppend,
            partition_count: i64::from(partitions),
            round_commands: i64::try_from(round).expect("a small number"),
            duplicate_ids: DUPLICATE_IDS_MAX,
            duplicate_window_ms: DUPLICATE_WINDOW_MS_MAX,
        };
        let pool = pool_of(partition, partitions);
        let leases = LEASES + records * RELEASES_PERCENT / 100;
        assert!(leases <= LEASES_MAX, "the fleet has no room for {leases} leases: fewer records");
        let mix = Box::new(MixA::of_pool(pool, leases));
        Self { partition, commands: Commands::A { mix, open: Some(open) } }
    }

    /// Up to `records` commands of mix B, in rounds of `round` commands.
    pub(crate) fn mix_b(round: usize, records: usize) -> Self {
        let MixB { setup, steady, .. } = MixB::record(PlacementPolicy::Fgd, round, records);
        Self { partition: 0, commands: Commands::B { setup, steady: steady.into_iter() } }
    }

    /// The log, the fleet, the tenants and the leases that the mix is about.
    pub(crate) fn setup(&mut self) -> Batch {
        match &mut self.commands {
            Commands::A { mix, open } => {
                mix.setup(Payload::OpenLog(open.take().expect("a feed begins once")))
            }
            Commands::B { setup, .. } => Batch::unchecked(std::mem::take(setup)),
        }
    }

    /// The next `count` commands of the mix.
    pub(crate) fn next(&mut self, count: usize) -> Batch {
        match &mut self.commands {
            Commands::A { mix, .. } => mix.next(count),
            Commands::B { steady, .. } => Batch::unchecked(steady.take(count).collect()),
        }
    }
}

/// The first pool that is at home in `partition`.
fn pool_of(partition: i32, partitions: i32) -> PoolId {
    let is_home =
        |pool: &PoolId| home_partition(pool, i64::from(partitions)) == i64::from(partition);
    let mut names = (0..10_000).map(|number| PoolId::from(format!("pool-{number}")));
    names.find(is_home).expect("every partition is some pool's home")
}

/// Sends records to a topic of commands.
pub(crate) struct Sender {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
}

impl Sender {
    pub(crate) fn new(broker: &Broker, topic: &str, linger_ms: u32) -> Self {
        let mut config = broker.client("bench-send");
        config
            .set("linger.ms", linger_ms.to_string())
            .set("enable.idempotence", "true")
            .set("queue.buffering.max.messages", "1000000");
        Self { producer: config.create().expect("sound settings"), topic: topic.to_owned() }
    }

    /// Hands a command over; it is sent soon.
    pub(crate) fn send(&self, partition: i32, command: &CommandRecord) {
        let mut headers = OwnedHeaders::new_with_capacity(command.headers.len());
        for (key, value) in command.headers.iter() {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut record = BaseRecord::to(&self.topic)
            .partition(partition)
            .key(&command.key)
            .payload(&command.value)
            .headers(headers);
        while let Err((error, back)) = self.producer.send(record) {
            let is_full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert_eq!(error, is_full, "the broker takes commands");
            thread::sleep(Duration::from_millis(1));
            record = back;
        }
    }

    /// Waits until everything is with the broker.
    pub(crate) fn finish(&self) {
        self.producer.flush(TIMEOUT).expect("the broker is there");
    }
}

/// Fills `topic` with `records` commands in each partition, and says how many of them come before
/// the mix.
pub(crate) fn fill(broker: &Broker, topic: &str, feeds: &mut [Feed], records: usize) -> usize {
    let sender = Sender::new(broker, topic, 20);
    let mut before = 0;
    for feed in feeds {
        let partition = feed.partition;
        let setup = feed.setup().records;
        before = setup.len();
        assert!(before < records, "give more than {before} records per partition");
        setup.iter().for_each(|record| sender.send(partition, record));
        let mut left = records - setup.len();
        while left > 0 {
            let records = feed.next(left.min(SEGMENT)).records;
            records.iter().for_each(|record| sender.send(partition, record));
            left -= records.len();
        }
    }
    sender.finish();
    before
}

/// Decides the beginning of a partition in memory, checks that the mix is what it says, and
/// measures the decisions.
pub(crate) fn decision_size(mix: Mix, round: usize) -> DecisionSize {
    let mut feed = match mix {
        Mix::A => Feed::mix_a("bench", (0, 1), round, SAMPLE),
        Mix::B => Feed::mix_b(round, SAMPLE),
    };
    let setup = feed.setup();
    let mix = feed.next(SAMPLE);
    let opened = Engine::open(MemoryLog::default(), RuleSeat, SNAPSHOT_EVERY_DEFAULT);
    let (mut engine, _) = opened.expect("memory holds no log yet");
    for batch in [&setup, &mix] {
        let mut from = 0;
        engine.accept(&batch.records).expect("memory takes everything");
        let decided = engine.run_to_end(|decisions| {
            batch.check(from, decisions);
            from += decisions.len();
        });
        decided.expect("memory can be written");
    }
    let first = Offset(i64::try_from(setup.records.len()).expect("a small number"));
    let decisions = engine.log().decisions(first, usize::MAX).expect("memory can be read");
    let framing = 5;
    let mean = |bytes: usize| bytes / decisions.len();
    let headers = |(name, value): (&str, &[u8])| name.len() + value.len();
    let envelope = decisions.iter().flat_map(|one| one.headers.iter().map(headers)).sum();
    DecisionSize {
        value: mean(decisions.iter().map(|one| one.body.len() + framing).sum()),
        headers: mean(envelope),
    }
}
