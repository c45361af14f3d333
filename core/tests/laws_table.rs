//! The table of commands, compared with what `decide` answers to random streams: nothing happens
//! that it does not say, and everything happens that it says.

mod common;

use common::{config, streams, streams_of_reservations};
use conclave_core::decide::{COMMANDS, CommandRow, STAGE_ONE};
use conclave_core::decision::{Decision, Event, LeaseEnd, Outcome, RequestEnd};
use conclave_core::rejection::RejectionCode;
use conclave_core::units::RequestId;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeSet;

/// Streams enough for everything to happen, the rarest once in a thousand; the same ones each time,
/// and no more than it takes.
const STREAMS_MAX: usize = 6_000;

/// The row of what was asked; none when it could not be read.
fn row(decision: &Decision) -> Option<&'static CommandRow> {
    COMMANDS.iter().find(|row| decision.kind == row.name)
}

/// The event's name when the command itself brought it about, and not a timer, a due vote or the
/// queue.
fn own(decision: &Decision, event: &Event) -> Option<&'static str> {
    let starts = ["RequestAllocation", "OverrideDecision", "Appeal"];
    let is_subject = |request: &RequestId| {
        starts.contains(&decision.kind.as_str()) && decision.request == *request
    };
    let is_appeal = decision.kind == "Appeal";
    let name = match event {
        Event::LogOpened(_) => "LogOpened",
        Event::DeciderActivated(_) => "DeciderActivated",
        Event::CouncilActivated(_) => "CouncilActivated",
        Event::CouncilVoted(voted) if voted.attempt == 1 => "CouncilVoted",
        Event::NodeRegistered(_) => "NodeRegistered",
        Event::NodeDrained(_) => "NodeDrained",
        Event::NodeRemoved(_) => "NodeRemoved",
        Event::NodeHealthChanged(_) => "NodeHealthChanged",
        Event::QuotaSet(_) => "QuotaSet",
        Event::PoolPolicySet(_) => "PoolPolicySet",
        Event::FairShareSet(_) => "FairShareSet",
        Event::PreemptionSet(_) => "PreemptionSet",
        Event::BudgetToppedUp(_) => "BudgetToppedUp",
        Event::TariffSet(_) => "TariffSet",
        Event::TenantParentSet(_) => "TenantParentSet",
        Event::ReservationMade(_) => "ReservationMade",
        Event::ReservationCancelled(_) => "ReservationCancelled",
        Event::RequestAdmitted(_) => "RequestAdmitted",
        Event::RequestVoted(voted) if voted.attempt == 1 => "RequestVoted",
        Event::RequestVoted(voted) if is_appeal && is_subject(&voted.request) => "RequestVoted",
        Event::DeferralDue(due) if is_appeal && is_subject(&due.request) => "DeferralDue",
        Event::DecisionOverridden(_) => "DecisionOverridden",
        Event::AppealFiled(_) => "AppealFiled",
        Event::RequestDeferred(put_off) if put_off.attempt == 1 => "RequestDeferred",
        Event::RequestQueued(queued) if is_subject(&queued.request) => "RequestQueued",
        Event::LeaseGranted(granted) if is_subject(&granted.request) => "LeaseGranted",
        Event::RequestEnded(ended)
            if matches!(ended.reason, RequestEnd::Cancelled | RequestEnd::Overridden) =>
        {
            "RequestEnded"
        }
        Event::CouncilWeighed(_) => "CouncilWeighed",
        Event::LeaseRenewed(_) => "LeaseRenewed",
        Event::LeaseShrunk(_) => "LeaseShrunk",
        Event::LeaseEnded(ended)
            if matches!(ended.reason, LeaseEnd::Released | LeaseEnd::Revoked) =>
        {
            "LeaseEnded"
        }
        Event::RequestVoted(_)
        | Event::CouncilVoted(_)
        | Event::CouncilRemembered(_)
        | Event::MemberQuarantined(_)
        | Event::MemberReturned(_)
        | Event::RequestDeferred(_)
        | Event::RequestQueued(_)
        | Event::LeaseGranted(_)
        | Event::RequestEnded(_)
        | Event::LeaseEnded(_)
        | Event::DeferralDue(_)
        | Event::PreemptionNoticed(_)
        | Event::LeasePreempted(_)
        | Event::BudgetAwaited(_)
        | Event::ReservationStarted(_)
        | Event::ReservationEnded(_)
        | Event::LeaseLetPast(_)
        | Event::QueueCarriedOver(_)
        | Event::QueueCaughtUp(_) => return None,
    };
    Some(name)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_happens_that_the_table_does_not_say(stream in streams()) {
        let world = stream.run();
        for decision in &world.decisions {
            let Some(row) = row(decision) else { continue };
            if let Outcome::Rejected(rejected) = &decision.outcome {
                let code = rejected.code;
                let is_said = row.rejections.contains(&code) || STAGE_ONE.contains(&code);
                prop_assert!(is_said, "{} is refused with {code:?}", row.name);
            }
            for event in decision.events.iter().filter_map(|event| own(decision, event)) {
                prop_assert!(row.events.contains(&event), "{} leads to {event}", row.name);
            }
        }
    }
}

#[test]
fn everything_happens_that_the_table_says() {
    // It takes a thousand pools or ten thousand tenants: the rules of commands have a story of it.
    let rare = [RejectionCode::LogFull];
    // Renewals past a cap, into a reservation or past whom one was let past have one each, too.
    let of_renewals =
        [RejectionCode::ExceedsCap, RejectionCode::Reserved, RejectionCode::WouldDelay];
    // What changed between denial and appeal (a full queue, a budget, a price) has a story, too.
    let of_appeals =
        [RejectionCode::QueueFull, RejectionCode::ExceedsBudget, RejectionCode::ExceedsCap];
    let is_rare = |row: &CommandRow, code| {
        rare.contains(code)
            || (row.name == "Appeal" && of_appeals.contains(code))
            || (row.name == "RenewLease" && of_renewals.contains(code))
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let of_row = |row: &'static CommandRow| {
        let codes = row.rejections.iter().filter(move |code| !is_rare(row, code));
        let codes = codes.map(move |code| (row.name, code.as_str()));
        codes.chain(row.events.iter().map(move |event| (row.name, *event)))
    };
    let said: Vec<(&str, &str)> = COMMANDS.iter().flat_map(of_row).collect();
    let (mut seen, mut missing) = (BTreeSet::new(), Vec::new());
    let kinds = [
        streams().boxed(),
        streams_of_reservations().boxed(),
        streams().boxed(),
        streams().boxed(),
    ];
    for kind in kinds.iter().cycle().take(STREAMS_MAX) {
        let stream = kind.new_tree(&mut runner).expect("every stream will do").current();
        for decision in &stream.run().decisions {
            let Some(row) = row(decision) else { continue };
            if let Outcome::Rejected(rejected) = &decision.outcome {
                seen.insert((row.name, rejected.code.as_str()));
            }
            seen.extend(
                decision
                    .events
                    .iter()
                    .filter_map(|event| own(decision, event))
                    .map(|event| (row.name, event)),
            );
        }
        missing = said.iter().filter(|(row, what)| !seen.contains(&(*row, *what))).collect();
        if missing.is_empty() {
            break;
        }
    }
    assert_eq!(missing, Vec::<&(&str, &str)>::new());
}
