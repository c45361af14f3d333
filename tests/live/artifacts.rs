//! What one instance learnt of the registry is known to another one that begins with nothing while
//! the registry is down, and to whoever proves or archives the log.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker};
use crate::registry_common::StandIn;
use crate::served::Served;
use crate::system_common::{command, quota};
use conclave::archive::{Archived, Plan, make};
use conclave::cli::source::SourceArguments;
use conclave::log::kafka::settings::{KafkaSettings, SchemaIds, TopicNames};
use conclave::log::kafka::topics::{self, Artifacts, Wish};
use conclave::registry::{Shared as _, shared_texts};
use conclave::verify::{Scope, verify_with_progress};
use conclave::wire::schemas::{COMMAND_SCHEMA, COMMAND_SCHEMAS, DECISION_SCHEMA};
use conclave::wire::{decode_decision, encode_command, fingerprint};
use conclave_core::command::TimeSource;
use conclave_core::decision::Outcome;
use conclave_core::seat::RuleSeat;
use conclave_core::units::{PoolId, TimeMs};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::time::{Duration, Instant};

const PREFIX: &str = "artifacts";
const POOL: &str = "lab";
/// How long a service may take to begin, and to decide.
const WITHIN: Duration = Duration::from_secs(40);

/// Our schema as a later release may have it: its datum is ours and a zero.
fn newer() -> String {
    let field = r#"{"name": "later", "type": "long", "default": 0}"#;
    let mut schema: serde_json::Value = serde_json::from_str(COMMAND_SCHEMA).unwrap();
    schema["fields"].as_array_mut().unwrap().push(serde_json::from_str(field).unwrap());
    schema.to_string()
}

/// A registry that knows our schemas from 700 on, and a newer one last.
fn registry() -> (StandIn, SchemaIds, u32) {
    let stand_in = StandIn::start(700);
    let commands = format!("{PREFIX}.commands-value");
    let ids = COMMAND_SCHEMAS.map(|text| stand_in.register(&commands, text));
    let decisions = stand_in.register(&format!("{PREFIX}.decisions-value"), DECISION_SCHEMA);
    let later = stand_in.register("later", &newer());
    (stand_in, SchemaIds { commands: ids, decisions }, later)
}

/// An instance that begins with an empty data directory.
fn instance(broker: &Broker, registry: &StandIn) -> Served {
    let (brokers, url) = (broker.brokers(), registry.url());
    let settings = format!(
        "[kafka]\nbrokers = ['{brokers}']\nprefix = '{PREFIX}'\ngroup = '{PREFIX}'\n\
         instance_id = 'one'\n[kafka.registry]\nurl = '{url}'\n"
    );
    Served::bare(tempfile::tempdir().unwrap(), &settings, &[])
}

/// Posts what a client of a newer release would.
fn post(broker: &Broker, id: &str, schema: u32) {
    let mut sent = command(id, quota("vision", 0, 8));
    sent.pool = PoolId::from(POOL);
    let mut value = encode_command(&sent);
    value[1..5].copy_from_slice(&schema.to_be_bytes());
    value.push(0);
    let producer: BaseProducer = broker.client().create().unwrap();
    let topic = format!("{PREFIX}.commands");
    let record = BaseRecord::to(&topic).partition(0).key(POOL).payload(&value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(ASK_MAX).unwrap();
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < WITHIN, "{what}: not within {WITHIN:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether the command has a decision that accepts it.
fn is_accepted(broker: &Broker, id: &str) -> bool {
    let records = broker.committed(&format!("{PREFIX}.decisions"));
    let decisions = records.iter().map(|record| decode_decision(&record.value[5..]).unwrap());
    let mut of_it = decisions.filter(|decision| &*decision.command_id.0 == id);
    of_it.next().is_some_and(|decision| matches!(decision.outcome, Outcome::Accepted))
}

#[test]
fn what_one_instance_learnt_another_one_knows_without_the_registry() {
    let test = "what_one_instance_learnt_another_one_knows_without_the_registry";
    let Some(broker) = Broker::shared(test) else { return };
    let (mut stand_in, schema_ids, later) = registry();
    let topics = TopicNames::prefixed(PREFIX);
    let settings = KafkaSettings { topics, schema_ids, ..KafkaSettings::plain(&broker.brokers()) };
    let wish = Wish { source: TimeSource::LogAppend, partitions: Some(1), replication: None };
    topics::apply(&settings, &wish).unwrap();

    let mut first = instance(broker, &stand_in);
    until("the log is opened", || !broker.committed(&format!("{PREFIX}.decisions")).is_empty());
    first.furnish_pool(POOL);
    post(broker, "later-1", later);
    until("a newer command is decided", || is_accepted(broker, "later-1"));
    let artifacts = Artifacts::of(&settings);
    let name = fingerprint(&newer()).unwrap().to_string();
    until("its schema is shared", || artifacts.read().unwrap().contains_key(&name));
    first.signal("TERM");
    assert!(first.ended(), "it ended well");
    stand_in.stop();

    let second = instance(broker, &stand_in);
    post(broker, "later-2", later);
    until("another instance decides without the registry", || is_accepted(broker, "later-2"));
    drop(second);

    // Somebody else, on a machine that has nothing but the brokers' address.
    let source = SourceArguments {
        log: None,
        archive: None,
        brokers: Some(broker.brokers()),
        prefix: Some(PREFIX.to_owned()),
        config: None,
        models: None,
    };
    let place = source.place().unwrap();
    let kept = source.schemas(&place).unwrap();
    let scope = Scope { schemas: kept.as_deref(), ..Scope::default() };
    let log = place.open(0).unwrap();
    let report = verify_with_progress(&log, 0, &mut RuleSeat, &scope, |_| {}).unwrap();
    assert!(report.is_clean() && report.decisions >= 7, "{report:?}");
    let directory = tempfile::tempdir().unwrap();
    let plan = Plan {
        to: &directory.path().join("archive"),
        origin: place.origin(),
        partition_count: 1,
        partitions: vec![(0, None)],
        schemas: shared_texts(&artifacts).unwrap(),
        models: conclave::council::Models::in_dirs([]),
        made_at: TimeMs(0),
    };
    let Archived::Made { file, .. } = make(&plan, |partition| place.open(partition)).unwrap()
    else {
        panic!("refused");
    };
    assert!(file.manifest().schemas.contains(&name), "{:?}", file.manifest());
    assert_eq!(file.manifest().partitions[0].decisions, report.decisions);
}
