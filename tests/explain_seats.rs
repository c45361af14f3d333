//! What is said of a request when the rules and networks spoke of it one after the other, or the
//! seat has changed since: the earlier votes too, and in whose hands it is now.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod system_common;

use conclave::council::{model_id, read};
use conclave::engine::Engine;
use conclave::explain::{ExplainReport, explain_at, give_reasons, text};
use conclave::report::viewer::Viewer;
use conclave_core::command::*;
use conclave_core::council::file::encode;
use conclave_core::council::{Council, Features, GoldenSequence};
use conclave_core::decision::Event;
use conclave_core::limits::DEFERRALS_MAX;
use conclave_core::units::*;
use system_common::*;

/// The file of a council that puts off whatever it is asked.
fn hesitant() -> Vec<u8> {
    let file = read(&council::plain()).unwrap();
    let mut parts = file.council().parts().clone();
    parts.members.iter_mut().for_each(|member| member.readout.biases[2] = 4_000_000);
    let council = Council::new(parts).unwrap();
    let asked = Features::new([40; conclave_core::council::features::FEATURES.len()]).unwrap();
    let golden = GoldenSequence::of(&council, &[(DurationMs(0), asked)]);
    encode(&council, &[golden]).unwrap()
}

/// A log whose commands are sent one by one, at most minutes apart, under a council that hesitates.
struct Log {
    dir: tempfile::TempDir,
    disk: Disk,
    engine: Engine<Disk, conclave::council::CouncilSeat>,
    model: String,
    now_ms: i64,
}

impl Log {
    fn new(mode: CouncilMode) -> Self {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
        let seat = council::seat_of(&hesitant(), dir.path());
        let (engine, _) = Engine::open(disk.clone(), seat, NO_SNAPSHOT).unwrap();
        let model = model_id(&hesitant()).0.to_string();
        let mut log = Self { dir, disk, engine, model, now_ms: 0 };
        let rules = set(SetPoolPolicy { council: mode, ..policy() });
        let version = Payload::ActivateDecider(ActivateDecider { version: 2 });
        for payload in [open_log(), rules, node("a", 8, "A100"), quota("t", 0, 8), version] {
            log.send(payload);
        }
        log
    }

    fn send(&mut self, payload: Payload) {
        self.now_ms += MINUTE;
        let id = format!("c{}", self.engine.folded().next());
        self.engine.accept(&[record(self.now_ms, &command(&id, payload))]).unwrap();
        self.engine.run_to_end(|_| {}).unwrap();
    }

    fn seat(&mut self, model: &str) {
        self.send(Payload::ActivateCouncil(ActivateCouncil { model: model.to_owned() }));
    }

    fn seat_networks(&mut self) {
        let model = self.model.clone();
        self.seat(&model);
    }

    /// Until what was put off is voted on again.
    fn until_next_vote(&mut self) {
        self.now_ms += 30 * MINUTE;
        self.send(Payload::Tick);
        self.send(Payload::Tick);
    }

    fn explained(&self, request: &str) -> ExplainReport {
        let (pool, all) = (PoolId::from(POOL), Viewer::Everything);
        let request = RequestId::from(request);
        let mut report = explain_at(&self.disk, Some(&pool), &request, None, &all).unwrap();
        let seat = council::seat_of(&hesitant(), self.dir.path());
        give_reasons(&self.disk, seat.models(), &mut report);
        report
    }

    #[track_caller]
    fn check_advice(&self, request: &str, stands: &str, says: &str) {
        let report = self.explained(request);
        let advice = report.advice.clone().unwrap_or_default();
        assert_eq!(report.stands, stands, "{advice}");
        assert!(advice.contains(says), "{advice}");
        assert!(!text(&report).contains("leases have to end"), "{}", text(&report));
    }
}

/// Little, and worth a lot: the rules approve it whenever they are asked.
fn small() -> Payload {
    ask("small", "t").priority(9).into()
}

/// The rules deny it, the last time too.
fn large() -> Payload {
    ask("large", "t").gpus(8).hours(40).priority(3).into()
}

const PUT_OFF: &str = "put off by the council";

#[test]
fn after_the_last_vote_by_rules_the_networks_votes_are_shown_as_earlier_ones() {
    let mut log = Log::new(CouncilMode::Enforce);
    log.seat_networks();
    log.send(large());
    (0..DEFERRALS_MAX).for_each(|_| log.until_next_vote());
    let report = log.explained("large");
    assert_eq!((report.stands.as_str(), &report.networks), ("ended without a lease", &None));
    let voted = report.events.iter().filter(|at| matches!(at.event, Event::CouncilVoted(_)));
    let last = voted.map(|at| at.at).next_back().unwrap();
    let before = report.networks_before.as_ref().unwrap();
    assert_eq!((before.at, before.attempt), (Some(last), DEFERRALS_MAX));
    assert_eq!(before.unexplained, None);
    assert!(before.members.iter().all(|member| member.why.is_some()), "{before:?}");
    let text = text(&report);
    let at = last.offset;
    let line = format!("  council  before the rules voted, at decision {at}: vote 3 of ");
    assert!(text.contains(&line), "{text}");
    assert!(text.contains("efficiency     defer"), "{text}");
    // What was sent is what is read.
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<ExplainReport>(&json).unwrap(), report);
}

#[test]
fn what_only_the_rules_voted_on_has_no_earlier_vote() {
    let mut log = Log::new(CouncilMode::Enforce);
    log.send(small());
    let report = log.explained("small");
    assert_eq!((&report.networks, &report.networks_before), (&None, &None));
    assert!(!text(&report).contains("before the rules voted"));
}

#[test]
fn what_networks_put_off_is_in_the_hands_of_whoever_sits_now() {
    let mut log = Log::new(CouncilMode::Enforce);
    log.seat_networks();
    log.send(small());
    log.send(large());
    log.check_advice("small", PUT_OFF, "networks voted: what they would say");
    log.seat("");
    log.check_advice("small", PUT_OFF, "the rules vote on it next, and as it is they would");
    log.check_advice("large", PUT_OFF, "would be approved now");
    log.send(set(SetPoolPolicy { council: CouncilMode::Advise, ..policy() }));
    log.check_advice("small", PUT_OFF, "no verdict of the council counts in this pool any more");
}

#[test]
fn what_the_rules_put_off_is_voted_on_next_by_the_networks_that_sit_now() {
    let mut log = Log::new(CouncilMode::Enforce);
    // 20 for its priority, 20 for its size, 10 for its span, 5: neither enough nor too little.
    log.send(ask("middle", "t").gpus(4).hours(24).into());
    log.check_advice("middle", PUT_OFF, "each of these alone would be approved now");
    log.seat_networks();
    log.check_advice("middle", PUT_OFF, "networks sit in the seat now and vote on it next");
}

#[test]
fn the_last_vote_is_said_to_be_the_rules() {
    let mut log = Log::new(CouncilMode::Enforce);
    log.seat_networks();
    log.send(large());
    (1..DEFERRALS_MAX).for_each(|_| log.until_next_vote());
    let says = "the rules give it: deny, with 32 of the 60 points";
    log.check_advice("large", PUT_OFF, says);
}
