//! Faults, planted one at a time.

use crate::stored::Stored;
use crate::stream::random_partition;
use conclave::log::Headers;
use conclave::validate::{Acknowledged, Report, Rule};
use conclave::wire::decode_decision;
use conclave_core::decision::{Event, LeaseGranted, Outcome};
use conclave_core::units::{CommandId, Hash32, Offset};
use std::sync::LazyLock;

/// A sound log, in which enough happens.
fn sound() -> Stored {
    static LOG: LazyLock<Stored> = LazyLock::new(|| Stored::of(&random_partition(4, 2_000)));
    LOG.clone()
}

/// Asserts that what `plant` did, and says where, is found there by `rule`.
#[track_caller]
fn check(rule: Rule, plant: impl FnOnce(&mut Stored) -> usize) -> Report {
    let mut stored = sound();
    let at = plant(&mut stored);
    let report = stored.report(64, &[]);
    let at = i64::try_from(at).unwrap();
    assert!(
        report.first_findings.iter().any(|found| (found.rule, found.offset) == (rule, at)),
        "{} is not broken at {at}: {:#?}",
        rule.as_str(),
        report.first_findings
    );
    report
}

/// The same, and no other rule is broken.
#[track_caller]
fn check_only(rule: Rule, plant: impl FnOnce(&mut Stored) -> usize) {
    let report = check(rule, plant);
    assert_eq!(report.finding_count(), report.count(rule), "{:#?}", report.first_findings);
}

fn is_grant(event: &Event) -> bool {
    matches!(event, Event::LeaseGranted(_))
}

/// Changes the first grant in a decision.
fn change_grant(stored: &mut Stored, change: impl FnOnce(&mut LeaseGranted)) -> usize {
    let index = stored.find_event(is_grant);
    stored.change(index, |decision| {
        let granted = decision.events.iter_mut().find_map(|event| match event {
            Event::LeaseGranted(granted) => Some(granted),
            _ => None,
        });
        change(granted.unwrap());
    });
    index
}

#[test]
fn a_decision_is_missing() {
    check(Rule::Completeness, |stored| {
        stored.decisions.remove(100);
        100
    });
}

#[test]
fn the_last_decisions_are_missing_and_that_is_no_fault_unless_they_were_acknowledged() {
    let mut stored = sound();
    let last = stored
        .decisions
        .iter()
        .rposition(|record| decode_decision(&record.body).unwrap().round_index == 0);
    let last = last.unwrap();
    stored.decisions.truncate(last);
    stored.letters.retain(|letter| letter.offset < Offset(i64::try_from(last).unwrap()));
    let report = stored.report(9, &[]);
    assert_eq!(report.finding_count(), 0, "{report:#?}");
    let at = |offset| Acknowledged::At { partition: 0, offset: Offset(offset) };
    let lost = i64::try_from(last).unwrap();
    let report = stored.report(9, &[at(0), at(lost)]);
    assert_eq!(report.count(Rule::Acknowledged), 1);
    assert_eq!(report.first_findings[0].offset, lost);
}

#[test]
fn a_decision_stands_twice() {
    check_only(Rule::Completeness, |stored| {
        let again = stored.decisions[100].clone();
        stored.decisions.insert(103, again);
        100
    });
}

#[test]
fn two_decisions_change_places() {
    check(Rule::Order, |stored| {
        stored.decisions.swap(100, 101);
        100
    });
}

#[test]
fn a_decision_answers_what_nobody_sent() {
    check(Rule::Completeness, |stored| {
        stored.commands.remove(100);
        100
    });
    check(Rule::Completeness, |stored| {
        stored.commands.pop();
        stored.decisions.len() - 1
    });
}

#[test]
fn a_body_is_altered_and_its_digest_with_it() {
    check_only(Rule::Chain, |stored| {
        let index = stored.find(|decision| matches!(decision.outcome, Outcome::Rejected(_)));
        let record = &mut stored.decisions[index];
        let mut decision = decode_decision(&record.body).unwrap();
        if let Outcome::Rejected(rejected) = &mut decision.outcome {
            rejected.detail.push('!');
        }
        record.body = conclave::wire::encode_decision(&decision);
        record.hash = conclave::wire::body_hash(&record.body);
        index + 1
    });
}

#[test]
fn a_body_is_not_what_its_digest_says() {
    check(Rule::Chain, |stored| {
        stored.decisions[100].hash = Hash32([7; 32]);
        100
    });
}

#[test]
fn a_body_cannot_be_read() {
    check(Rule::Schema, |stored| {
        stored.decisions[100].body.push(0);
        100
    });
    check(Rule::Schema, |stored| {
        stored.decisions[100].body.truncate(60);
        100
    });
}

#[test]
fn a_header_is_broken() {
    check_only(Rule::Schema, |stored| {
        stored.decisions[100].headers = Headers::from([("traceparent", b"nonsense")]);
        100
    });
    check_only(Rule::Schema, |stored| {
        stored.decisions[100].offset = Offset(101);
        100
    });
    check_only(Rule::Causality, |stored| {
        stored.decisions[100].headers = Headers::from([("causation_id", b"another-command")]);
        100
    });
}

#[test]
fn a_readable_command_is_refused_as_unreadable() {
    check(Rule::Schema, |stored| {
        let index = stored.find(|decision| decision.outcome == Outcome::Accepted);
        let garbage = stored.commands.iter().find(|stored| stored.record.value == [9, 9, 9]);
        let garbage = garbage.unwrap().record.value.clone();
        stored.commands[index].record.value = garbage;
        index
    });
}

#[test]
fn a_command_is_another_one() {
    check_only(Rule::Causality, |stored| {
        stored.commands[100].record.key.push(b'x');
        100
    });
}

#[test]
fn time_goes_back() {
    check(Rule::Order, |stored| {
        stored.change(100, |decision| decision.time_ms.0 = 0);
        100
    });
    check(Rule::Order, |stored| {
        stored.change(100, |decision| decision.time_ms.0 += 1);
        100
    });
}

#[test]
fn a_round_is_not_contiguous() {
    let inside = |stored: &Stored| stored.find(|decision| decision.round_index == 2);
    check_only(Rule::Order, |stored| {
        let index = inside(stored);
        stored.change(index, |decision| decision.round.0 += 1);
        index
    });
    check(Rule::Order, |stored| {
        let index = inside(stored);
        stored.change(index, |decision| decision.round_count = Some(9));
        index
    });
    check(Rule::Order, |stored| {
        let index = inside(stored);
        stored.change(index, |decision| decision.partition = 3);
        index
    });
}

#[test]
fn a_lease_passes_what_a_node_has() {
    check(Rule::Capacity, |stored| {
        change_grant(stored, |granted| granted.replicas[0].gpus = vec![63])
    });
    check(Rule::Capacity, |stored| {
        change_grant(stored, |granted| granted.replicas[0].node = "nowhere".into())
    });
    // The same GPU for two leases.
    check(Rule::Capacity, |stored| {
        let is_whole = |event: &Event| match event {
            Event::LeaseGranted(granted) => granted.replicas[0].gpus == [1],
            _ => false,
        };
        let index = stored.find_event(is_whole);
        stored.change(index, |decision| {
            for event in &mut decision.events {
                if let Event::LeaseGranted(granted) = event {
                    granted.replicas[0].gpus = vec![0];
                }
            }
        });
        index
    });
}

#[test]
fn a_gang_is_granted_in_part() {
    check(Rule::Capacity, |stored| {
        let is_gang = |event: &Event| match event {
            Event::LeaseGranted(granted) => granted.replicas.len() > 1,
            _ => false,
        };
        let index = stored.find_event(is_gang);
        stored.change(index, |decision| {
            for event in &mut decision.events {
                if let Event::LeaseGranted(granted) = event {
                    granted.replicas.truncate(1);
                }
            }
        });
        index
    });
}

#[test]
fn a_lease_is_granted_twice() {
    check(Rule::Capacity, |stored| {
        let index = stored.find_event(is_grant);
        stored.change(index, |decision| {
            let grant = decision.events.iter().find(|event| is_grant(event)).unwrap().clone();
            decision.events.push(grant);
        });
        index
    });
}

#[test]
fn a_tenant_is_over_its_limit() {
    let mut index_of = 0;
    check(Rule::Capacity, |stored| {
        // The share that a tenant was given is taken back, in command and decision alike.
        let grant = stored.find_event(is_grant);
        index_of = stored.find_event(|event| matches!(event, Event::QuotaSet(_)));
        assert!(index_of < grant, "a share comes before its first grant");
        for index in 0..grant {
            stored.change(index, |decision| {
                for event in &mut decision.events {
                    if let Event::QuotaSet(set) = event {
                        set.quota.limit_gpu_milli.0 = 0;
                    }
                }
            });
        }
        grant
    });
}

#[test]
fn somebody_is_granted_who_did_not_ask() {
    check(Rule::Causality, |stored| {
        change_grant(stored, |granted| granted.request = "stranger".into())
    });
}

#[test]
fn a_fencing_number_is_wrong() {
    check(Rule::Causality, |stored| change_grant(stored, |granted| granted.fencing.0 -= 1));
    check(Rule::Causality, |stored| {
        let renewed = |event: &Event| matches!(event, Event::LeaseRenewed(_));
        let index = stored.find_event(renewed);
        stored.change(index, |decision| {
            for event in &mut decision.events {
                if let Event::LeaseRenewed(renewed) = event {
                    renewed.fencing.0 += 1;
                }
            }
        });
        index
    });
}

/// A holder with an old number is refused; here the refusal is ignored.
#[test]
fn a_stale_fencing_number_is_obeyed() {
    use conclave_core::decision::{LeaseEnd, LeaseEnded};
    use conclave_core::rejection::RejectionCode;
    check(Rule::Causality, |stored| {
        let index = stored.find(|decision| match &decision.outcome {
            Outcome::Rejected(rejected) => {
                rejected.code == RejectionCode::StaleFencing && *decision.kind == *"ReleaseLease"
            }
            _ => false,
        });
        stored.change(index, |decision| {
            decision.outcome = Outcome::Accepted;
            decision.events.push(Event::LeaseEnded(LeaseEnded {
                pool: decision.pool.clone(),
                request: decision.request.clone(),
                reason: LeaseEnd::Released,
                outcome: conclave_core::command::WorkOutcome::Succeeded,
                utilisation_bp: Some(5_000),
            }));
        });
        index
    });
}

#[test]
fn an_effect_without_a_cause() {
    check(Rule::Causality, |stored| {
        let index = stored.find(|decision| matches!(decision.outcome, Outcome::Rejected(_)));
        let joined = stored.find_event(|event| matches!(event, Event::NodeRegistered(_)));
        let joined = decode_decision(&stored.decisions[joined].body).unwrap().events;
        stored.change(index, |decision| decision.events.extend(joined));
        index
    });
    check(Rule::Causality, |stored| {
        let index = stored.find(|decision| {
            *decision.kind == *"CancelRequest" && decision.outcome == Outcome::Accepted
        });
        stored.change(index, |decision| decision.events.clear());
        index
    });
}

#[test]
fn a_command_is_acted_upon_twice() {
    let acted_again = |stored: &mut Stored| {
        let index = stored.find(|decision| matches!(decision.outcome, Outcome::Duplicate(_)));
        let Outcome::Duplicate(duplicate) =
            decode_decision(&stored.decisions[index].body).unwrap().outcome
        else {
            unreachable!("it was found")
        };
        let first = usize::try_from(duplicate.first_offset.0).unwrap();
        let first = decode_decision(&stored.decisions[first].body).unwrap();
        stored.change(index, |decision| {
            (decision.outcome, decision.remembered) = (first.outcome, first.remembered);
        });
        index
    };
    check(Rule::Once, acted_again);
    let mut stored = sound();
    let index = acted_again(&mut stored);
    let command_id = decode_decision(&stored.decisions[index].body).unwrap().command_id;
    let report = stored.report(64, &[Acknowledged::Id { command_id }]);
    assert_eq!(report.count(Rule::Acknowledged), 1, "{report:#?}");
}

#[test]
fn a_duplicate_of_nothing() {
    check(Rule::Once, |stored| {
        let index = stored.find(|decision| matches!(decision.outcome, Outcome::Duplicate(_)));
        stored.change(index, |decision| {
            if let Outcome::Duplicate(duplicate) = &mut decision.outcome {
                duplicate.first_offset.0 -= 1;
            }
        });
        index
    });
}

#[test]
fn a_dead_letter_is_lost_altered_or_nobodys() {
    check_only(Rule::DeadLetters, |stored| {
        let lost = stored.letters.remove(1);
        usize::try_from(lost.offset.0).unwrap()
    });
    check_only(Rule::DeadLetters, |stored| {
        let lost = stored.letters.pop().unwrap();
        usize::try_from(lost.offset.0).unwrap()
    });
    check_only(Rule::DeadLetters, |stored| {
        stored.letters[1].value.push(0);
        usize::try_from(stored.letters[1].offset.0).unwrap()
    });
    check_only(Rule::DeadLetters, |stored| {
        let again = stored.letters[1].clone();
        stored.letters.insert(1, again);
        usize::try_from(stored.letters[1].offset.0).unwrap()
    });
    check_only(Rule::DeadLetters, |stored| {
        let accepted = stored.find(|decision| decision.outcome == Outcome::Accepted);
        let mut other = stored.letters[0].clone();
        other.offset = Offset(i64::try_from(accepted).unwrap());
        stored.letters.insert(0, other);
        accepted
    });
}

#[test]
fn an_acknowledged_id_has_no_answer() {
    let known = sound().find(|decision| decision.outcome == Outcome::Accepted);
    let known = decode_decision(&sound().decisions[known].body).unwrap().command_id;
    let list = [known, CommandId::from("lost")].map(|command_id| Acknowledged::Id { command_id });
    let mut reports = [sound().report(64, &list)];
    conclave::validate::settle_unanswered(&mut reports);
    assert_eq!(reports[0].count(Rule::Acknowledged), 1, "{:#?}", reports[0]);
}

#[test]
fn the_first_findings_of_each_rule_are_listed_and_all_are_counted() {
    let mut stored = sound();
    for record in &mut stored.decisions[50..150] {
        record.headers = Headers::from([("traceparent", b"nonsense")]);
    }
    stored.letters.remove(1);
    let report = stored.report(64, &[]);
    assert_eq!(report.count(Rule::Schema), 100);
    assert_eq!(report.first_findings.len(), conclave::validate::FINDINGS_LISTED_MAX + 1);
}
