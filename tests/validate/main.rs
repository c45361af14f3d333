//! A sound log has no findings, whatever was sent; every planted fault is found, by its rule, where
//! it was planted.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]

mod command;
mod planted;
mod resumed;
mod stored;
mod stream;
#[path = "../system_common/mod.rs"]
mod system_common;
mod topology;

use conclave::validate::{Acknowledged, Verdict, validate};
use conclave_core::units::Offset;
use std::time::Instant;
use stored::Stored;
use stream::random_partition;

const SEEDS: u64 = 30;

#[test]
fn a_sound_log_has_no_findings() {
    let mut events = std::collections::BTreeMap::<String, u64>::new();
    for seed in 0..SEEDS {
        let partition = random_partition(seed, 400);
        let stored = Stored::of(&partition);
        let all = stored
            .commands
            .iter()
            .map(|stored| Acknowledged::At { partition: 0, offset: stored.offset });
        let report = validate(partition.disk.clone(), &[], &all.collect::<Vec<_>>()).unwrap();
        assert_eq!(report.verdict(), Verdict::Sound, "seed {seed}: {report:#?}");
        assert_eq!(report.decisions, stored.decisions.len() as u64);
        for record in &stored.decisions {
            let decision = conclave::wire::decode_decision(&record.body).unwrap();
            for event in decision.events {
                let name = format!("{event:?}");
                *events.entry(name.split('(').next().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    assert!(events.len() >= 19, "the streams are too tame: {events:?}");
}

#[test]
fn the_size_of_pieces_makes_no_difference() {
    let mut stored = Stored::of(&random_partition(1, 300));
    stored.decisions.remove(200);
    stored.decisions.swap(90, 91);
    stored.letters.remove(2);
    let whole = stored.report(usize::MAX, &[]);
    assert!(whole.finding_count() > 3, "{whole:?}");
    for piece in [1, 2, 7, 64] {
        let mut pieces = stored.report(piece, &[]);
        // Dead letters are judged when both sides are there, whenever that is.
        let mut expected = whole.clone();
        for report in [&mut pieces, &mut expected] {
            report.first_findings.sort_by_key(|found| (found.rule, found.offset));
        }
        assert_eq!(pieces, expected, "pieces of {piece}");
    }
}

#[test]
fn offsets_may_have_holes() {
    let mut stored = Stored::of(&random_partition(3, 50));
    // Nothing was decided yet of what stands behind a hole.
    for (index, command) in stored.commands.iter_mut().enumerate() {
        command.offset = Offset(i64::try_from(2 * index).unwrap());
    }
    stored.decisions.clear();
    stored.letters.clear();
    let report = stored.report(5, &[]);
    assert_eq!(report.verdict(), Verdict::Sound, "{report:#?}");
    assert_eq!(report.undecided, stored.commands.len() as u64);
}

#[test]
fn it_keeps_up() {
    let partition = random_partition(5, 20_000);
    let stored = Stored::of(&partition);
    let started = Instant::now();
    let report = stored.report(1_000, &[]);
    let elapsed = started.elapsed();
    let speed = report.decisions as f64 / elapsed.as_secs_f64();
    println!("{} decisions in {elapsed:?}: {speed:.0}/s", report.decisions);
    assert_eq!(report.verdict(), Verdict::Sound, "{report:#?}");
    // Far below what it does, so that a busy machine is no fault.
    assert!(speed > 10_000.0, "{speed:.0} decisions/s");
}
