//! One workload, two logs, the same answers.

use crate::broker::Broker;
use crate::common::{STORY, ask, decide_all, replay, story, tell};
use crate::topics::{PATIENCE, Said, Topics};
use conclave::archive::{Archived, Plan, make};
use conclave::cli::source::Place;
use conclave::council::{Engines, keep_released};
use conclave::demo::{Scale, Source, run, run_on_kafka};
use conclave::log::LogReader as _;
use conclave::log::rocks::OpenOptions;
use conclave_core::command::PlacementPolicy;
use conclave_core::units::TimeMs;
use rdkafka::producer::Producer as _;
use std::path::Path;

/// Snapshots are of the machine that made them.
fn without_snapshots(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("snapshots_checked")).collect()
}

/// Each page says by which arguments it was made.
fn without_source(page: &str) -> String {
    let (before, rest) = page.split_once("\"source\":").unwrap();
    let (_, after) = rest.split_once(",\"decisions\":").unwrap();
    format!("{before}{after}")
}

#[test]
fn a_demo_under_networks_is_proved_by_whoever_knows_the_brokers_alone() {
    let Some(broker) = Broker::shared("a demo under networks on topics") else { return };
    let placement = PlacementPolicy::BestFit;
    let scale = Scale { nodes_permille: 50, time_permille: None, placement };
    let snapshots = tempfile::tempdir().unwrap();
    let council = keep_released(snapshots.path()).unwrap();
    let workload = scale.apply(&Source::synthetic(42, 100)).under_council(council);
    let topics = Topics::make(broker, "replay-networks", 1);
    let demo =
        || run_on_kafka(&Engines::cpu(), &workload, &topics.settings, snapshots.path(), |_, _| {});
    let made = demo().unwrap();
    let proved = topics.replay(&format!("verify --expect-head {}", made.chain_head));
    assert_eq!(proved.code, 0, "{proved:?}");
    // It goes on with a council that is there already.
    assert_eq!(demo().unwrap().chain_head, made.chain_head);
}

#[test]
fn a_demo_reads_the_same_from_topics_as_from_a_directory() {
    let Some(broker) = Broker::shared("a demo on topics and in a directory") else { return };
    let placement = PlacementPolicy::BestFit;
    let scale = Scale { nodes_permille: 50, time_permille: None, placement };
    let workload = scale.apply(&Source::synthetic(42, 400));
    let (embedded, snapshots) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = OpenOptions::default();
    let here = run(&workload, embedded.path(), &options, |_, _| {}).unwrap();
    let topics = Topics::make(broker, "replay-same", 1);
    let there =
        run_on_kafka(&Engines::cpu(), &workload, &topics.settings, snapshots.path(), |_, _| {})
            .unwrap();
    assert_eq!(here.chain_head, there.chain_head);
    for arguments in [
        "--from 0",
        "--from 0 --output json",
        "--from 100 --until 300 --kind LeaseGranted",
        "verify",
        "verify --until 282",
        "state --at 0",
        "state --at 300",
        "why --request job-00042",
        "why --request job-00042 --at 300",
    ] {
        let (here, there) = (replay(embedded.path(), arguments), topics.replay(arguments));
        assert_eq!((here.code, there.code), (0, 0), "{arguments}: {here:?} {there:?}");
        assert_eq!(without_snapshots(&here.out), without_snapshots(&there.out), "{arguments}");
    }
    let page = |name: &str| embedded.path().join(name);
    let html = |name: &str| format!("timeline --from 200 --html {}", page(name).display());
    assert_eq!(replay(embedded.path(), &html("here.html")).code, 0);
    assert_eq!(topics.replay(&html("there.html")).code, 0);
    let read = |name: &str| without_source(&std::fs::read_to_string(page(name)).unwrap());
    assert!(read("here.html") == read("there.html"), "the pages differ");
    check_archive(&topics, &embedded.path().join("archive"));
}

/// What is archived from topics is answered alike, by a program that is told of no brokers.
#[track_caller]
fn check_archive(topics: &Topics, to: &Path) {
    let place = Place::Topics(Box::new(topics.settings.clone()), 1);
    let plan = Plan {
        models: conclave::council::Models::in_dirs([]),
        to,
        origin: place.origin(),
        partition_count: 1,
        partitions: vec![(0, None)],
        schemas: vec![],
        made_at: TimeMs(0),
    };
    let made = make(&plan, |partition| place.open(partition)).unwrap();
    assert!(matches!(made, Archived::Made { .. }));
    for arguments in [
        "--from 0 --output json",
        "verify --output json",
        "state --at 300 --output json",
        "why --request job-00042 --output json",
    ] {
        let here = ask(arguments, &["--archive", to.to_str().unwrap()]);
        let there = topics.replay(arguments);
        assert_eq!((here.code, there.code), (0, 0), "{arguments}: {here:?} {there:?}");
        assert_eq!(here.out, there.out, "{arguments}");
    }
}

#[test]
fn an_object_names_its_partition_on_topics_only() {
    let Some(broker) = Broker::shared("partitions in JSON") else { return };
    let (directory, topics) =
        (tempfile::tempdir().unwrap(), Topics::make(broker, "replay-json", 1));
    tell(directory.path());
    decide_all(topics.log(0), &story());
    for arguments in ["verify", "state --at 20", "why --request b-2"] {
        let arguments = format!("{arguments} --output json");
        let (here, there) = (replay(directory.path(), &arguments), topics.replay(&arguments));
        assert!(here.json().get("partition").is_none(), "{here:?}");
        assert_eq!(there.json()["partition"], 0, "{there:?}");
    }
}

/// Commands of several transactions: marks stand between them.
#[test]
fn an_offset_without_a_decision_is_answered_by_the_one_before_it() {
    let Some(broker) = Broker::shared("holes among offsets") else { return };
    let topics = Topics::make(broker, "replay-holes", 1);
    let plain = Topics::make(broker, "replay-holes-plain", 1);
    decide_all(plain.log(0), &story());
    let commands = plain.records(&plain.settings.topics.commands);
    let producer = topics.producer(Some("replay-holes-sender"));
    producer.init_transactions(PATIENCE).unwrap();
    for commands in commands.chunks(5) {
        producer.begin_transaction().unwrap();
        let topic = &topics.settings.topics.commands;
        commands.iter().for_each(|command| Said::of(command).send(&producer, topic));
        producer.commit_transaction(PATIENCE).unwrap();
    }
    let log = decide_all(topics.log(0), &[]);
    // 0 to 4, a mark, 6 to 10, a mark.
    assert_eq!(log.ends().unwrap().decisions_next.0, STORY + 4);
    drop(log);
    let (hole, before) = (topics.replay("state --at 11"), topics.replay("state --at 10"));
    assert_eq!((hole.code, before.code), (0, 0), "{hole:?} {before:?}");
    assert_eq!(hole.out, before.out);
    assert!(hole.err.contains("no decision 11: 10 is the one before it"), "{hole:?}");
    assert!(!before.err.contains("there is no decision"), "{before:?}");
    let why = topics.replay("why --request b-1 --at 11 --output json");
    assert_eq!((why.code, why.json()["as_of"]["offset"].as_i64()), (0, Some(10)), "{why:?}");
    for arguments in ["verify", "verify --until 5", "--from 5", "--from 0"] {
        let answer = topics.replay(arguments);
        assert_eq!(answer.code, 0, "{arguments}: {answer:?}");
    }
    assert!(topics.replay("--from 5 --output json").out.starts_with(r#"{"offset":6,"#));
}
