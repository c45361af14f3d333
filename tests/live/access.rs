//! That each role may do what docs/security.md says, and no more: its own lines are given to a
//! broker with an authorizer, TLS and SASL.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker, BrokerOptions};
use conclave::config::Config;
use conclave::error::ErrorKind;
use conclave::log::kafka::settings::KafkaSettings;
use conclave::log::kafka::topics::{self, Wish};
use conclave::log::kafka::{Alone, KafkaLog, KafkaLogOptions};
use conclave::log::rocks::SnapshotStore;
use conclave_core::command::TimeSource;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;
use tempfile::TempDir;

const PASSWORD: &str = "correct-horse-battery";
const LIVE: Wish = Wish { source: TimeSource::LogAppend, partitions: Some(2), replication: None };

/// A broker that asks who is there.
pub(crate) struct Guarded {
    broker: Broker,
    pub(crate) folder: TempDir,
}

/// The certificate of a CA of this test, and a broker's that it signed.
pub(crate) fn make_certificates(folder: &Path) {
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 \
         -subj /CN=conclave-test-ca";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    make_certificate(folder, "broker", "-nodes");
}

/// A certificate for `name` that the folder's CA signs: NAME.key, NAME.crt, and both in NAME.pem.
/// `protection` is what openssl is told about the key.
pub(crate) fn make_certificate(folder: &Path, name: &str, protection: &str) {
    std::fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1").unwrap();
    let script = format!(
        "openssl req -newkey rsa:2048 {protection} -keyout {name}.key -out {name}.csr \
         -subj /CN={name} && chmod 600 {name}.key &&
         openssl x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
         -extfile san -out {name}.crt && cat {name}.key {name}.crt > {name}.pem"
    );
    let made = Command::new("sh").args(["-c", &script]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Users with their passwords, and the rights of docs/security.md, as `Access.java` reads them.
fn access() -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let text = std::fs::read_to_string(document).unwrap();
    let (_, lines) = text.split_once("<!-- acls: run by tests/live/access.rs -->").unwrap();
    let (lines, _) = lines.split_once("<!-- end -->").unwrap();
    let rights: Vec<_> = lines.lines().filter_map(|line| line.strip_prefix("$ACLS ")).collect();
    assert!(rights.len() > 5, "{lines}");
    let rights = rights.into_iter().map(|right| format!("acl {right}\n"));
    let roles = ["admin", "service", "producer", "reader"];
    let users = roles.map(|role| format!("user conclave-{role} {PASSWORD}\n"));
    users.into_iter().chain(rights).collect()
}

impl Guarded {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_certificates(folder.path());
        let keys = folder.path().join("broker.pem").display().to_string();
        let plain = format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_conclave-reader=\"{PASSWORD}\";"
        );
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
        let of_listener = |name: &str| format!("listener.name.secure.{name}");
        let of_mutual = |name: &str| format!("listener.name.mutual.{name}");
        let authority = folder.path().join("ca.pem").display().to_string();
        let options = BrokerOptions::default()
            .listener("SECURE", "SASL_SSL")
            .listener("MUTUAL", "SSL")
            .property("authorizer.class.name", authorizer)
            .property("allow.everyone.if.no.acl.found", "false")
            .property("super.users", "User:ANONYMOUS")
            .property(&of_listener("ssl.keystore.type"), "PEM")
            .property(&of_listener("ssl.keystore.location"), &keys)
            .property(&of_mutual("ssl.keystore.type"), "PEM")
            .property(&of_mutual("ssl.keystore.location"), &keys)
            .property(&of_mutual("ssl.truststore.type"), "PEM")
            .property(&of_mutual("ssl.truststore.location"), &authority)
            .property(&of_mutual("ssl.client.auth"), "required")
            .property(&of_mutual("ssl.principal.mapping.rules"), "RULE:^CN=(.*)$/$1/")
            .property(&of_listener("sasl.enabled.mechanisms"), "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512")
            .property(&of_listener("plain.sasl.jaas.config"), &plain)
            .property(&of_listener("scram-sha-256.sasl.jaas.config"), scram)
            .property(&of_listener("scram-sha-512.sasl.jaas.config"), scram);
        let broker = Broker::start(options);
        let file = folder.path().join("access");
        std::fs::write(&file, access()).unwrap();
        broker.run_program("tests/live/Access.java", &file);
        let guarded = Self { broker, folder };
        topics::apply(&guarded.settings("admin", "SCRAM-SHA-512", PASSWORD), &LIVE).unwrap();
        guarded
    }

    pub(crate) fn shared(test: &str) -> Option<&'static Self> {
        static SHARED: OnceLock<Guarded> = OnceLock::new();
        Broker::is_possible(test).then(|| SHARED.get_or_init(Self::start))
    }

    /// What a configuration file says whose client proves itself by what `identity` names.
    pub(crate) fn mutual(&self, name: &str, identity: &str) -> KafkaSettings {
        let file = self.folder.path().join(format!("{name}.toml"));
        let text = format!(
            "[kafka]\nbrokers = ['{}']\n[kafka.security]\nprotocol = 'tls'\nca_file = 'ca.pem'\n\
             {identity}",
            self.broker.listener("MUTUAL"),
        );
        std::fs::write(&file, text).unwrap();
        Config::read(&file).unwrap().kafka.settings().unwrap()
    }

    /// What a role's configuration file says.
    fn settings(&self, role: &str, mechanism: &str, password: &str) -> KafkaSettings {
        let folder = self.folder.path();
        let name = format!("{role}-{mechanism}-{}", password.len());
        let secret = folder.join(format!("{name}.password"));
        std::fs::write(&secret, format!("{password}\n")).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let file = folder.join(format!("{name}.toml"));
        let text = format!(
            "[kafka]\nbrokers = ['{}']\n[kafka.security]\nprotocol = 'sasl_tls'\n\
             ca_file = 'ca.pem'\nmechanism = '{mechanism}'\nuser = 'conclave-{role}'\n\
             password_file = '{name}.password'",
            self.broker.listener("SECURE"),
        );
        std::fs::write(&file, text).unwrap();
        Config::read(&file).unwrap().kafka.settings().unwrap()
    }

    fn role(&self, role: &str) -> KafkaSettings {
        self.settings(role, "SCRAM-SHA-512", PASSWORD)
    }
}

/// What became of a record.
#[derive(Default)]
struct Report(Mutex<Option<Result<(), RDKafkaErrorCode>>>);

impl ClientContext for Report {}

impl ProducerContext for Report {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        let report = report.as_ref().map(|_| ());
        let report = report.map_err(|(error, _)| error.rdkafka_error_code().unwrap());
        *self.0.lock().unwrap() = Some(report);
    }
}

pub(crate) fn send(mut client: ClientConfig, topic: &str) -> Result<(), RDKafkaErrorCode> {
    client.set("message.timeout.ms", "15000");
    let producer: BaseProducer<Report> = client.create_with_context(Report::default()).unwrap();
    let record = BaseRecord::<str, str>::to(topic).partition(1).key("lab").payload("value");
    producer.send(record).map_err(|(error, _)| error.rdkafka_error_code().unwrap())?;
    producer.flush(ASK_MAX).unwrap();
    producer.context().0.lock().unwrap().take().unwrap()
}

/// The next record of whatever `consumer` reads.
fn next(consumer: &BaseConsumer) -> Result<i64, RDKafkaErrorCode> {
    let began = Instant::now();
    loop {
        match consumer.poll(ASK_MAX) {
            Some(Ok(record)) => return Ok(record.offset()),
            // A group that is not there yet is asked for again.
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::CoordinatorNotAvailable,
            )))
            | None => assert!(began.elapsed() < 2 * ASK_MAX, "nothing is read"),
            Some(Err(error)) => return Err(error.rdkafka_error_code().unwrap()),
        }
    }
}

/// Reads as `replay` does: without joining a group.
pub(crate) fn read(settings: &KafkaSettings, topic: &str) -> Result<i64, RDKafkaErrorCode> {
    let mut client = settings.client("read");
    client.set("group.id", "conclave-nobody-joins-this").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = client.create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    loop {
        // Not to be told where the group is keeps nobody from reading.
        match next(&consumer) {
            Err(RDKafkaErrorCode::GroupAuthorizationFailed) => {}
            other => return other,
        }
    }
}

/// A consumer of `group`, and what came of its first poll.
fn join(settings: &KafkaSettings, group: &str) -> (BaseConsumer, Result<i64, RDKafkaErrorCode>) {
    let mut client = settings.client("decide");
    client.set("group.id", group).set("enable.auto.commit", "false");
    client.set("auto.offset.reset", "earliest").set("isolation.level", "read_committed");
    let consumer: BaseConsumer = client.create().unwrap();
    consumer.subscribe(&[settings.topics.commands.as_str()]).unwrap();
    let joined = next(&consumer);
    (consumer, joined)
}

fn transactional(settings: &KafkaSettings, id: &str) -> KafkaResult<BaseProducer> {
    let mut client = settings.client("decide");
    client.set("transactional.id", id);
    let producer: BaseProducer = client.create().unwrap();
    producer.init_transactions(ASK_MAX)?;
    Ok(producer)
}

#[test]
fn the_service_may_do_all_that_a_log_needs() {
    let name = "the_service_may_do_all_that_a_log_needs";
    let Some(guarded) = Guarded::shared(name) else { return };
    let service = guarded.role("service");
    topics::refuse_harm(&service, TimeSource::LogAppend).unwrap();
    let (consumer, joined) = join(&service, "conclave");
    let next = joined.unwrap() + 1;
    let snapshots = tempfile::tempdir().unwrap();
    let snapshots = Arc::new(SnapshotStore::open(snapshots.path()).unwrap());
    let member = Arc::new(Alone::new(&service, "conclave").unwrap());
    KafkaLog::open(KafkaLogOptions::new(&service, 1, snapshots), member, None).unwrap();
    let producer = transactional(&service, &service.topics.transactional_id(0)).unwrap();
    producer.begin_transaction().unwrap();
    for topic in [&service.topics.decisions, &service.topics.dead_letters] {
        let record = BaseRecord::<str, str>::to(topic).partition(0).key("lab").payload("value");
        producer.send(record).unwrap();
    }
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&service.topics.commands, 0, Offset::Offset(next)).unwrap();
    let group = consumer.group_metadata().unwrap();
    producer.send_offsets_to_transaction(&offsets, &group, ASK_MAX).unwrap();
    producer.commit_transaction(ASK_MAX).unwrap();
    assert_eq!(read(&service, &service.topics.decisions), Ok(0));
    assert_eq!(send(service.client("submit"), &service.topics.commands), Ok(()), "a Tick");
    assert_eq!(
        send(service.client("submit"), &service.topics.artifacts),
        Err(RDKafkaErrorCode::UnknownPartition)
    );

    let foreign = transactional(&service, "elses-0").map(|_| ()).unwrap_err();
    let code = RDKafkaErrorCode::TransactionalIdAuthorizationFailed;
    assert_eq!(foreign.rdkafka_error_code(), Some(code));
    let (_, other) = join(&service, "elses");
    assert_eq!(other, Err(RDKafkaErrorCode::GroupAuthorizationFailed));
    let mut elsewhere = service;
    elsewhere.topics = conclave::log::kafka::settings::TopicNames::prefixed("conclave.more");
    let made = topics::apply(&elsewhere, &LIVE).unwrap_err();
    assert_eq!(made.kind, ErrorKind::Unavailable);
    assert!(made.message.contains("docs/security.md"), "{made}");
}

#[test]
fn a_producer_writes_commands_and_nothing_else() {
    let name = "a_producer_writes_commands_and_nothing_else";
    let Some(guarded) = Guarded::shared(name) else { return };
    let producer = guarded.role("producer");
    let topics = &producer.topics;
    let refused = Err(RDKafkaErrorCode::TopicAuthorizationFailed);
    assert_eq!(send(producer.client("submit"), &topics.commands), Ok(()));
    let mut idempotent = producer.client("submit");
    idempotent.set("enable.idempotence", "true");
    assert_eq!(send(idempotent, &topics.commands), Ok(()), "idempotence needs no further right");
    for topic in [&topics.decisions, &topics.dead_letters, &topics.artifacts] {
        assert_eq!(send(producer.client("submit"), topic), refused, "{topic}");
    }
    assert_eq!(read(&producer, &topics.commands).map(drop), refused);
    let code = Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed);
    for id in ["mine".to_owned(), topics.transactional_id(1)] {
        let error = transactional(&producer, &id).map(|_| ()).unwrap_err();
        assert_eq!(error.rdkafka_error_code(), code, "{id}");
    }
}

#[test]
fn a_reader_reads_and_nothing_else() {
    let Some(guarded) = Guarded::shared("a_reader_reads_and_nothing_else") else { return };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let reader = guarded.settings("reader", mechanism, PASSWORD);
        assert_eq!(read(&reader, &reader.topics.commands), Ok(0), "{mechanism}");
    }
    let reader = guarded.role("reader");
    topics::refuse_harm(&reader, TimeSource::LogAppend).unwrap();
    let refused = Err(RDKafkaErrorCode::TopicAuthorizationFailed);
    for topic in [&reader.topics.commands, &reader.topics.decisions] {
        assert_eq!(send(reader.client("submit"), topic), refused, "{topic}");
    }
    let (_, joined) = join(&reader, "conclave");
    assert_eq!(
        joined,
        Err(RDKafkaErrorCode::GroupAuthorizationFailed),
        "offsets stay where they are"
    );
}

#[test]
fn the_admin_writes_no_decisions() {
    let Some(guarded) = Guarded::shared("the_admin_writes_no_decisions") else { return };
    let admin = guarded.role("admin");
    let again = topics::apply(&admin, &LIVE).unwrap();
    assert_eq!((again.created.len(), again.opened.len()), (0, 0));
    let refused = Err(RDKafkaErrorCode::TopicAuthorizationFailed);
    assert_eq!(send(admin.client("submit"), &admin.topics.decisions), refused);
    assert!(transactional(&admin, &admin.topics.transactional_id(0)).is_err());
}

#[test]
fn a_wrong_password_is_said_and_not_shown() {
    let Some(guarded) = Guarded::shared("a_wrong_password_is_said_and_not_shown") else { return };
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let wrong = guarded.settings("reader", mechanism, "hunter2-hunter2");
        let error = topics::check(&wrong, TimeSource::LogAppend).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        let said = error.to_string();
        assert!(said.to_lowercase().contains("authentication"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_broker_that_nobody_vouches_for_is_not_believed() {
    let name = "a_broker_that_nobody_vouches_for_is_not_believed";
    let Some(guarded) = Guarded::shared(name) else { return };
    let other = tempfile::tempdir().unwrap();
    make_certificates(other.path());
    let mut settings = guarded.role("reader");
    settings.security.tls.as_mut().unwrap().ca_file = Some(other.path().join("ca.pem"));
    let error = topics::check(&settings, TimeSource::LogAppend).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.to_string().contains("certificate verify failed"), "{error}");
}
