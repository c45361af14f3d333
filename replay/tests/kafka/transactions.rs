//! What transactions left that were not committed is shown on request, and proves nothing.

use crate::broker::Broker;
use crate::common::{STORY, decide_all, story};
use crate::topics::{PATIENCE, Said, Topics};
use rdkafka::producer::Producer as _;

#[test]
fn aborted_and_open_records_are_shown_on_request_and_never_folded() {
    let Some(broker) = Broker::shared("transactions that were not committed") else { return };
    let topics = Topics::make(broker, "replay-aborted", 1);
    let half = 10;
    let log = decide_all(topics.log(0), &story()[..half]);
    drop(log);
    let topic = &topics.settings.topics.decisions;
    let last = topics.records(topic).pop().unwrap();
    let begin = |id: &str| {
        let producer = topics.producer(Some(id));
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        Said::of(&last).send(&producer, topic);
        Said::foreign().send(&producer, topic);
        producer.flush(PATIENCE).unwrap();
        producer
    };
    begin("replay-aborted-1").abort_transaction(PATIENCE).unwrap();
    decide_all(topics.log(0), &story()[half..]);
    let open = begin("replay-aborted-2");

    let committed = topics.replay("--from 0");
    assert_eq!((committed.code, committed.out.contains("  [")), (0, false), "{committed:?}");
    let everything = topics.replay("--from 0 --isolation read_uncommitted");
    assert_eq!(everything.code, 0, "{everything:?}");
    assert!(everything.err.contains("2 records of no committed transaction"), "{everything:?}");
    assert!(everything.err.contains("an aborted record is no decision"), "{everything:?}");
    let marked = |mark: &str| everything.out.lines().filter(|line| line.ends_with(mark)).count();
    assert_eq!((marked("  [aborted]"), marked("  [open]")), (1, 1), "{everything:?}");

    let json = topics.replay("--from 0 --isolation read_uncommitted --output json");
    let lines = json.out.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<serde_json::Value> = lines.collect();
    let seen: Vec<_> = lines.iter().map(|line| line["transaction"].as_str().unwrap()).collect();
    let mut wanted = vec!["committed"; usize::try_from(STORY).unwrap() + 2];
    (wanted[half], wanted[seen.len() - 1]) = ("aborted", "open");
    assert_eq!(seen, wanted);
    assert_eq!((&lines[half]["offset"], &lines[half + 1]["offset"]), (&9.into(), &10.into()));
    let some = topics.replay("--from 10 --until 12 --isolation read_uncommitted --output json");
    assert_eq!(some.out.lines().count(), 3, "{some:?}");

    let verified = topics.replay("verify --output json");
    assert_eq!((verified.code, &verified.json()["verified"]), (0, &STORY.into()), "{verified:?}");
    open.abort_transaction(PATIENCE).unwrap();
    let refused =
        crate::common::replay(std::path::Path::new("."), "--from 0 --isolation read_uncommitted");
    assert_eq!(refused.code, 2, "{refused:?}");
}
