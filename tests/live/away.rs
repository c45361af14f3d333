//! Kafka is away, and the service is killed meanwhile: what was accepted is decided once.
//!
//! `CONCLAVE_AWAY_S` says for how many seconds (20); `dev/faults` takes two minutes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{Broker, BrokerOptions};
use crate::served::{Served, request};
use crate::wire::{Answer, Wire};
use conclave::log::kafka::settings::{KafkaSettings, TopicNames};
use conclave::log::kafka::topics::{self, Wish};
use conclave::wire::decode_decision;
use conclave_core::command::TimeSource;
use conclave_core::decision::{Decision, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 4;
const POOLS: [&str; 4] = ["lab", "main", "night", "vision"];
/// Who submit at once, and how many commands each.
const SENDERS: usize = 20;
const EACH: usize = 500;
/// What the outbox holds: all of these, what a kill makes it send twice, and a few more.
const OUTBOX_MAX: usize = 10_200;
/// How long the brokers may take to be heard of again, and all to be decided.
const DECIDED_WITHIN: Duration = Duration::from_secs(120);

fn away() -> Duration {
    let seconds = std::env::var("CONCLAVE_AWAY_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

fn serve(broker: &Broker, prefix: &str, outbox_max: usize) -> Served {
    let topics = TopicNames::prefixed(prefix);
    let settings = KafkaSettings { topics, ..KafkaSettings::plain(&broker.brokers()) };
    let wish =
        Wish { source: TimeSource::LogAppend, partitions: Some(PARTITIONS), replication: None };
    topics::apply(&settings, &wish).unwrap();
    let brokers = broker.brokers();
    let settings = format!(
        "[http]\nrequest_timeout_ms = 3000\n[kafka]\nbrokers = ['{brokers}']\nprefix = '{prefix}'\n\
         group = '{prefix}'\ninstance_id = 'one'\noutbox_commands_max = {outbox_max}\n"
    );
    let served = Served::bare(tempfile::tempdir().unwrap(), &settings, &[]);
    // What is refused is not remembered: each attempt is a command of its own.
    let mut attempts = 0..;
    until("the service decides", Duration::from_secs(30), || {
        let first = format!("first-{}", attempts.next().unwrap());
        let answer = served.post("application/json", &json_of(&first, "lab", "first").to_string());
        answer.status == 200
    });
    for pool in POOLS {
        served.furnish_pool(pool);
    }
    served
}

#[track_caller]
fn until(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < within, "{what}: not within {within:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn json_of(id: &str, pool: &str, name: &str) -> Value {
    let mut sent = request(name, "vision", 1, "1h");
    (sent["command_id"], sent["pool"]) = (json!(id), json!(pool));
    sent
}

/// The `number`th command of a sender; one sender has one pool.
fn json_by(sender: usize, number: usize) -> Value {
    let name = format!("r-{sender}-{number}");
    json_of(&format!("c-{sender}-{number}"), POOLS[sender % POOLS.len()], &name)
}

fn post(wire: &mut Wire, wait: &str, body: &Value) -> std::io::Result<Answer> {
    let (path, body) = (format!("/v1/commands?wait={wait}"), body.to_string());
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    wire.send(&[head.as_bytes(), body.as_bytes()].concat());
    wire.answer()
}

/// Every sender goes on where it was, until it has sent `each` or nobody answers any more; a
/// service that has accepted `kill_after` of them is killed.
fn submit(served: &Served, next: &mut [usize], each: usize, kill_after: usize) -> Duration {
    let (began, accepted) = (Instant::now(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for (sender, next) in next.iter_mut().enumerate() {
            let accepted = &accepted;
            scope.spawn(move || {
                let mut wire = served.wire();
                while *next < each {
                    let Ok(answer) = post(&mut wire, "accepted", &json_by(sender, *next)) else {
                        return;
                    };
                    assert_eq!(answer.status, 202, "{answer:?}");
                    assert!(answer.json()["position"].is_i64(), "{answer:?}");
                    *next += 1;
                    if accepted.fetch_add(1, Ordering::SeqCst) + 1 == kill_after {
                        served.signal("KILL");
                    }
                }
            });
        }
    });
    began.elapsed()
}

/// Commands in the outbox.
fn held(served: &Served) -> usize {
    let metrics = served.get("/metrics").body;
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("conclave_outbox_commands_count "));
    line.unwrap().parse().unwrap()
}

/// How a part of the service says that it stands.
fn part(served: &Served, name: &str) -> (u16, String) {
    let answer = served.get("/readyz");
    let json = answer.json();
    let parts = json["parts"].as_array().unwrap();
    let found = parts.iter().find(|part| part["part"] == name);
    (answer.status, found.unwrap()["state"].as_str().unwrap().to_owned())
}

/// Decisions in their partitions' order.
fn decisions(broker: &Broker, prefix: &str) -> Vec<Decision> {
    let records = broker.committed(&format!("{prefix}.decisions"));
    records.iter().map(|record| decode_decision(&record.value[5..]).unwrap()).collect()
}

fn is_repeated(decision: &Decision) -> bool {
    matches!(decision.outcome, Outcome::Duplicate(_))
}

/// That no command has two decisions, repetitions left out; how many decisions there are without
/// them, and how many repetitions.
#[track_caller]
fn check_once(decisions: &[Decision]) -> (usize, usize) {
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for decision in decisions.iter().filter(|decision| !is_repeated(decision)) {
        *counts.entry((&decision.pool, &decision.command_id)).or_default() += 1;
    }
    // What is said of the log itself has no pool, and is not remembered.
    let twice = counts.iter().find(|((pool, _), count)| !pool.0.is_empty() && **count > 1);
    assert_eq!(twice, None, "decided twice");
    let about_pools = counts.keys().filter(|(pool, _)| !pool.0.is_empty()).count();
    (about_pools, decisions.iter().filter(|decision| is_repeated(decision)).count())
}

/// The numbers of each sender's commands, in the order of their decisions.
fn in_order(decisions: &[Decision]) -> Vec<Vec<usize>> {
    let mut numbers = vec![Vec::new(); SENDERS];
    for decision in decisions.iter().filter(|decision| !is_repeated(decision)) {
        let id = &*decision.command_id.0;
        if let Some((sender, number)) = id.strip_prefix("c-").and_then(|id| id.split_once('-')) {
            numbers[sender.parse::<usize>().unwrap()].push(number.parse().unwrap());
        }
    }
    numbers
}

#[test]
fn what_is_accepted_while_kafka_is_away_is_decided_once() {
    let test = "what_is_accepted_while_kafka_is_away_is_decided_once";
    if !Broker::is_possible(test) {
        return;
    }
    let (mut broker, prefix) = (Broker::start(BrokerOptions::default()), "away");
    let mut served = serve(&broker, prefix, OUTBOX_MAX);
    let (before, _) = check_once(&decisions(&broker, prefix));
    let mut next = vec![0; SENDERS];
    std::thread::scope(|scope| {
        scope.spawn(|| submit(&served, &mut next, EACH / 5, usize::MAX));
        // Some are under way then, and nobody knows what became of them.
        std::thread::sleep(Duration::from_millis(100));
        broker.kill();
    });
    let stopped = Instant::now();

    submit(&served, &mut next, EACH, SENDERS * EACH / 3);
    let first_part: usize = next.iter().sum();
    assert!(!served.ended(), "it was killed");
    served.start_again();
    println!("{first_part} were accepted before the kill; it started again without brokers");
    let rest = submit(&served, &mut next, EACH, usize::MAX);
    let after_kill = SENDERS * EACH - first_part;
    println!("{after_kill} more were accepted within {rest:?}, each durable");
    assert_eq!(part(&served, "brokers"), (200, "away".to_owned()));

    let (mut wire, mut more) = (served.wire(), 0);
    let full = loop {
        let sent = json_of(&format!("more-{more}"), "lab", &format!("more-{more}"));
        let answer = post(&mut wire, "accepted", &sent).unwrap();
        if answer.status != 202 {
            break answer;
        }
        more += 1;
    };
    assert_eq!((full.status, full.header("retry-after")), (429, Some("5")), "{full:?}");
    assert_eq!(part(&served, "outbox"), (503, "full".to_owned()));
    println!("{more} more, and then 429: {}", full.problem(429));

    std::thread::sleep(away().saturating_sub(stopped.elapsed()));
    println!("the broker was away for {:?}", stopped.elapsed());
    broker.start_again();
    let answers = Instant::now();
    // Once more, while it delivers.
    until("it delivers", DECIDED_WITHIN, || held(&served) < OUTBOX_MAX);
    println!("it delivers {:?} after the broker answered, and is killed", answers.elapsed());
    served.signal("KILL");
    assert!(!served.ended(), "it was killed");
    served.start_again();
    println!("it started again, {:?} after the broker answered", answers.elapsed());
    until("the outbox is delivered", DECIDED_WITHIN, || held(&served) == 0);
    println!("delivered {:?} after the broker answered", answers.elapsed());
    let total = SENDERS * EACH + more;
    let count = || check_once(&decisions(&broker, prefix)).0;
    until("all is decided", DECIDED_WITHIN, || count() >= before + total);
    println!("decided {:?} after the broker answered", answers.elapsed());
    let decided = decisions(&broker, prefix);
    let (once, repeated) = check_once(&decided);
    println!("{} commands decided, and {repeated} repetitions", once - before);
    assert_eq!(once - before, total, "one decision for each command");
    for (sender, numbers) in in_order(&decided).iter().enumerate() {
        let all: Vec<_> = (0..EACH).collect();
        assert_eq!(*numbers, all, "sender {sender}: all of them, once, in order");
    }
    until("it is ready", DECIDED_WITHIN, || part(&served, "brokers").0 == 200);
    let again = served.decide(&json_by(0, 0));
    assert_eq!((&again["outcome"], again["first"].is_object()), (&json!("duplicate"), true));
}

#[test]
fn whoever_waits_for_a_decision_is_told_where_the_command_is_kept() {
    let test = "whoever_waits_for_a_decision_is_told_where_the_command_is_kept";
    if !Broker::is_possible(test) {
        return;
    }
    let mut broker = Broker::start(BrokerOptions::default());
    let served = serve(&broker, "kept", 100);
    let mut wire = served.wire();
    let mut took: Vec<_> = (0..300).map(|number| decided_within(&mut wire, number)).collect();
    took.sort_unstable();
    println!("a decision takes {:?} (median), {:?} (p99)", took[150], took[297]);

    broker.stop();
    until("the brokers are missed", Duration::from_secs(20), || {
        part(&served, "brokers") == (200, "away".to_owned())
    });
    let answer = post(&mut served.wire(), "decision", &json_of("late", "lab", "late")).unwrap();
    answer.problem(408);
    assert!(answer.json()["position"].is_i64(), "{answer:?}");
    // Questions are answered as of the last fold.
    let status = served.get_json("/v1/pools/lab/requests/fast-0");
    assert_eq!(status["request"]["request"], "fast-0", "{status}");
    assert_eq!(served.get("/v1/decisions?from=0").status, 503);
    let metrics = served.get("/metrics").body;
    assert!(metrics.contains("conclave_ready_count 0\n"), "{metrics}");

    broker.start_again();
    let asked = "/v1/pools/lab/commands/late";
    until("the late one is decided", DECIDED_WITHIN, || served.get(asked).status == 200);
    let first = served.get_json(asked);
    let again = served.decide(&json_of("late", "lab", "late"));
    assert_eq!((&again["outcome"], &again["first"]), (&json!("duplicate"), &first), "{again}");
}

fn decided_within(wire: &mut Wire, number: usize) -> Duration {
    let began = Instant::now();
    let name = format!("fast-{number}");
    let answer = post(wire, "decision", &json_of(&name, "lab", &name)).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    began.elapsed()
}
