//! A service's life: it ends, is killed, starts again, and lets time pass.

use crate::served::{Served, command, quota, request};
use conclave::log::LogReader;
use conclave::log::rocks::RocksReader;
use conclave::verify::verify;
use conclave::wire::decode_decision;
use conclave_core::seat::RuleSeat;
use conclave_core::units::Offset;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Senders that send until the service is gone, and what they were told, by command id.
struct Load {
    senders: Vec<JoinHandle<()>>,
    told: Receiver<(String, i64, Option<String>)>,
}

impl Load {
    fn of(served: &Served) -> Self {
        let (tell, told) = channel();
        let senders = (0..4).map(|sender| {
            let (mut wire, tell) = (served.wire(), tell.clone());
            std::thread::spawn(move || {
                for number in 0.. {
                    let id = format!("c-{sender}-{number}");
                    let body = command(&id, &quota("vision")).to_string();
                    let wait = if number % 2 == 0 { "decision" } else { "accepted" };
                    let head = format!(
                        "POST /v1/commands?wait={wait} HTTP/1.1\r\nhost: localhost\r\n\
                         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    wire.send(&[head.as_bytes(), body.as_bytes()].concat());
                    let Ok(answer) = wire.answer() else { return };
                    if answer.status == 503 {
                        return;
                    }
                    let answer: Value = answer.json();
                    let hash = answer["hash"].as_str().map(str::to_owned);
                    tell.send((id, answer["offset"].as_i64().unwrap(), hash)).unwrap();
                }
            })
        });
        Self { senders: senders.collect(), told }
    }

    /// What was acknowledged, once all of it has ended.
    fn acknowledged(self) -> BTreeMap<String, (i64, Option<String>)> {
        self.senders.into_iter().for_each(|sender| sender.join().unwrap());
        let told = self.told.into_iter().map(|(id, offset, hash)| (id, (offset, hash)));
        told.collect()
    }
}

/// That the log is sound, and holds each acknowledged command once, decided as it was told.
#[track_caller]
fn check_log(data: &Path, acknowledged: &BTreeMap<String, (i64, Option<String>)>) {
    let reader = RocksReader::open(data).unwrap();
    let report = verify(&reader, 0, &mut RuleSeat).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let ends = reader.ends().unwrap();
    assert_eq!(ends.commands_next, ends.decisions_next, "all is decided");
    let mut decided = BTreeMap::new();
    let mut next = Offset(0);
    while next < ends.decisions_next {
        for record in reader.decisions(next, 1024 * 1024).unwrap() {
            let decision = decode_decision(&record.body).unwrap();
            let told = (record.offset.0, record.hash.to_string());
            let before = decided.insert(decision.command_id.0.to_string(), told);
            assert_eq!(before, None, "{} was decided twice", decision.command_id);
            next = Offset(record.offset.0 + 1);
        }
    }
    assert!(acknowledged.len() > 20, "only {} acknowledged", acknowledged.len());
    for (id, (offset, hash)) in acknowledged {
        let (is_at, is_hash) = &decided[id];
        assert_eq!(is_at, offset, "{id}");
        assert!(hash.as_ref().is_none_or(|hash| hash == is_hash), "{id}");
    }
}

#[test]
fn a_service_that_is_told_to_end_decides_what_it_accepted() {
    let mut served = Served::plain();
    let load = Load::of(&served);
    std::thread::sleep(Duration::from_millis(500));
    served.signal("TERM");
    assert!(served.ended());
    let acknowledged = load.acknowledged();
    check_log(&served.data(), &acknowledged);
    served.start_again();
    let (id, (offset, _)) = acknowledged.last_key_value().unwrap();
    let again = served.decide(&command(id, &quota("vision")));
    assert_eq!(
        (&again["outcome"], &again["first_offset"]),
        (&"duplicate".into(), &(*offset).into())
    );
}

#[test]
fn a_service_that_is_killed_loses_nothing_that_it_told() {
    let mut served = Served::plain();
    let mut acknowledged = BTreeMap::new();
    for round in 0..3 {
        let load = Load::of(&served);
        std::thread::sleep(Duration::from_millis(300 + 70 * round));
        served.signal("KILL");
        assert!(!served.ended());
        // Ids repeat from round to round: what was decided first is what stands.
        for (id, told) in load.acknowledged() {
            acknowledged.entry(id).or_insert(told);
        }
        served.start_again();
        served.get_json("/v1/status");
    }
    let repeated = acknowledged.len();
    assert!(repeated > 20, "only {repeated} acknowledged");
    served.signal("TERM");
    assert!(served.ended());
    let reader = RocksReader::open(&served.data()).unwrap();
    assert!(verify(&reader, 0, &mut RuleSeat).unwrap().is_clean());
    for (id, (offset, hash)) in &acknowledged {
        let records = reader.decisions(Offset(*offset), 0).unwrap();
        let decision = decode_decision(&records[0].body).unwrap();
        assert_eq!((&*decision.command_id.0, records[0].offset.0), (id.as_str(), *offset));
        assert!(hash.as_ref().is_none_or(|hash| *hash == records[0].hash.to_string()), "{id}");
    }
}

#[test]
fn a_lease_ends_without_anybody_asking() {
    let served = Served::plain();
    let decided = served.decide(&request("short", "vision", 1, "1s"));
    assert_eq!(decided["outcome"], "accepted", "{decided}");
    assert!(decided.to_string().contains("\"LeaseGranted\""), "{decided}");
    let mut events = crate::decisions::Events::of(served.wire(), "", "");
    let decision = loop {
        let decision = events.next();
        if decision.to_string().contains("LeaseExpired") {
            break decision;
        }
    };
    assert_eq!(decision["kind"], "Tick", "{decision}");
}

#[test]
fn an_end_is_not_held_up_by_who_listens() {
    let mut served = Served::plain();
    let follower = crate::decisions::Events::of(served.wire(), "", "");
    let _idle = served.wire();
    served.signal("INT");
    assert!(served.ended());
    assert!(follower.ends());
}
