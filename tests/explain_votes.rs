//! Why networks voted as they did: computed again from the log alone, equal to what it records, or
//! not said at all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod system_common;

use conclave::council::{CouncilSeat, Models, file_name, model_id};
use conclave::engine::Engine;
use conclave::explain::networks::CORRUPT;
use conclave::explain::{
    ExplainReport, Networks, explain_at, give_reasons, give_reasons_of_plan, plan, text,
};
use conclave::fold::fold;
use conclave::log::{CommandRecord, StoredCommand};
use conclave::report::viewer::Viewer;
use conclave::wire::{CommandReader, decode_decision};
use conclave_core::command::*;
use conclave_core::council::ModelId;
use conclave_core::council::hearing::Spoken;
use conclave_core::decide::decide;
use conclave_core::decision::*;
use conclave_core::explain::{Field, Value};
use conclave_core::input::{Content, Input};
use conclave_core::limits::OUTCOMES_MAX;
use conclave_core::round::{Ballot, Grounds, Round, Votes, open_round};
use conclave_core::seat::{Absent, Seat};
use conclave_core::units::*;
use proptest::prelude::*;
use system_common::*;

/// A council whose file is here.
struct Bench {
    dir: tempfile::TempDir,
    seat: CouncilSeat,
    model: ModelId,
}

impl Bench {
    /// The council of five that was drawn.
    fn new() -> Self {
        Self::of(&council::untrained())
    }

    /// The council that answers by size and duration.
    fn plain() -> Self {
        Self::of(&council::plain())
    }

    fn of(file: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let seat = council::seat_of(file, dir.path());
        Self { dir, seat, model: model_id(file) }
    }

    fn models(&self) -> &Models {
        self.seat.models()
    }
}

fn sent(at_ms: i64, id: &str, payload: Payload) -> CommandRecord {
    record(at_ms, &command(id, payload))
}

/// Two tenants under networks that are listened to.
fn beginning(model: ModelId, mode: CouncilMode) -> Vec<CommandRecord> {
    let rules = set(SetPoolPolicy { council: mode, ..policy() });
    let model = model.0.to_string();
    let payloads = [
        open_log(),
        rules,
        node("a", 8, "A100"),
        quota("t", 4, 12),
        quota("u", 0, 99),
        Payload::ActivateDecider(ActivateDecider { version: 2 }),
        Payload::ActivateCouncil(ActivateCouncil { model }),
    ];
    let all = (0..).zip(payloads);
    all.map(|(number, payload)| sent(0, &format!("begin-{number}"), payload)).collect()
}

/// A log that `seat` decided, `rounds` after the beginning, each batch as one round.
fn decided_by(
    seat: impl Seat,
    model: ModelId,
    mode: CouncilMode,
    rounds: &[Vec<CommandRecord>],
) -> Disk {
    let disk = Disk::default();
    let (mut engine, _) = Engine::open(disk.clone(), seat, NO_SNAPSHOT).unwrap();
    for round in std::iter::once(&beginning(model, mode)).chain(rounds) {
        engine.accept(round).unwrap();
        engine.run_to_end(|_| {}).unwrap();
    }
    disk
}

impl Bench {
    fn decided(&self, mode: CouncilMode, rounds: &[Vec<CommandRecord>]) -> Disk {
        decided_by(self.seat.clone(), self.model, mode, rounds)
    }
}

/// Every vote of networks, with the offset of its decision.
fn votes(disk: &Disk) -> Vec<(Offset, CouncilVoted)> {
    let decisions = disk.all_decisions();
    let voted = decisions.iter().flat_map(|record| {
        let events = decode_decision(&record.body).unwrap().events;
        events.into_iter().filter_map(|event| match event {
            Event::CouncilVoted(voted) => Some((record.offset, voted)),
            _ => None,
        })
    });
    voted.collect()
}

fn explained(disk: &Disk, models: &Models, at: Offset, request: &RequestId) -> ExplainReport {
    let (pool, all) = (PoolId::from(POOL), Viewer::Everything);
    let mut report = explain_at(disk, Some(&pool), request, Some(at), &all).unwrap();
    give_reasons(disk, models, &mut report);
    report
}

/// What is said of a recorded vote, when it is the last one on its request in its decision.
fn said(disk: &Disk, models: &Models, at: Offset, voted: &CouncilVoted) -> Option<Networks> {
    let networks = explained(disk, models, at, &voted.request).networks?;
    let is_it = networks.at.map(|moment| moment.offset) == Some(at.0);
    (is_it && networks.attempt == voted.attempt).then_some(networks)
}

/// The shares of a vote are those of the recorded lead, to the last sixtieth.
#[track_caller]
fn check_adds_up(said: &Networks, voted: &CouncilVoted) {
    assert_eq!(said.unexplained, None, "{voted:?}");
    assert_eq!(said.told.iter().map(|told| told.value).collect::<Vec<_>>(), voted.features);
    assert_eq!(said.members.len(), voted.members.len());
    for (member, recorded) in said.members.iter().zip(&voted.members) {
        let why = member.why.as_ref().unwrap();
        let mut logits = [recorded.approve, recorded.deny, recorded.defer];
        logits.sort_unstable();
        assert_eq!(why.lead, logits[2] - logits[1]);
        let sum: i64 = why.groups.iter().map(|group| group.push_sixtieths).sum();
        assert_eq!(sum, 60 * (why.lead - why.baseline_lead));
        assert_eq!(why.occlusions.len(), said.told.len());
        let strongest = why.groups.iter().map(|group| group.push_sixtieths.abs()).max();
        assert_eq!(why.top.first().map_or(0, |top| top.push_sixtieths.abs()), strongest.unwrap());
    }
}

/// The round of the decision at `at` as it was read, and the state before it.
fn round_at(disk: &Disk, at: Offset) -> (conclave_core::state::State, Vec<Input>) {
    let all: Vec<Decision> =
        disk.all_decisions().iter().map(|record| decode_decision(&record.body).unwrap()).collect();
    let round = all.iter().find(|decision| decision.offset == at).unwrap().round;
    let (folded, _) = fold(disk, 0, Some(round)).unwrap();
    let is_in_it = |stored: &StoredCommand| {
        all.iter().any(|decision| decision.offset == stored.offset && decision.round == round)
    };
    let stored = disk.all_commands().into_iter().filter(is_in_it);
    let reader = CommandReader::new();
    let inputs = stored.map(|stored| reader.read(0, &stored, folded.state.decide_version));
    (folded.state.clone(), inputs.collect())
}

fn changed(ask: &mut RequestAllocation, field: Field, to: &Value) {
    match (field, to) {
        (Field::Preemptible, Value::Flag(flag)) => ask.preemptible = *flag,
        (Field::Replicas, Value::Number(to)) => ask.replicas = *to,
        (Field::GpuCount, Value::Number(to)) => ask.gpu_count = *to,
        (Field::GpuMilli, Value::Number(to)) => ask.gpu_milli = GpuMilli(*to),
        (Field::CpuMilli, Value::Number(to)) => ask.cpu_milli = CpuMilli(*to),
        (Field::MemoryMib, Value::Number(to)) => ask.memory_mib = MemoryMib(*to),
        (Field::ExpectedDurationMs, Value::Number(to)) => {
            ask.expected_duration_ms = DurationMs(*to);
        }
        (Field::Priority, Value::Number(to)) => ask.priority = *to,
        (Field::DeadlineMs, Value::Number(to)) => ask.deadline_ms = Some(TimeMs(*to)),
        (other, to) => panic!("{other:?} to {to:?} is no sender's change"),
    }
}

/// Sends the changed request in its place of the round, for real; the verdict that is recorded.
fn verdict_after(
    bench: &Bench,
    disk: &Disk,
    (at, voted): (Offset, &CouncilVoted),
    (field, to): (Field, &Value),
) -> Verdict {
    let (mut state, mut inputs) = round_at(disk, at);
    let input = inputs.iter_mut().find(|input| input.offset == at).unwrap();
    let Content::Readable { command, .. } = &mut input.content else { panic!("{input:?}") };
    let Payload::RequestAllocation(ask) = &mut command.payload else { panic!("{command:?}") };
    changed(ask, field, to);
    let votes = bench.seat.clone().vote(&open_round(&state, &inputs)).unwrap();
    let decisions = decide(&mut state, &Round { inputs }, &votes);
    let events = decisions.into_iter().filter(|one| one.offset == at).flat_map(|one| one.events);
    let mut verdicts = events.filter_map(|event| match event {
        Event::CouncilVoted(again) => (again.request == voted.request).then_some(again.verdict),
        _ => None,
    });
    let last = verdicts.next_back();
    last.unwrap_or_else(|| panic!("no vote on {} with {field:?} {to:?}", voted.request))
}

/// Each flip that is shown turns the verdict; how many there were.
fn check_flips(bench: &Bench, disk: &Disk, at: Offset, voted: &CouncilVoted) -> usize {
    let said = said(disk, bench.models(), at, voted).unwrap();
    for flip in &said.flips {
        let verdict = verdict_after(bench, disk, (at, voted), (flip.field, &flip.to));
        let named = conclave::report::sentence::verdict(verdict);
        assert_eq!(named, flip.verdict, "{flip:?} of {voted:?}");
        assert_ne!(verdict, voted.verdict);
    }
    said.flips.len()
}

/// Rounds of several requests of one tenant, some of whose leases end before and in between.
fn busy() -> Vec<Vec<CommandRecord>> {
    let one = |at_ms: i64, name: &str, tenant: &str, gpus: i64| {
        let asked = ask(name, tenant).gpus(gpus).hours(1 + gpus).priority(3 + gpus % 7);
        sent(at_ms, name, asked.into())
    };
    let first = (0..6).map(|n| one(MINUTE, &format!("a{n}"), "t", 1));
    let given_back =
        |at_ms, name: &str, fencing| sent(at_ms, &format!("{name}-back"), release(name, fencing));
    let second = vec![
        one(20 * MINUTE, "b0", "t", 2),
        one(20 * MINUTE, "b1", "u", 3),
        given_back(20 * MINUTE + 1, "a1", 8),
        one(20 * MINUTE + 5, "b2", "t", 4),
        one(20 * MINUTE + 9, "b3", "t", 8),
        one(20 * MINUTE + 9, "b4", "u", 1),
    ];
    vec![
        first.collect(),
        vec![given_back(5 * MINUTE, "a0", 7)],
        second,
        vec![sent(3 * HOUR, "tick", Payload::Tick)],
        vec![one(3 * HOUR, "c0", "t", 1), sent(4 * HOUR, "tock", Payload::Tick)],
    ]
}

#[test]
fn a_vote_in_the_middle_of_a_round_is_explained_from_the_steps_before_it() {
    let bench = Bench::new();
    // Advice starts everybody, so leases end and are heard of.
    let disk = bench.decided(CouncilMode::Advise, &busy());
    let votes = votes(&disk);
    let middle = votes.iter().find(|(_, voted)| voted.request == RequestId::from("b2")).unwrap();
    let (state, inputs) = round_at(&disk, middle.0);
    let memory = &state.pools[POOL].tenants["t"].memory;
    assert!((1..=OUTCOMES_MAX).contains(&memory.outcomes().count()), "a lease ended before");
    let earlier = inputs.iter().filter(|input| input.offset < middle.0).count();
    assert_eq!(earlier, 3, "it stands in the middle");
    for (at, voted) in &votes {
        check_adds_up(&said(&disk, bench.models(), *at, voted).unwrap(), voted);
        check_flips(&bench, &disk, *at, voted);
    }
}

#[test]
fn what_is_said_to_change_a_verdict_does() {
    let bench = Bench::plain();
    let disk = bench.decided(CouncilMode::Enforce, &busy());
    let votes = votes(&disk);
    let first: Vec<_> = votes.iter().filter(|(_, voted)| voted.attempt == 1).collect();
    let flips: Vec<_> =
        first.iter().map(|(at, voted)| check_flips(&bench, &disk, *at, voted)).collect();
    let said = |verdict| first.iter().any(|(_, voted)| voted.verdict == verdict);
    assert!(said(Verdict::Approve) && said(Verdict::Deny), "{first:?}");
    assert!(flips.iter().sum::<usize>() >= 4, "{flips:?}");
}

#[test]
fn a_request_that_was_put_off_is_explained_by_its_latest_vote() {
    let bench = Bench::new();
    let disk = bench.decided(CouncilMode::Enforce, &busy());
    let votes = votes(&disk);
    let (mut again, mut words) = (0, 0);
    for (at, voted) in &votes {
        let Some(said) = said(&disk, bench.models(), *at, voted) else { continue };
        check_adds_up(&said, voted);
        again += usize::from(voted.attempt > 1);
        for member in &said.members {
            words += member
                .why
                .iter()
                .flat_map(|why| &why.top)
                .filter(|top| !top.words.is_empty())
                .count();
        }
    }
    assert!(again > 0, "nobody was voted on twice: {votes:?}");
    assert!(words > 0);
}

#[test]
fn without_the_file_of_the_council_a_vote_is_shown_without_reasons() {
    let bench = Bench::new();
    let disk = bench.decided(CouncilMode::Advise, &busy());
    let elsewhere = tempfile::tempdir().unwrap();
    let (at, voted) = votes(&disk).remove(3);
    let report = explained(&disk, &Models::beside(elsewhere.path()), at, &voted.request);
    let networks = report.networks.as_ref().unwrap();
    let unexplained = networks.unexplained.as_ref().unwrap();
    assert_eq!(unexplained.kind, "unavailable");
    for words in [file_name(bench.model), elsewhere.path().join("models").display().to_string()] {
        assert!(unexplained.sentence.contains(&words), "{unexplained:?}");
        assert!(text(&report).contains(&words), "{}", text(&report));
    }
    assert!(networks.members.iter().all(|member| member.why.is_none()), "{networks:?}");
    assert!(networks.told.is_empty() && networks.flips.is_empty());
    assert_eq!(networks.corruption(), None);
    assert!(bench.dir.path().join("models").join(file_name(bench.model)).exists());
}

/// What is changed in a vote.
type Lie = fn(&mut Spoken);

/// A seat whose votes are not what its council computes.
struct Liar(CouncilSeat, Lie);

impl Seat for Liar {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        let mut votes = self.0.vote(ballot)?;
        for vote in votes.newcomers.values_mut() {
            if let Grounds::Council(spoken) = &mut vote.grounds {
                self.1(spoken);
            }
        }
        Ok(votes)
    }
}

#[test]
fn what_does_not_follow_from_the_log_gets_no_reasons() {
    let bench = Bench::new();
    let lies: [(Lie, &str); 4] = [
        (|spoken| spoken.memory.0[0] ^= 1, "another digest"),
        (|spoken| spoken.members[2].deny += 1, "the members say something else"),
        (|spoken| spoken.members[4].confidence_per_mille ^= 1, "the members say something else"),
        (|spoken| spoken.elapsed_ms.0 += 1, "another time has passed"),
    ];
    for (lie, says) in lies {
        let disk =
            decided_by(Liar(bench.seat.clone(), lie), bench.model, CouncilMode::Advise, &busy());
        let (at, voted) = votes(&disk).remove(7);
        let report = explained(&disk, bench.models(), at, &voted.request);
        let networks = report.networks.as_ref().unwrap();
        let unexplained = networks.unexplained.as_ref().unwrap();
        assert!(unexplained.sentence.contains(says), "{unexplained:?}");
        assert_eq!(unexplained.kind, CORRUPT);
        assert!(unexplained.sentence.contains("run `replay verify`"), "{unexplained:?}");
        assert_eq!(networks.corruption(), Some(unexplained.sentence.as_str()));
        assert!(networks.members.iter().all(|member| member.why.is_none()), "{networks:?}");
        assert!(text(&report).contains("no reasons: "), "{}", text(&report));
    }
}

/// What a plan says of a vote is what is said of it once it was taken.
#[test]
fn a_plan_gives_the_reasons_that_the_vote_will_have() {
    let bench = Bench::new();
    let mut rounds = busy();
    let disk = bench.decided(CouncilMode::Enforce, &rounds);
    let (folded, _) = fold(&disk, 0, None).unwrap();
    let (now, all) = (TimeMs(5 * HOUR), Viewer::Everything);
    let asks = command("d0", ask("d0", "t").gpus(6).hours(30).priority(2).into());
    let mut planned =
        plan(&folded.state, asks.clone(), now, &mut bench.seat.clone(), &all).unwrap();
    give_reasons_of_plan(&folded.state, (&asks, now), bench.models(), &mut planned);
    let planned = planned.networks.unwrap();
    assert_eq!((planned.at, planned.unexplained.as_ref()), (None, None));

    rounds.push(vec![record(now.0, &asks)]);
    let disk = bench.decided(CouncilMode::Enforce, &rounds);
    let (at, voted) = votes(&disk).pop().unwrap();
    let said = said(&disk, bench.models(), at, &voted).unwrap();
    assert_eq!(planned, Networks { at: None, ..said });
}

/// What may happen in a stream: time that passes, who asks, how much, or that a lease ends.
type Stir = (i64, bool, i64, i64, u8);

fn rounds_of(stirs: &[Vec<Stir>]) -> Vec<Vec<CommandRecord>> {
    let (mut now, mut number) = (MINUTE, 0);
    let mut round = |stirs: &Vec<Stir>| {
        let mut one = |(gap_ms, is_t, gpus, priority, what): &Stir| {
            (now, number) = (now + gap_ms, number + 1);
            let name = format!("r{number}");
            let payload = match what {
                0 => Payload::Tick,
                _ => {
                    let asked = ask(&name, if *is_t { "t" } else { "u" });
                    let asked =
                        asked.gpus(*gpus).priority(*priority).hours(1 + gpus * priority % 30);
                    if what % 2 == 0 { asked.preemptible().into() } else { asked.into() }
                }
            };
            sent(now, &name, payload)
        };
        stirs.iter().map(&mut one).collect()
    };
    stirs.iter().map(&mut round).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn reasons_add_up_to_what_the_log_records_and_flips_flip(
        stirs in proptest::collection::vec(
            proptest::collection::vec(
                (0..3 * HOUR, any::<bool>(), 1..9_i64, 1..11_i64, 0..6_u8), 1..6),
            1..5),
        is_enforced in any::<bool>(),
        is_plain in any::<bool>(),
    ) {
        let bench = if is_plain { Bench::plain() } else { Bench::new() };
        let mode = if is_enforced { CouncilMode::Enforce } else { CouncilMode::Advise };
        let disk = bench.decided(mode, &rounds_of(&stirs));
        for (at, voted) in votes(&disk) {
            let Some(said) = said(&disk, bench.models(), at, &voted) else { continue };
            check_adds_up(&said, &voted);
            if voted.attempt == 1 {
                check_flips(&bench, &disk, at, &voted);
            }
        }
    }
}
