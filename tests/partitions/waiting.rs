//! Whoever sent a command to a partition that is decided elsewhere gets its decision once the view
//! has folded it, however acceptance, decision and news of both come in.

use crate::elsewhere::Elsewhere;
use conclave::log::Headers;
use conclave::service::{Answer, NewCommand, Pending, Position, Standing, SubmitError};
use conclave::wire::encode_command;
use conclave::wire::json::{Defaults, read_command};
use conclave_core::command::{Actor, Command, Payload, Role};
use conclave_core::decision::Outcome;
use conclave_core::units::{CommandId, Offset, PoolId, TenantId, TimeMs, UserId};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Longer than the view ever needs, far shorter than any test.
const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough to see that somebody still waits.
const MOMENT: Duration = Duration::from_millis(50);

fn tick(id: &str) -> NewCommand {
    let command = Command {
        command_id: CommandId::from(id),
        pool: PoolId::default(),
        actor: Actor {
            tenant: TenantId::default(),
            user: UserId::from("ada"),
            role: Role::Administrator,
        },
        submitted_at_ms: TimeMs(0),
        payload: Payload::Tick,
    };
    NewCommand { key: vec![], value: encode_command(&command), headers: Headers::new() }
}

/// A command that is remembered.
fn policy(id: &str) -> NewCommand {
    let defaults = Defaults {
        command_id: Some(CommandId::from(id)),
        actor: Some(Actor {
            tenant: TenantId::default(),
            user: UserId::from("ada"),
            role: Role::Administrator,
        }),
        now: TimeMs(0),
    };
    let text = br#"{"pool": "lab", "payload": {"SetPoolPolicy": {}}}"#;
    let command = read_command(text, &defaults).unwrap();
    NewCommand { key: b"lab".to_vec(), value: encode_command(&command), headers: Headers::new() }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// What came; panics when nothing does.
#[track_caller]
fn answer<T>(pending: Pending<T>) -> Result<T, SubmitError> {
    let waited = async { tokio::time::timeout(PATIENCE, pending.wait()).await };
    runtime().block_on(waited).expect("nothing came")
}

#[track_caller]
fn decided(pending: Pending<Answer>, offset: Offset) {
    let Answer { decision, hash: _ } = answer(pending).unwrap();
    assert_eq!((decision.offset, decision.kind.as_str()), (offset, "Tick"));
}

#[test]
fn a_decision_is_answered_once_it_is_folded() {
    let (mut elsewhere, service) = Elsewhere::new(0, 1);
    // Until it is told of more, the view reads no further.
    runtime_with(service.view()).unwrap();
    let pending = service.decide(tick("one")).unwrap();
    let (receipt, offset) = elsewhere.append().remove(0);
    receipt.accepted(offset);
    elsewhere.decide();
    // It is committed, and the service has not heard of it.
    let mut waiting = Box::pin(pending.wait());
    let first_look = async { tokio::time::timeout(MOMENT, &mut waiting).await };
    assert!(runtime_with(first_look).is_err());
    elsewhere.publish();
    let came = async { tokio::time::timeout(PATIENCE, waiting).await };
    let Answer { decision, .. } = runtime_with(came).unwrap().unwrap();
    assert_eq!(decision.offset, offset);
    assert!(offset.0 > 1, "there is a hole before it");
}

fn runtime_with<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

#[test]
fn who_hears_of_the_acceptance_after_the_decision_is_answered_from_the_log() {
    let (mut elsewhere, service) = Elsewhere::new(0, 1);
    let pending = service.decide(tick("one")).unwrap();
    let (receipt, offset) = elsewhere.append().remove(0);
    elsewhere.decide();
    elsewhere.publish();
    runtime_with(service.view()).unwrap();
    receipt.accepted(offset);
    decided(pending, offset);
}

#[test]
fn acceptance_is_told_at_once_and_refusals_are_handed_on() {
    let (mut elsewhere, service) = Elsewhere::new(0, 1);
    let (accepted, refused) = (service.accept(tick("one")), service.accept(tick("two")));
    let dropped = service.decide(tick("three")).unwrap();
    let mut appended = elsewhere.append();
    drop(appended.remove(2));
    let (receipt, offset) = appended.remove(0);
    receipt.accepted(offset);
    appended.remove(0).0.refused(SubmitError::Away("no broker answers".to_owned()));
    assert_eq!(answer(accepted.unwrap()), Ok(offset));
    assert!(matches!(answer(refused.unwrap()), Err(SubmitError::Away(_))));
    assert_eq!(answer(dropped), Err(SubmitError::Closing));
}

#[test]
fn every_one_of_many_gets_its_own_answer() {
    let (mut elsewhere, service) = Elsewhere::new(0, 1);
    let mut waiting = vec![];
    for round in 0..20 {
        let sent = (0..10).map(|one| service.decide(tick(&format!("{round}-{one}"))).unwrap());
        let sent: Vec<_> = sent.collect();
        let appended = elsewhere.append();
        let offsets = appended.iter().map(|(_, offset)| *offset);
        waiting.extend(sent.into_iter().zip(offsets.collect::<Vec<_>>()));
        // Some hear of it before, some after the decision was folded.
        for (index, (receipt, offset)) in appended.into_iter().enumerate() {
            receipt.accepted(offset);
            if index == 4 {
                elsewhere.decide();
                elsewhere.publish();
            }
        }
    }
    for (pending, offset) in waiting {
        decided(pending, offset);
    }
}

#[test]
fn the_room_is_bounded() {
    let (_elsewhere, service) = Elsewhere::new(0, 1);
    let taken: Vec<_> = (0..16_384).map(|_| service.decide(tick("one")).unwrap()).collect();
    assert_eq!(service.decide(tick("one")).unwrap_err(), SubmitError::Busy);
    assert_eq!(service.accept(tick("one")).unwrap_err(), SubmitError::Busy);
    drop(taken);
}

#[test]
fn who_went_away_makes_room_for_others() {
    let (mut elsewhere, service) = Elsewhere::new(0, 1);
    let gone: Vec<_> = (0..16_384).map(|_| service.decide(tick("one")).unwrap()).collect();
    for (receipt, offset) in elsewhere.append() {
        receipt.accepted(offset);
    }
    assert_eq!(service.decide(tick("late")).unwrap_err(), SubmitError::Busy);
    drop(gone);
    assert!(service.decide(tick("late")).is_ok());
}

#[test]
fn closing_refuses_those_who_wait_and_whoever_comes() {
    let (mut elsewhere, service) = Elsewhere::new(0, 1);
    let (waits, is_sent) = (service.decide(tick("one")), service.decide(tick("two")));
    let mut appended = elsewhere.append();
    let (late, late_offset) = appended.remove(1);
    appended.into_iter().for_each(|(receipt, offset)| receipt.accepted(offset));
    service.close().unwrap();
    assert_eq!(answer(waits.unwrap()), Err(SubmitError::Closing));
    late.accepted(late_offset);
    assert_eq!(answer(is_sent.unwrap()), Err(SubmitError::Closing));
    assert_eq!(service.decide(tick("three")).unwrap_err(), SubmitError::Closing);
    assert_eq!(service.standing(), Standing::Closing);
}

#[test]
fn a_past_state_is_one_of_a_decision() {
    let (mut elsewhere, service) = Elsewhere::new(0, 1);
    let _pending = service.accept(tick("one")).unwrap();
    elsewhere.work();
    let last = service.watch().borrow().decisions_next.0 - 1;
    assert_eq!(service.state_at(Offset(last)).unwrap().state.covered, Offset(last));
    let hole = service.state_at(Offset(last - 1)).unwrap_err();
    assert!(hole.to_string().contains("the one before it is 0"), "{hole}");
}

#[test]
fn who_sent_a_command_once_is_told_its_first_decision_though_an_outbox_sent_it_twice() {
    let (mut elsewhere, service) = Elsewhere::new(0, 1);
    let [_first, mut second, third] = ["p"; 3].map(|id| service.decide(policy(id)).unwrap());
    let mut appended = elsewhere.append();
    let (asked_again, at_third) = appended.pop().unwrap();
    let (mut sent_again, at_second) = appended.pop().unwrap();
    let (_lost, at_first) = appended.pop().unwrap();
    sent_again.kept(Position(4));
    sent_again.sent_again();
    sent_again.accepted(at_second);
    asked_again.accepted(at_third);
    elsewhere.decide();
    elsewhere.publish();
    assert_eq!(runtime_with(second.kept()), Some(Position(4)));
    let Answer { decision, .. } = answer(second).unwrap();
    assert_eq!((decision.offset, decision.outcome), (at_first, Outcome::Accepted));
    // Whoever asks a second time is told that, as ever.
    let Answer { decision, .. } = answer(third).unwrap();
    let Outcome::Duplicate(duplicate) = decision.outcome else { panic!("{decision:?}") };
    assert_eq!((decision.offset, duplicate.first_offset), (at_third, at_first));
}

#[test]
fn a_partition_that_is_away_still_takes_what_its_outbox_keeps() {
    let (mut elsewhere, service) = Elsewhere::new(0, 1);
    elsewhere.notices.set_standing(Standing::Away("for a test".to_owned()));
    let pending = service.decide(tick("one")).unwrap();
    elsewhere.work();
    answer(pending).unwrap();
    elsewhere.notices.set_standing(Standing::Stopped("for a test".to_owned()));
    assert!(matches!(service.decide(tick("two")), Err(SubmitError::Stopped(_))));
}
