//! The logs that are held to the laws, each with a way to open it again and to damage it.

use conclave::log::EventLog;
use conclave::log::kafka::settings::{KafkaSettings, TopicNames};
use conclave::log::kafka::{Alone, KafkaLog, KafkaLogOptions, KafkaReader};
use conclave::log::memory::MemoryLog;
use conclave::log::rocks::{Durability, OpenOptions, RocksLog, SnapshotStore};
use conclave_core::units::Offset;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A log that the suite can open again and damage.
pub(crate) trait Subject {
    type Log: EventLog;
    /// Whether its offsets have no holes.
    const IS_DENSE: bool = true;

    fn log(&mut self) -> &mut Self::Log;
    /// Closes the log and opens it again.
    fn reopen(&mut self);
    /// Changes stored bytes of the snapshot at `offset`.
    fn damage_snapshot(&mut self, offset: Offset);
}

pub(crate) struct Memory(pub(crate) MemoryLog);

impl Subject for Memory {
    type Log = MemoryLog;

    fn log(&mut self) -> &mut MemoryLog {
        &mut self.0
    }

    fn reopen(&mut self) {
        self.0.crash();
        self.0.reopen();
    }

    fn damage_snapshot(&mut self, offset: Offset) {
        self.0.damage_snapshot(offset);
    }
}

pub(crate) struct Rocks {
    log: Option<RocksLog>,
    directory: TempDir,
    options: OpenOptions,
}

impl Rocks {
    pub(crate) fn new(durability: Durability) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = OpenOptions { durability, ..OpenOptions::default() };
        let log = Some(RocksLog::open(directory.path(), &options).unwrap());
        Self { log, directory, options }
    }
}

impl Subject for Rocks {
    type Log = RocksLog;

    fn log(&mut self) -> &mut RocksLog {
        self.log.as_mut().unwrap()
    }

    fn reopen(&mut self) {
        self.log = None;
        self.log = Some(RocksLog::open(self.directory.path(), &self.options).unwrap());
    }

    fn damage_snapshot(&mut self, offset: Offset) {
        self.log = None;
        damage_chunk(&self.directory.path().join("rocks"), offset);
        self.reopen();
    }
}

/// Changes a stored byte of the snapshot at `offset`.
fn damage_chunk(path: &Path, offset: Offset) {
    let names = rocksdb::DB::list_cf(&rocksdb::Options::default(), path).unwrap();
    let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), path, names).unwrap();
    let chunks = db.cf_handle("snapshots").unwrap();
    let key = [&offset.0.to_be_bytes()[..], &[0; 4]].concat();
    let mut value = db.get_cf(chunks, &key).unwrap().unwrap();
    *value.last_mut().unwrap() ^= 1;
    db.put_cf(chunks, &key, value).unwrap();
}

/// One partition of topics of its own.
pub(crate) struct Kafka {
    log: Option<KafkaLog>,
    directory: TempDir,
    settings: KafkaSettings,
}

impl Kafka {
    pub(crate) fn new(brokers: &str) -> Self {
        Self::with_times(brokers, "CreateTime")
    }

    /// Topics whose times are of `timestamp_type`, as Kafka calls it.
    pub(crate) fn with_times(brokers: &str, timestamp_type: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().file_name().unwrap().to_str().unwrap().replace('.', "t");
        let topics = TopicNames::prefixed(&format!("conformance-{name}"));
        let settings = KafkaSettings { topics, ..KafkaSettings::plain(brokers) };
        make_topics(&settings, timestamp_type);
        let mut kafka = Self { log: None, directory, settings };
        kafka.reopen();
        kafka
    }

    /// The same partition, opened by somebody with snapshots of their own.
    pub(crate) fn another(&self) -> KafkaLog {
        self.open("others")
    }

    fn open(&self, snapshots: &str) -> KafkaLog {
        let group = &self.settings.topics.commands;
        let member = Arc::new(Alone::new(&self.settings, group).unwrap());
        let snapshots = self.directory.path().join(snapshots);
        let snapshots = Arc::new(SnapshotStore::open(&snapshots).unwrap());
        let options = KafkaLogOptions::new(&self.settings, 0, snapshots);
        KafkaLog::open(options, member, None).unwrap()
    }

    /// The same partition, for reading.
    pub(crate) fn reader(&self) -> KafkaReader {
        KafkaReader::open(&self.settings, 0).unwrap()
    }
}

/// Topics of one partition.
fn make_topics(settings: &KafkaSettings, timestamp_type: &str) {
    let admin: AdminClient<_> = settings.client("admin").create().unwrap();
    let TopicNames { commands, decisions, dead_letters, .. } = &settings.topics;
    let topics: Vec<_> = [commands, decisions, dead_letters]
        .into_iter()
        .map(|name| {
            NewTopic::new(name, 1, TopicReplication::Fixed(1))
                .set("message.timestamp.type", timestamp_type)
                .set("message.timestamp.before.max.ms", "9223372036854775807")
                .set("retention.ms", "-1")
        })
        .collect();
    let made = admin.create_topics(&topics, &AdminOptions::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for one in runtime.block_on(made).unwrap() {
        one.unwrap();
    }
}

impl Subject for Kafka {
    type Log = KafkaLog;
    const IS_DENSE: bool = false;

    fn log(&mut self) -> &mut KafkaLog {
        self.log.as_mut().unwrap()
    }

    fn reopen(&mut self) {
        self.log = None;
        self.log = Some(self.open("snapshots"));
    }

    fn damage_snapshot(&mut self, offset: Offset) {
        self.log = None;
        damage_chunk(&self.directory.path().join("snapshots"), offset);
        self.reopen();
    }
}
