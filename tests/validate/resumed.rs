//! A validator that goes on with what another one knew.

use crate::stored::{Pieces, Stored};
use crate::stream::random_partition;
use conclave::error::ErrorKind;
use conclave::validate::{Report, Rule, Validator, Verdict, Watch};
use conclave::wire::RecordedReader;
use conclave_core::decision::Event;

fn reader() -> RecordedReader {
    RecordedReader::new([])
}

/// Another one that knows what `watch` does, if that can be kept just now.
fn again(watch: &Watch<Pieces>, stored: &Stored, piece: usize) -> Option<Watch<Pieces>> {
    let bytes = watch.kept().unwrap()?;
    let (validator, places) = Validator::of_kept(&bytes, 0, reader()).unwrap();
    Some(Watch::resume(Pieces::of(stored, piece), validator, places).unwrap())
}

/// What is found when another validator goes on as often as it can be; and how often that was.
fn in_turns(stored: &Stored, piece: usize) -> (Report, u32) {
    let mut watch = Watch::new(Pieces::of(stored, piece), Validator::new(0, reader(), &[]));
    let (mut turns, mut decisions) = (0, 0);
    while watch.look().unwrap() {
        let count = watch.validator().decision_count();
        // An undecided command is read again by whoever goes on: it is no news.
        if count > decisions
            && let Some(next) = again(&watch, stored, piece)
        {
            (watch, turns, decisions) = (next, turns + 1, count);
        }
    }
    let is_at_rest = watch.look_to_the_end(|_| {}).unwrap();
    (watch.finish(is_at_rest), turns)
}

#[test]
fn whoever_goes_on_finds_what_one_alone_would_have_found() {
    let mut turns_sum = 0;
    for seed in 0..12 {
        let mut stored = Stored::of(&random_partition(seed, 600));
        // The last commands have no decision yet.
        stored.commands.push({
            let mut last = stored.commands.last().unwrap().clone();
            last.offset.0 += 1;
            last
        });
        let (report, turns) = in_turns(&stored, 1);
        assert_eq!(report, stored.report(1, &[]), "seed {seed}");
        assert_eq!((report.verdict(), report.undecided), (Verdict::Sound, 1), "seed {seed}");
        turns_sum += turns;
    }
    assert!(turns_sum > 50, "{turns_sum} turns");
}

#[test]
fn findings_are_kept_and_a_fault_behind_them_is_found() {
    let mut stored = Stored::of(&random_partition(4, 2_000));
    let is_grant = |event: &Event| matches!(event, Event::LeaseGranted(_));
    for first in [0, stored.decisions.len() / 2] {
        let at = stored.find_event_from(first, is_grant);
        stored.change(at, |decision| {
            for event in &mut decision.events {
                if let Event::LeaseGranted(granted) = event {
                    granted.replicas[0].node = "nowhere".into();
                }
            }
        });
    }
    let (report, turns) = in_turns(&stored, 1);
    assert!(turns > 5, "{turns} turns");
    assert!(report.count(Rule::Capacity) >= 2, "{report:#?}");
    assert_eq!(report, stored.report(1, &[]));
}

#[test]
fn whoever_goes_on_right_behind_a_finding_does() {
    let plant = |plant: fn(&mut Stored)| {
        let mut stored = Stored::of(&random_partition(3, 600));
        plant(&mut stored);
        let (report, turns) = in_turns(&stored, 1);
        assert!(turns > 5, "{turns} turns");
        assert_eq!(report, stored.report(1, &[]));
        assert_ne!(report.verdict(), Verdict::Sound);
    };
    plant(|stored| {
        let again = stored.decisions[stored.decisions.len() / 2].clone();
        stored.decisions.push(again);
    });
    plant(|stored| {
        let last = stored.decisions.len() - 1;
        stored.decisions.swap(last - 1, last);
    });
}

#[test]
fn a_log_that_does_not_hold_what_was_validated_is_no_place_to_go_on() {
    let stored = Stored::of(&random_partition(1, 300));
    let mut watch = Watch::new(Pieces::of(&stored, 1), Validator::new(0, reader(), &[]));
    let bytes = loop {
        assert!(watch.look().unwrap(), "nothing could be kept");
        if let Some(bytes) = watch.kept().unwrap() {
            break bytes;
        }
    };
    let check = |other: &Stored| {
        let (validator, places) = Validator::of_kept(&bytes, 0, reader()).unwrap();
        let resumed = Watch::resume(Pieces::of(other, 1), validator, places);
        let error = resumed.err().expect("it is another log");
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
    };
    check(&Stored::of(&random_partition(2, 300)));
    let mut cut = stored;
    cut.decisions.clear();
    check(&cut);

    let older = br#"[{"version":1,"partition":0}]"#;
    for (bytes, partition, kind) in [
        (&bytes[..], 1, ErrorKind::Invalid),
        (older, 0, ErrorKind::Invalid),
        (&bytes[..100], 0, ErrorKind::Corrupt),
        (&bytes[..bytes.len() - 1], 0, ErrorKind::Corrupt),
        (b"", 0, ErrorKind::Corrupt),
    ] {
        let error = Validator::of_kept(bytes, partition, reader()).expect_err("of no use");
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[test]
fn one_changed_byte_of_what_was_kept_is_found() {
    let stored = Stored::of(&random_partition(1, 60));
    let mut watch = Watch::new(Pieces::of(&stored, 1), Validator::new(0, reader(), &[]));
    while watch.look().unwrap() {}
    let sound = watch.kept().unwrap().expect("no decision waits for its command");
    assert!(Validator::of_kept(&sound, 0, reader()).is_ok());
    for at in 0..sound.len() {
        // A digit becomes another digit, and a letter another letter.
        for bit in [1, 0x20] {
            let mut bytes = sound.clone();
            bytes[at] ^= bit;
            let error = Validator::of_kept(&bytes, 0, reader()).expect_err("it was changed");
            assert_eq!(error.kind, ErrorKind::Corrupt, "byte {at}: {error}");
        }
    }
}
