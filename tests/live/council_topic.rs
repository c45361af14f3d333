//! A council's file in the topic of artifacts: an instance that began with nothing takes it from
//! there and votes, and whoever has only the brokers' address proves the votes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::Broker;
use crate::served::{Served, command, request};
use crate::system_common::council;
use conclave::cli::source::SourceArguments;
use conclave::council::CouncilSeat;
use conclave::log::kafka::settings::{KafkaSettings, TopicNames};
use conclave::log::kafka::topics::{self, Wish};
use conclave::verify::{Verdict, verify};
use conclave::wire::decode_decision;
use conclave_core::command::TimeSource;
use conclave_core::decision::Event;
use serde_json::json;
use std::process::{Command, Output};

const PREFIX: &str = "council-topic";

/// `conclave council keep FILE --brokers …`
fn keep(broker: &Broker, file: &std::path::Path) -> Output {
    let mut keep = Command::new(env!("CARGO_BIN_EXE_conclave"));
    keep.args(["council", "keep"]).arg(file);
    keep.args(["--brokers", &broker.brokers(), "--prefix", PREFIX]).output().unwrap()
}

#[test]
fn an_instance_that_began_with_nothing_votes_with_a_council_from_the_topic() {
    let test = "an_instance_that_began_with_nothing_votes_with_a_council_from_the_topic";
    let Some(broker) = Broker::shared(test) else { return };
    let directory = tempfile::tempdir().unwrap();
    let (file, model) = (council::write(directory.path()), council::untrained_id());
    let early = keep(broker, &file);
    assert_eq!(early.status.code(), Some(2), "there is no topic yet: {early:?}");

    let topics = TopicNames::prefixed(PREFIX);
    let settings = KafkaSettings { topics, ..KafkaSettings::plain(&broker.brokers()) };
    let wish = Wish { source: TimeSource::LogAppend, partitions: Some(1), replication: None };
    topics::apply(&settings, &wish).unwrap();
    let kept = keep(broker, &file);
    assert!(kept.status.success(), "{kept:?}");

    let settings = format!(
        "[kafka]\nbrokers = ['{}']\nprefix = '{PREFIX}'\ngroup = '{PREFIX}'\ninstance_id = 'one'\n",
        broker.brokers()
    );
    let instance = Served::bare(tempfile::tempdir().unwrap(), &settings, &[]);
    instance.furnish();
    let policy = json!({"SetPoolPolicy": {"council": "enforce", "lease_max": "48h",
        "lease_grace": "0ms", "wait_bound": "1h", "defer_retry": "30m", "queue_max": 5000}});
    // The service takes the second one only when the council could sit.
    let seat = String::from_utf8(kept.stdout).unwrap();
    let line = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["payload"].take();
    let seat = seat.lines().map(line);
    for (number, payload) in [policy].into_iter().chain(seat).enumerate() {
        let mut sent = command(&format!("seat-{number}"), &payload);
        if number > 0 {
            sent["pool"] = json!("");
        }
        let decision = instance.decide(&sent);
        assert_eq!(decision["outcome"], "accepted", "{decision}");
    }
    instance.decide(&request("r1", "vision", 1, "1h"));
    drop(instance);

    let records = broker.committed(&format!("{PREFIX}.decisions"));
    let decisions = records.iter().map(|record| decode_decision(&record.value[5..]).unwrap());
    let votes = decisions.flat_map(|decision| decision.events).filter_map(|event| match event {
        Event::CouncilVoted(voted) => Some(voted.model),
        _ => None,
    });
    assert_eq!(votes.collect::<Vec<_>>(), [model]);

    let source = SourceArguments {
        log: None,
        archive: None,
        brokers: Some(broker.brokers()),
        prefix: Some(PREFIX.to_owned()),
        config: None,
        models: None,
    };
    let place = source.place().unwrap();
    let mut seat = CouncilSeat::new(source.councils(&place));
    let report = verify(&place.open(0).unwrap(), 0, &mut seat).unwrap();
    assert_eq!(report.verdict(), Verdict::Clean, "{report:?}");
}
