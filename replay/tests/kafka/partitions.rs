//! Several partitions: their decisions in the order of time, each proved, one asked for.

use crate::broker::Broker;
use crate::common::{Answer, ask, decide_all, opening, operator, story};
use crate::topics::Topics;
use conclave::log::{CommandRecord, LogReader as _};
use conclave::verify::chain_head;
use conclave_core::command::{OpenLog, Payload};
use conclave_core::partition::home_partition;
use conclave_core::units::PoolId;

const MINUTE_MS: i64 = 60_000;

fn open() -> CommandRecord {
    let open = OpenLog { partition_count: 2, ..opening() };
    operator(0, "open", Payload::OpenLog(open))
}

#[track_caller]
fn check_refused(answer: &Answer, said: &str) {
    assert_eq!((answer.code, answer.err.contains(said)), (2, true), "{answer:?}");
}

#[test]
fn several_partitions_are_merged_and_proved_one_by_one() {
    let Some(broker) = Broker::shared("several partitions") else { return };
    let topics = Topics::make(broker, "replay-several", 2);
    let home = home_partition(&PoolId::from("lab"), 2);
    let (busy, idle) = if home == 0 { (0, 1) } else { (1, 0) };
    let mut tale = story();
    tale[0] = open();
    let tick = |minute: i64| operator(minute * MINUTE_MS, &format!("tick-{minute}"), Payload::Tick);
    let ticks: Vec<_> = [open()].into_iter().chain([10, 20, 40].map(tick)).collect();
    let heads = [(busy, &tale), (idle, &ticks)].map(|(partition, commands)| {
        let log = decide_all(topics.log(partition), commands);
        (partition, log.ends().unwrap().head)
    });

    let merged = topics.replay("--from 0 --output json");
    let lines = merged.out.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<serde_json::Value> = lines.collect();
    assert_eq!((merged.code, lines.len()), (0, tale.len() + ticks.len()), "{merged:?}");
    let number = |line: &serde_json::Value, name: &str| line[name].as_i64().unwrap();
    let keys = lines
        .iter()
        .map(|line| (number(line, "time_ms"), number(line, "partition"), number(line, "offset")));
    assert!(keys.is_sorted(), "{merged:?}");
    let text = topics.replay("--from 0").out;
    assert!(text.contains(&format!("\n     {idle}:1  600000 ms")), "{text}");
    let of_one = topics.replay(&format!("--from {idle}:2"));
    assert_eq!((of_one.code, of_one.out.lines().count()), (0, 2), "{of_one:?}");

    let mut in_order = heads;
    in_order.sort_unstable_by_key(|(partition, _)| *partition);
    let head = chain_head(&in_order.map(|(_, head)| head)).to_string();
    let verified = topics.replay(&format!("verify --expect-head {head}"));
    assert_eq!(verified.code, 0, "{verified:?}");
    for wanted in [
        format!("chain_head          {head}"),
        format!("partition {busy}: 21 decisions, clean"),
        format!("partition {idle}: 4 decisions, clean"),
        "decisions           25".to_owned(),
        "the chain head is the expected one".to_owned(),
    ] {
        assert!(verified.out.contains(&wanted), "{wanted} in {verified:?}");
    }
    let other = "verify --output json --expect-head ".to_owned() + &"0".repeat(64);
    let other = topics.replay(&other);
    assert_eq!((other.code, other.json()["verdict"].as_str()), (1, Some("differs")), "{other:?}");
    let one = topics.replay(&format!("verify --partition {busy} --output json"));
    assert_eq!(one.json()["chain_head"], chain_head(&[heads[0].1]).to_string(), "{one:?}");

    check_refused(&topics.replay("state --at 3"), "the log has 2 partitions");
    check_refused(&topics.replay("why --request b-1"), "--partition");
    check_refused(&topics.replay("verify --partition 2"), "numbered 0 to 1");
    check_refused(&topics.replay("state --at 1:3 --partition 0"), "partitions 0 and 1 are named");
    let homely = topics.replay("state --at 20 --pool lab");
    let title = format!("state right after decision {busy}:20 ");
    assert!(homely.code == 0 && homely.out.starts_with(&title), "{homely:?}");
    let placed = topics.replay(&format!("state --at {idle}:1 --output json"));
    assert_eq!(placed.json()["partition"], idle, "{placed:?}");
    assert_eq!(topics.replay("why --request b-1 --pool lab").code, 0);
}

#[test]
fn a_mistyped_prefix_is_named_with_both_remedies() {
    let Some(broker) = Broker::shared("a mistyped prefix") else { return };
    let brokers = broker.brokers();
    let answer = ask("--from 0", &["--brokers", &brokers, "--prefix", "replay-sevral"]);
    check_refused(&answer, "no topics of the prefix 'replay-sevral'");
    check_refused(&answer, "--prefix, or kafka.prefix");
    check_refused(&answer, &format!("topics apply --brokers {brokers} --prefix replay-sevral"));
}
