//! The programs of `examples/kafka`, whose clients are not ours: what they post can be read, lies
//! in its pool's partition and is accepted, and what is decided reaches them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker, Committed};
use crate::registry_common::StandIn;
use crate::system_common::{Partition, bytes, open_log};
use conclave::wire::schemas::{COMMAND_SCHEMA_ID, DECISION_SCHEMA};
use conclave_core::decision::Outcome;
use conclave_core::partition::home_partition;
use conclave_core::units::PoolId;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// More than one, or no partitioner could be wrong.
const PARTITIONS: i32 = 12;
/// A pool that librdkafka's own partitioner would put elsewhere: into 0 instead of 11.
const POOL: &str = "lab";

fn skipped(test: &str, why: &str) {
    // Past the test harness, which would swallow it.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED {test}: {why}").unwrap();
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A Python that has Confluent's client, where dev/test puts it.
fn python() -> Option<PathBuf> {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    let python = cache.join("conclave/tools/confluent-kafka/bin/python");
    let import = ["-c", "import confluent_kafka.schema_registry.avro"];
    let asked = Command::new(&python).args(import).output();
    asked.is_ok_and(|answer| answer.status.success()).then_some(python)
}

/// The topics of a prefix, and a registry that gives our schema the number that we give it.
fn prepared(broker: &Broker, prefix: &str) -> StandIn {
    for role in ["commands", "decisions"] {
        broker.create_topic(&format!("{prefix}.{role}"), PARTITIONS, &[]);
    }
    StandIn::start(COMMAND_SCHEMA_ID)
}

/// Waits until `count` commands are there.
#[track_caller]
fn posted(broker: &Broker, prefix: &str, count: usize, program: &mut Child) -> Vec<Committed> {
    let began = Instant::now();
    loop {
        let commands = broker.committed(&format!("{prefix}.commands"));
        if commands.len() >= count {
            return commands;
        }
        let ended = program.try_wait().unwrap().filter(|status| !status.success());
        let is_late = began.elapsed() > 3 * ASK_MAX;
        assert!(ended.is_none() && !is_late, "{} commands, program: {ended:?}", commands.len());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Checks where the commands lie, and that a fresh log accepts all of them; gives its decisions.
#[track_caller]
fn accepted(commands: &[Committed]) -> Vec<Vec<u8>> {
    let home = home_partition(&PoolId::from(POOL), i64::from(PARTITIONS));
    for command in commands {
        assert_eq!(command.key, POOL.as_bytes());
        assert_eq!(i64::from(command.partition), home, "the partition of another partitioner");
    }
    let mut partition = Partition::empty();
    partition.send(0, open_log());
    let record = |one: &Committed| bytes(0, &one.key, one.value.clone());
    for decision in partition.records(&commands.iter().map(record).collect::<Vec<_>>()) {
        assert!(matches!(decision.outcome, Outcome::Accepted), "{decision:?}");
    }
    let bodies = partition.disk.all_decisions().into_iter().map(|record| record.body);
    bodies.skip(1).collect() // The first one opened the log.
}

/// Publishes decisions as the service does: framed, beside their commands, with their offsets.
fn publish(broker: &Broker, topic: &str, id: u32, commands: &[Committed], bodies: &[Vec<u8>]) {
    let producer: BaseProducer = broker.client().set("transactional.id", topic).create().unwrap();
    producer.init_transactions(ASK_MAX).unwrap();
    // The first round is aborted: nobody may see it, and whoever does cannot read it.
    for is_aborted in [true, false] {
        producer.begin_transaction().unwrap();
        for (command, body) in commands.iter().zip(bodies) {
            let id = if is_aborted { u32::MAX >> 1 } else { id };
            let value = [&[0], &id.to_be_bytes()[..], body].concat();
            let offset = command.offset.to_string();
            let header = Header { key: "command_offset", value: Some(&offset) };
            let record = BaseRecord::to(topic).partition(command.partition).key(&command.key);
            let record = record.payload(&value).headers(OwnedHeaders::new().insert(header));
            producer.send(record).unwrap();
        }
        producer.flush(ASK_MAX).unwrap();
        if is_aborted {
            producer.abort_transaction(ASK_MAX).unwrap();
        } else {
            producer.commit_transaction(ASK_MAX).unwrap();
        }
    }
}

#[test]
fn confluents_python_client_posts_and_hears() {
    const NAME: &str = "confluents_python_client_posts_and_hears";
    let Some(broker) = Broker::shared(NAME) else { return };
    let Some(python) = python() else {
        return skipped(NAME, "no Python with confluent-kafka: dev/test makes one");
    };
    let registry = prepared(broker, "py");
    let mut program = Command::new(python)
        .arg(in_repository("examples/kafka/post.py"))
        .args(["--brokers", &broker.brokers(), "--registry", &registry.url()])
        .args(["--prefix", "py", "--pool", POOL, "--wait", "60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let commands = posted(broker, "py", 5, &mut program);
    let bodies = accepted(&commands);
    let id = registry.register("py.decisions-value", DECISION_SCHEMA);
    publish(broker, "py.decisions", id, &commands, &bodies);
    let ended = program.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(said.matches("Accepted").count(), 5, "{said}");
}

#[test]
fn kafkas_java_client_with_plain_avro_posts() {
    const NAME: &str = "kafkas_java_client_with_plain_avro_posts";
    let Some(broker) = Broker::shared(NAME) else { return };
    if !in_repository("examples/kafka/java/target/classes/Post.class").exists() {
        return skipped(
            NAME,
            "dev/test fetches what it needs (mvn -q -f examples/kafka/java compile)",
        );
    }
    let registry = prepared(broker, "java");
    let arguments = [&broker.brokers(), &registry.url(), "java", POOL].map(String::from);
    let mut program = Command::new("mvn")
        .args(["--offline", "--quiet", "--file", "examples/kafka/java", "compile", "exec:java"])
        .arg(format!("-Dexec.args={}", arguments.join(" ")))
        .current_dir(in_repository(""))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let commands = posted(broker, "java", 4, &mut program);
    assert!(program.wait().unwrap().success());
    assert_eq!(accepted(&commands).len(), 4);
}
