//! A real Kafka of a test's own: one broker that is its own controller, on this machine alone.
//!
//! It starts in 3 to 5 s and takes 400 MB, so a test binary shares one ([`Broker::shared`]) and its
//! tests make topics of their own; only a test that stops, kills or configures a broker starts
//! another. The jars are what `dev/services fetch kafka` has put into the cache. Where they or Java
//! are missing, the test says SKIPPED.
#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "broker_process.rs"]
mod process;

use process::{Keeper, free_port, java, run_java};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, TopicPartitionList};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a broker may take to answer.
const START_MAX: Duration = Duration::from_secs(90);
/// How long a broker may take to stop by itself.
const STOP_MAX: Duration = Duration::from_secs(45);
/// How long one question to a broker may take.
pub(crate) const ASK_MAX: Duration = Duration::from_secs(20);
/// What `StorageTool` stamps a directory with.
const CLUSTER_ID: &str = "Y29uY2xhdmUtdGVzdHMtMQ";

/// What a test's log needs: small, quick to start and to notice what happens to its clients.
const PROPERTIES: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("controller.listener.names", "CONTROLLER"),
    ("inter.broker.listener.name", "PLAINTEXT"),
    ("auto.create.topics.enable", "false"),
    ("offsets.topic.num.partitions", "5"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.num.partitions", "5"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
    ("group.consumer.min.session.timeout.ms", "1000"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    // What docs/faults-kafka.md advises; a member's session is the broker's to say there.
    ("group.consumer.session.timeout.ms", "6000"),
    ("group.consumer.heartbeat.interval.ms", "500"),
    // A broker that was killed is not let in again before its session has ended.
    ("broker.heartbeat.interval.ms", "200"),
    ("broker.session.timeout.ms", "2000"),
    ("log.cleaner.dedupe.buffer.size", "4194304"),
    ("num.network.threads", "2"),
    ("num.io.threads", "4"),
];

/// How a broker differs from the usual one.
#[derive(Clone, Debug, Default)]
pub(crate) struct BrokerOptions {
    properties: Vec<(String, String)>,
    listeners: Vec<(String, String)>,
    /// Listeners whose clients are sent to another port of this machine.
    proxies: Vec<(String, u16)>,
    java: Vec<String>,
}

impl BrokerOptions {
    /// Sets a property of the broker; the last one of a name counts.
    pub(crate) fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a listener beside PLAINTEXT, on a port of its own: `("SECURE", "SASL_SSL")`. What it
    /// needs (`listener.name.secure.…`) are properties; [`Broker::listener`] is its address.
    pub(crate) fn listener(mut self, name: &str, protocol: &str) -> Self {
        self.listeners.push((name.to_owned(), protocol.to_owned()));
        self
    }

    /// Adds a listener whose clients are told that it is at `proxy`, a port of this machine: who
    /// listens there has to lead to [`Broker::listener`].
    pub(crate) fn listener_behind(mut self, name: &str, protocol: &str, proxy: u16) -> Self {
        self.proxies.push((name.to_owned(), proxy));
        self.listener(name, protocol)
    }

    /// Adds an argument for the Java machine: `-Djava.security…`.
    pub(crate) fn java(mut self, argument: &str) -> Self {
        self.java.push(argument.to_owned());
        self
    }
}

/// A record that readers of committed records see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// A broker. Dropped, it is killed and its directory goes; so it is when the test binary dies.
#[derive(Debug)]
pub(crate) struct Broker {
    process: Option<Keeper>,
    directory: TempDir,
    options: BrokerOptions,
    /// Name and port of each listener that clients may use.
    ports: Vec<(String, u16)>,
}

impl Broker {
    /// Whether a broker can be started here. Otherwise says on stderr that `test` is skipped, and
    /// what is missing: call it first, and return when it is false.
    pub(crate) fn is_possible(test: &str) -> bool {
        let Err(missing) = jars().and_then(|_| java()) else { return true };
        // Past the test harness, which would swallow it.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED {test}: {missing}").unwrap();
        false
    }

    /// The broker that all tests of this binary share, or none, said loudly, where none can be.
    pub(crate) fn shared(test: &str) -> Option<&'static Self> {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        let start = || Self::start(BrokerOptions::default());
        Self::is_possible(test).then(|| SHARED.get_or_init(start))
    }

    /// Starts a broker with an empty directory and waits until it answers.
    #[track_caller]
    pub(crate) fn start(options: BrokerOptions) -> Self {
        let directory = tempfile::Builder::new().prefix("conclave-kafka-").tempdir().unwrap();
        let named = options.listeners.iter().map(|(name, _)| name.as_str());
        let ports =
            ["PLAINTEXT"].into_iter().chain(named).map(|name| (name.to_owned(), free_port()));
        let ports = ports.collect();
        let mut broker = Self { process: None, directory, options, ports };
        fs::write(broker.file("server.properties"), broker.properties()).unwrap();
        let file = broker.file("server.properties");
        let format = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"];
        run_java(&jars().unwrap(), &format, &file);
        broker.start_again();
        broker
    }

    /// `HOST:PORT` for `bootstrap.servers`, without encryption and password.
    pub(crate) fn brokers(&self) -> String {
        self.listener("PLAINTEXT")
    }

    /// `HOST:PORT` of one of the listeners of [`BrokerOptions::listener`].
    pub(crate) fn listener(&self, name: &str) -> String {
        let found = self.ports.iter().find(|(listener, _)| listener == name);
        format!("127.0.0.1:{}", found.expect("a listener of the options").1)
    }

    /// What the broker has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("broker.log")).unwrap_or_default()
    }

    /// Stops it as an operator would; it hands over and writes everything.
    pub(crate) fn stop(&mut self) {
        self.process.take().expect("it runs").end("stop", STOP_MAX);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").end("kill", STOP_MAX);
    }

    /// Starts it again with the directory and the ports that it had.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let mut arguments = self.options.java.clone();
        let properties = self.file("server.properties").to_str().unwrap().to_owned();
        arguments.extend(["kafka.Kafka".to_owned(), properties]);
        let log = self.file("broker.log");
        self.process =
            Some(Keeper::start(&jars().unwrap(), &arguments, &log, self.directory.path()));
        self.wait_until_it_answers();
    }

    /// SIGSTOP: its connections stay open and nothing answers.
    pub(crate) fn pause(&self) {
        self.process.as_ref().expect("it runs").signal("STOP");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.process.as_ref().expect("it runs").signal("CONT");
    }

    /// Makes a topic and waits until it has leaders.
    #[track_caller]
    pub(crate) fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        topic.config = settings.to_vec();
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(ASK_MAX));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let created = runtime.block_on(admin.create_topics([&topic], &options)).unwrap();
        assert_eq!(created, [Ok(name.to_owned())], "the topic was not made");
        self.wait_until_it_answers();
    }

    /// Runs a Java program, one file of source, with this broker's address and `file`.
    #[track_caller]
    pub(crate) fn run_program(&self, source: &str, file: &Path) {
        run_java(&jars().unwrap(), &[source, &self.brokers()], file);
    }

    /// Every record of a topic that `read_committed` shows, as each partition has them in order.
    #[track_caller]
    pub(crate) fn committed(&self, topic: &str) -> Vec<Committed> {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", "reads-all")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), ASK_MAX).unwrap();
        let mut from = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            from.add_partition_offset(topic, partition.id(), rdkafka::Offset::Beginning).unwrap();
        }
        consumer.assign(&from).unwrap();
        let (mut records, mut open) = (Vec::new(), from.count());
        while open > 0 {
            match consumer.poll(ASK_MAX).expect("a record or an end in time") {
                Ok(record) => records.push(Committed {
                    partition: record.partition(),
                    offset: record.offset(),
                    key: record.key().unwrap_or_default().to_vec(),
                    value: record.payload().unwrap_or_default().to_vec(),
                }),
                Err(rdkafka::error::KafkaError::PartitionEOF(_)) => open -= 1,
                Err(error) => panic!("{topic}: {error}"),
            }
        }
        records
    }

    /// The settings that every client of this broker needs.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.brokers());
        // It comes back within seconds where a real one takes longer.
        client.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "250");
        client
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The text of `server.properties`.
    fn properties(&self) -> String {
        let controller = free_port();
        let address = |(name, port): &(String, u16)| format!("{name}://127.0.0.1:{port}");
        let listeners = self.ports.iter().map(address).collect::<Vec<_>>().join(",");
        let told = |(name, port): &(String, u16)| {
            let proxy = self.options.proxies.iter().find(|(behind, _)| behind == name);
            (name.clone(), proxy.map_or(*port, |(_, proxy)| *proxy))
        };
        let advertised = self.ports.iter().map(told).map(|one| address(&one));
        let advertised = advertised.collect::<Vec<_>>().join(",");
        let own = [("PLAINTEXT", "PLAINTEXT"), ("CONTROLLER", "PLAINTEXT")];
        let added = self.options.listeners.iter().map(|(name, is)| (name.as_str(), is.as_str()));
        let protocols = own.into_iter().chain(added).map(|(name, is)| format!("{name}:{is}"));
        let mut text = format!(
            "controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners={listeners},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners={advertised}\n\
             listener.security.protocol.map={}\n\
             log.dirs={}\n",
            protocols.collect::<Vec<_>>().join(","),
            self.file("data").display(),
        );
        let usual = PROPERTIES.iter().map(|(name, value)| (*name, *value));
        let given = self.options.properties.iter().map(|(name, value)| (&**name, &**value));
        usual.chain(given).for_each(|(name, value)| text += &format!("{name}={value}\n"));
        text
    }

    /// Waits until it is a broker with a leader for every partition.
    #[track_caller]
    fn wait_until_it_answers(&self) {
        let consumer: BaseConsumer = self.client().create().unwrap();
        let began = Instant::now();
        loop {
            let metadata = consumer.fetch_metadata(None, Duration::from_secs(1));
            let is_ready = metadata.is_ok_and(|metadata| {
                let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
                !metadata.brokers().is_empty() && partitions.all(|one| one.leader() >= 0)
            });
            if is_ready {
                return;
            }
            let has_ended = self.process.as_ref().is_none_or(Keeper::has_ended);
            let is_late = began.elapsed() > START_MAX;
            assert!(!has_ended && !is_late, "the broker does not answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end("kill", STOP_MAX);
        }
    }
}

/// The folder of Kafka's jars, or what to do about it.
fn jars() -> Result<PathBuf, String> {
    let cache = || {
        let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
        let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
        cache.join("conclave/services/kafka/jars")
    };
    let folder = std::env::var_os("CONCLAVE_KAFKA_JARS").map_or_else(cache, PathBuf::from);
    let is_kafka = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("kafka_");
    let mut entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let found = entries.any(is_kafka);
    let missing = || format!("no Kafka in {}: dev/services fetch kafka", folder.display());
    found.then(|| folder.clone()).ok_or_else(missing)
}
