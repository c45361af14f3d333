//! Copies of a topic that somebody changed: every change is found, and its offset named.

use crate::broker::{ASK_MAX, Broker};
use crate::common::{Answer, STORY, decide_all, story};
use crate::topics::{Said, Topics, write};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use std::sync::OnceLock;

/// The story's commands and decisions as they stand in topics.
fn told(broker: &Broker) -> &'static (Vec<Said>, Vec<Said>) {
    static TOLD: OnceLock<(Vec<Said>, Vec<Said>)> = OnceLock::new();
    TOLD.get_or_init(|| {
        let topics = Topics::make(broker, "replay-damage", 1);
        decide_all(topics.log(0), &story());
        let names = &topics.settings.topics;
        let all = |topic: &str| topics.records(topic).iter().map(Said::of).collect();
        (all(&names.commands), all(&names.decisions))
    })
}

/// Copies the story under another name, with decisions that `change` made something else of, and
/// asks for the timeline and for a verification.
fn changed(broker: &Broker, name: &str, change: impl FnOnce(&mut Vec<Said>)) -> [Answer; 2] {
    let (commands, decisions) = told(broker);
    let mut decisions = decisions.clone();
    change(&mut decisions);
    let topics = Topics::make(broker, &format!("replay-damage-{name}"), 1);
    write(&topics, &topics.settings.topics.commands, commands);
    write(&topics, &topics.settings.topics.decisions, &decisions);
    ["--from 0 --output json", "verify --output json"].map(|arguments| topics.replay(arguments))
}

/// Exit codes, how many decisions the timeline shows, and what is said about which offset.
#[track_caller]
fn check(answers: [Answer; 2], codes: [i32; 2], shown: i64, said: &str) {
    let [timeline, verified] = answers;
    assert_eq!([timeline.code, verified.code], codes, "{timeline:?} {verified:?}");
    assert_eq!(timeline.out.lines().count(), usize::try_from(shown).unwrap(), "{timeline:?}");
    let all = format!("{}{}", verified.out, verified.err);
    assert!(all.contains(said), "{verified:?}");
}

#[test]
fn every_change_of_a_topic_is_found() {
    let Some(broker) = Broker::shared("changed topics") else { return };
    check(changed(broker, "none", |_| {}), [0, 0], STORY, "clean");
    let foreign = changed(broker, "foreign", |all| all.insert(10, Said::foreign()));
    assert_eq!(foreign[1].json()["should_end_before"], 10);
    check(foreign, [4, 4], 10, "record 10 of replay-damage-foreign.decisions-0");
    let last = changed(broker, "foreign-last", |all| all.push(Said::foreign()));
    check(last, [4, 4], STORY, "record 21 of replay-damage-foreign-last.decisions-0");
    let tampered = changed(broker, "tampered", |all| {
        let body = &mut all[10].value;
        let place = body.len() - 40;
        body[place] ^= 1;
    });
    assert_eq!(tampered[1].code, 1, "{tampered:?}");
    assert_eq!(tampered[1].json()["first_divergences"][0]["offset"], 10, "{tampered:?}");
    let missing = changed(broker, "missing", |all| drop(all.remove(10)));
    assert!(missing[0].err.contains("decision 10, which 11 follows"), "{missing:?}");
    check(missing, [4, 1], 10, "commands 10 to 10 have no decision");
    for (name, place) in [("repeated", 12), ("repeated-last", 21)] {
        let again = changed(broker, name, |all| all.insert(place, all[5].clone()));
        assert_eq!(again[1].code, 1, "{again:?}");
        assert_eq!(again[1].json()["duplicates"], 1, "{again:?}");
    }
}

#[test]
fn what_retention_deleted_is_not_passed_over() {
    let Some(broker) = Broker::shared("deleted records") else { return };
    let (commands, decisions) = told(broker);
    let topics = Topics::make(broker, "replay-deleted", 1);
    write(&topics, &topics.settings.topics.commands, commands);
    write(&topics, &topics.settings.topics.decisions, decisions);
    let admin: AdminClient<DefaultClientContext> =
        topics.settings.client("admin").create().unwrap();
    let mut before = TopicPartitionList::new();
    let topic = &topics.settings.topics.decisions;
    before.add_partition_offset(topic, 0, rdkafka::Offset::Offset(12)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(ASK_MAX));
    runtime.block_on(admin.delete_records(&before, &options)).unwrap();
    for arguments in ["--from 0", "--from 11", "verify", "state --at 20", "why --request b-1"] {
        let answer = topics.replay(arguments);
        assert_eq!((answer.code, &*answer.out), (4, ""), "{arguments}: {answer:?}");
        assert!(answer.err.contains("keeps decisions from offset 12 on"), "{answer:?}");
    }
    let left = topics.replay("--from 12 --output json");
    assert_eq!((left.code, left.out.lines().count()), (0, 9), "{left:?}");
}
