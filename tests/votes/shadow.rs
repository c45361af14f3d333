//! A council beside the seat: the one that sits there says the same, another one does not, and
//! nothing is written.

use crate::system_common::*;
use crate::{Act, beginning, forge, networks, story, told, told_in};
use conclave::council::{Engines, Seated, model_id, read_to_vote};
use conclave::engine::Engine;
use conclave::error::{Error, ErrorKind, Result};
use conclave::log::{DeadLetterRecord, DecisionRecord, LogEnds, LogReader, StoredCommand};
use conclave::shadow::{Report, Sums, Watch};
use conclave::validate::LogFeed;
use conclave_core::command::CouncilMode;
use conclave_core::decision::{Decision, Event};
use conclave_core::seat::RuleSeat;
use conclave_core::units::Offset;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn seated(bytes: &[u8]) -> Arc<Seated> {
    let file = read_to_vote(bytes, model_id(bytes)).unwrap();
    Arc::new(Seated::new(file, &Engines::cpu()).unwrap())
}

/// The council of these logs.
fn own() -> Arc<Seated> {
    seated(&council::untrained())
}

/// The first one that was trained.
fn other() -> Arc<Seated> {
    seated(include_bytes!("../../models/council-1.council"))
}

fn watch<L: LogReader>(log: L, seated: &Arc<Seated>) -> (Watch<LogFeed<L>>, Sums) {
    let watch = Watch::new(0, LogFeed::new(log), None, Arc::clone(seated));
    (watch, Sums::new(seated.file().council(), 7))
}

fn report<L: LogReader>(log: L, seated: &Arc<Seated>) -> Report {
    let (mut watch, mut sums) = watch(log, seated);
    while watch.look(&mut sums).unwrap() {}
    assert_eq!(watch.lag(), 0);
    sums.report(seated.file().id().0.to_string(), watch.counts())
}

/// Votes in a log: of networks, and of the rules.
fn votes(decisions: &[Decision]) -> (u64, u64) {
    let count = |is_it: fn(&Event) -> bool| {
        let events = decisions.iter().flat_map(|decision| &decision.events);
        events.filter(|event| is_it(event)).count() as u64
    };
    let networks = count(|event| matches!(event, Event::CouncilVoted(_)));
    (networks, count(|event| matches!(event, Event::RequestVoted(_))))
}

#[test]
fn the_council_that_sits_there_says_the_same_logit_by_logit() {
    for mode in [CouncilMode::Enforce, CouncilMode::Advise] {
        let disk = told_in(mode, &story(), networks());
        let (by_networks, by_rules) = votes(&forge::decisions(&disk));
        let report = report(disk, &own());
        let same = (report.votes, report.by_same_council, report.same_words, report.agreed);
        assert_eq!(same, (by_networks, by_networks, by_networks, by_networks), "{report:#?}");
        assert_eq!((report.not_asked, report.rounds_unread), (by_rules, 0));
        assert_eq!((report.agreed_per_mille, report.latest.len()), (Some(1_000), 0));
        assert!(by_networks > 150, "{report:#?}");
    }
}

#[test]
fn another_council_disagrees_and_the_latest_of_it_can_be_looked_up() {
    let disk = told(&story(), networks());
    let decisions = forge::decisions(&disk);
    let report = report(disk, &other());
    assert_eq!(report.by_other_council, report.votes);
    assert_eq!((report.by_same_council, report.same_words), (0, 0));
    assert!(report.agreed < report.votes, "{report:#?}");
    let pairs = &report.seat_then_shadow;
    let all = [pairs.approve, pairs.deny, pairs.defer].map(|row| row.sum());
    assert_eq!(all.iter().sum::<u64>(), report.votes);
    assert_eq!(report.latest.len(), 7);
    assert!(report.latest.is_sorted_by_key(|found| found.offset), "{report:#?}");
    for found in &report.latest {
        assert_ne!(found.seat, found.shadow);
        let decision = &decisions[usize::try_from(found.offset).unwrap()];
        let is_it = |event: &Event| match event {
            Event::CouncilVoted(voted) => {
                let verdict = format!("{:?}", voted.verdict).to_lowercase();
                voted.request.0 == *found.request && verdict == found.seat
            }
            _ => false,
        };
        assert!(decision.events.iter().any(is_it), "{found:?} in {decision:?}");
    }
    for member in &report.members {
        assert_eq!(member.said.sum(), report.votes, "{member:?}");
    }
}

/// A log of version 1, where only the rules ever sat.
fn ruled(acts: &[Act]) -> Disk {
    let disk = Disk::default();
    let (mut engine, _) = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
    let mut records = beginning(CouncilMode::Enforce);
    records.truncate(6);
    let ask = |at: usize| {
        let asked = ask(&format!("r{at}"), ["t", "u", "v"][at % 3]).slice(20);
        let at = i64::try_from(at).unwrap();
        let payload = asked.priority(1 + at % 10).hours(1 + at % 39).into();
        record(at * MINUTE, &command(&format!("c{at}"), payload))
    };
    records.extend((0..acts.len()).map(ask));
    engine.accept(&records).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    disk
}

#[test]
fn where_rules_sit_a_council_says_what_it_would_have_said() {
    let disk = ruled(&story());
    let (by_networks, by_rules) = votes(&forge::decisions(&disk));
    let report = report(disk, &own());
    assert_eq!((by_networks, report.by_rules), (0, report.votes));
    assert_eq!(report.votes + report.not_asked, by_rules);
    assert!(report.votes > 150 && report.agreed < report.votes, "{report:#?}");
}

#[test]
fn a_log_that_grows_is_followed_and_ends_with_the_same_sums() {
    let disk = Disk::default();
    let (mut watch, mut sums) = watch(disk.clone(), &own());
    assert!(!watch.look(&mut sums).unwrap());
    let (mut engine, _) = Engine::open(disk.clone(), networks(), NO_SNAPSHOT).unwrap();
    let whole = told(&story(), networks());
    let records: Vec<_> = whole.all_commands().into_iter().map(|one| one.record).collect();
    let mut seen = 0;
    for batch in records.chunks(40) {
        engine.accept(batch).unwrap();
        engine.run_to_end(|_| {}).unwrap();
        assert!(watch.look(&mut sums).unwrap());
        assert!(sums.votes() >= seen);
        seen = sums.votes();
    }
    let model = own().file().id().0.to_string();
    assert_eq!(sums.report(model, watch.counts()), report(disk, &own()));
}

/// A log that lacks some commands.
struct Without(Disk, std::ops::Range<i64>);

impl LogReader for Without {
    fn ends(&self) -> Result<LogEnds> {
        self.0.ends()
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        let mut commands = self.0.commands(from, bytes_max)?;
        commands.retain(|stored| !self.1.contains(&stored.offset.0));
        Ok(commands)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.0.decisions(from, bytes_max)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.0.dead_letters(from, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.0.snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.0.snapshot(offset)
    }
}

/// A log that is read in small pieces, and cannot be read at every fifth of them.
struct Faltering(Disk, AtomicUsize);

impl Faltering {
    fn read<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.1.fetch_add(1, Ordering::Relaxed) % 5 == 4 {
            return Err(Error::unavailable("an outage that passes"));
        }
        read()
    }
}

impl LogReader for Faltering {
    fn ends(&self) -> Result<LogEnds> {
        self.0.ends()
    }

    fn commands(&self, from: Offset, _: usize) -> Result<Vec<StoredCommand>> {
        self.read(|| self.0.commands(from, 700))
    }

    fn decisions(&self, from: Offset, _: usize) -> Result<Vec<DecisionRecord>> {
        self.read(|| self.0.decisions(from, 9_000))
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.0.dead_letters(from, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.0.snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.0.snapshot(offset)
    }
}

#[test]
fn a_passing_outage_costs_no_round_and_no_vote() {
    let disk = told(&story(), networks());
    let (mut watch, mut sums) = watch(Faltering(disk.clone(), AtomicUsize::new(0)), &own());
    let mut outages = 0;
    loop {
        match watch.look(&mut sums) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
                outages += 1;
            }
        }
    }
    assert!(outages > 5, "{outages}");
    let model = own().file().id().0.to_string();
    assert_eq!(sums.report(model, watch.counts()), report(disk, &own()));
}

#[test]
fn what_it_could_not_learn_is_said() {
    let disk = told(&story(), networks());
    let whole = report(disk.clone(), &own());
    let report = report(Without(disk, 100..101), &own());
    assert_eq!(report.rounds_unread, 1);
    assert!(report.votes < whole.votes && report.same_words < report.votes, "{report:#?}");
}

#[test]
fn a_log_that_is_not_what_was_written_is_refused() {
    let disk = told(&story(), networks());
    let forged = forge::changed(&disk, |decisions| decisions[90].time_ms.0 += 1);
    let broken = forge::replaced(&disk, &forged, 90);
    let (mut watch, mut sums) = watch(broken, &own());
    let error = watch.look(&mut sums).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(error.message.starts_with("decision 91 of partition 0"), "{error}");
    assert!(error.message.contains("replay verify"), "{error}");
}

#[test]
fn what_cannot_have_happened_is_refused_and_nothing_panics() {
    let disk = told(&story(), networks());
    let forged = forge::changed(&disk, |decisions| {
        decisions[90].events = decisions[20].events.clone();
    });
    let (mut watch, mut sums) = watch(forged, &own());
    let error = watch.look(&mut sums).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
}
