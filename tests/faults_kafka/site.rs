//! The topics of one test, and how an instance is told about them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::ASK_MAX;
use crate::instance::Instance;
use conclave::log::kafka::KafkaReader;
use conclave::log::kafka::settings::{GroupProtocol, KafkaSettings, TopicNames};
use conclave::log::kafka::topics::{self, Wish};
use conclave::log::{LogEnds, LogReader};
use conclave_core::command::TimeSource;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// More than instances, so that each has some.
pub(crate) const PARTITIONS: i32 = 4;
/// How long decisions may be awaited before a test says that there are none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One test at a time: they measure, and this machine may be small.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Topics of a test's own, and a group.
pub(crate) struct Site {
    pub(crate) settings: KafkaSettings,
    folder: TempDir,
    /// Session and transaction timeout. The session is the broker's to say where it shares out.
    timeouts_ms: (u64, u64),
    protocol: GroupProtocol,
    /// Where the schemas of writers are asked for.
    registry: Option<String>,
}

/// Who shares the partitions out, unless a test says otherwise: `CONCLAVE_TEST_GROUP_PROTOCOL`.
pub(crate) fn protocol() -> GroupProtocol {
    match std::env::var("CONCLAVE_TEST_GROUP_PROTOCOL").as_deref() {
        Ok("consumer") => GroupProtocol::Consumer,
        Ok("classic") | Err(_) => GroupProtocol::Classic,
        Ok(other) => panic!("CONCLAVE_TEST_GROUP_PROTOCOL is classic or consumer, not {other}"),
    }
}

impl Site {
    /// Makes the topics, with the timeouts of `examples/kafka.toml`.
    pub(crate) fn make(brokers: &str, name: &str) -> Self {
        let topics = TopicNames::prefixed(name);
        let settings = KafkaSettings { topics, ..KafkaSettings::plain(brokers) };
        let source = TimeSource::LogAppend;
        let wish = Wish { source, partitions: Some(PARTITIONS), replication: None };
        topics::apply(&settings, &wish).unwrap();
        Self::of(settings)
    }

    /// Topics that somebody made otherwise.
    pub(crate) fn of(settings: KafkaSettings) -> Self {
        let (folder, timeouts_ms) = (tempfile::tempdir().unwrap(), (6_000, 5_000));
        Self { settings, folder, timeouts_ms, protocol: protocol(), registry: None }
    }

    /// The same with other timeouts.
    pub(crate) fn timeouts_ms(mut self, session: u64, transaction: u64) -> Self {
        self.timeouts_ms = (session, transaction);
        self
    }

    /// The same with partitions that `protocol` shares out.
    pub(crate) fn shared_out_by(mut self, protocol: GroupProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The same with a registry.
    pub(crate) fn asking(mut self, registry: String) -> Self {
        self.registry = Some(registry);
        self
    }

    /// The group that shares the partitions out.
    pub(crate) fn group(&self) -> String {
        format!("{}.group", self.settings.topics.commands)
    }

    /// Starts an instance and waits until it serves.
    #[track_caller]
    pub(crate) fn start(&self, id: &str) -> Instance {
        let instance = self.launch(id, id, None);
        instance.wait_until_it_serves();
        instance
    }

    /// Starts an instance under `id`, with files of its own called `name`, that dies where
    /// `crash_at` says.
    pub(crate) fn launch(&self, id: &str, name: &str, crash_at: Option<&str>) -> Instance {
        let (session, transaction) = self.timeouts_ms;
        let membership = match self.protocol {
            GroupProtocol::Classic => {
                format!("instance_id = '{id}'\nsession_timeout_ms = {session}")
            }
            GroupProtocol::Consumer => "group_protocol = 'consumer'".to_owned(),
        };
        let folder = self.folder.path();
        let file = folder.join(format!("{name}.toml"));
        let prefix = self.settings.topics.commands.strip_suffix(".commands").unwrap();
        let text = format!(
            "data = 'data-{name}'\nlisten = '127.0.0.1:0'\n[kafka]\nbrokers = ['{}']\n\
             prefix = '{prefix}'\ngroup = '{}'\n{membership}\n\
             transaction_timeout_ms = {transaction}\n\
             [kafka.security]\nprotocol = 'plaintext'\n",
            self.settings.brokers,
            self.group(),
        );
        let registry = self.registry.as_ref();
        let registry = registry.map(|url| format!("[kafka.registry]\nurl = '{url}'\n"));
        std::fs::write(&file, text + &registry.unwrap_or_default()).unwrap();
        Instance::launch(&file, &folder.join(format!("{name}.log")), crash_at)
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.settings.brokers);
        client.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "250");
        client
    }

    /// Kafka's offset after the last command of each partition.
    pub(crate) fn command_ends(&self) -> Vec<i64> {
        let consumer: BaseConsumer = self.client().create().unwrap();
        let topic = &self.settings.topics.commands;
        let began = Instant::now();
        let end = |partition| loop {
            match consumer.fetch_watermarks(topic, partition, ASK_MAX) {
                Ok((_, end)) => return end,
                // A broker that came back leads its partitions one after the other.
                Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
            }
            std::thread::sleep(LOOK_EVERY);
        };
        (0..PARTITIONS).map(end).collect()
    }

    /// Waits until every command has a decision.
    #[track_caller]
    pub(crate) fn wait_until_all_is_decided(&self) {
        let began = Instant::now();
        let open = |partition| KafkaReader::open(&self.settings, partition).unwrap();
        for reader in (0..PARTITIONS).map(open) {
            loop {
                let ends = reader.ends();
                let is_decided = |ends: &LogEnds| ends.decisions_next >= ends.commands_next;
                if ends.as_ref().is_ok_and(is_decided) {
                    break;
                }
                assert!(began.elapsed() < PATIENCE, "not decided: {ends:?} {}", self.said());
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }

    /// The last lines that every instance said.
    pub(crate) fn said(&self) -> String {
        let entries = std::fs::read_dir(self.folder.path()).unwrap().flatten();
        let logs = entries.map(|entry| entry.path());
        let logs = logs.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
        logs.map(|path| {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(25).collect();
            let lines: Vec<_> = lines.into_iter().rev().collect();
            format!("\n== {}\n{}", path.display(), lines.join("\n"))
        })
        .collect()
    }
}

/// What was said is kept where a test failed, or where somebody asks for it.
impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("CONCLAVE_FAULTS_KEEP").is_some() {
            self.folder.disable_cleanup(true);
            eprintln!("kept: {}", self.folder.path().display());
        }
    }
}
