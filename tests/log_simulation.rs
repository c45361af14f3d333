//! The log in memory fails as its seed says, and keeps the promises of the stored ones meanwhile.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod log_common;

use conclave::error::ErrorKind;
use conclave::log::memory::{CrashLoss, Faults, MemoryLog};
use conclave::log::{CommitError, EventLog, LogEnds, LogReader};
use conclave_core::units::Offset;
use log_common::{check_all, command, round};

const SEEDS: u64 = 50;
const STEPS: usize = 300;

const OFTEN: Faults = Faults {
    full_per_mille: 20,
    aborted_per_mille: 60,
    unknown_per_mille: 60,
    crash_per_mille: 60,
    loss: CrashLoss::Nothing,
};

/// What happened to a log, and what it was left with.
#[derive(Debug, Default, PartialEq, Eq)]
struct Story {
    crashes: u32,
    full: u32,
    aborted: u32,
    unknown: u32,
    unknown_but_stored: u32,
    lost: u32,
    ends: LogEnds,
}

/// Writes for a while, opens the log again whenever it is down, and checks after every step that
/// nothing acknowledged is missing, or under `Unsynced` nothing synced.
fn live(seed: u64, faults: Faults) -> Story {
    let mut log = MemoryLog::with_faults(seed, faults);
    let mut story = Story::default();
    let mut safe = LogEnds::default();
    let mut acked = LogEnds::default();
    for step in 0..STEPS {
        let before = log.ends().unwrap();
        let (commands_next, decisions_next) = (before.commands_next.0, before.decisions_next.0);
        if step % 2 == 0 {
            let batch: Vec<_> = (commands_next..commands_next + 3).map(command).collect();
            match log.accept(&batch) {
                Ok(first) => assert_eq!(first, before.commands_next),
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Unavailable);
                    story.full += u32::from(error.message.contains("full"));
                }
            }
        } else {
            match log.commit(&round(decisions_next..commands_next)) {
                Ok(()) => {}
                Err(CommitError::Aborted(_)) => {
                    assert_eq!(log.ends().unwrap(), before, "an aborted round does not exist");
                    story.aborted += 1;
                    continue;
                }
                Err(CommitError::Unknown(_)) => {
                    story.unknown += 1;
                    log.reopen();
                    story.unknown_but_stored += u32::from(log.ends().unwrap() != before);
                }
                Err(error @ CommitError::Failed(_)) => panic!("{error:?}"),
            }
        }
        if log.is_down() {
            assert_eq!(log.ends().unwrap_err().kind, ErrorKind::Unavailable);
            story.crashes += 1;
            log.reopen();
        } else if step % 10 == 0 {
            log.sync().unwrap();
            safe = log.ends().unwrap();
        }
        let after = log.ends().unwrap();
        check_all(&log);
        let promised = if faults.loss == CrashLoss::Nothing { acked } else { safe };
        assert!(after.commands_next >= promised.commands_next);
        assert!(after.decisions_next >= promised.decisions_next);
        assert!(after.decisions_next <= after.commands_next);
        story.lost += u32::from(after.commands_next < acked.commands_next);
        acked = after;
    }
    story.ends = log.ends().unwrap();
    story
}

#[test]
fn what_is_acknowledged_survives_and_every_fault_happens() {
    let stories: Vec<Story> = (0..SEEDS).map(|seed| live(seed, OFTEN)).collect();
    let sum = |of: fn(&Story) -> u32| stories.iter().map(of).sum::<u32>();
    assert!(sum(|story| story.crashes) > 0);
    assert!(sum(|story| story.full) > 0);
    assert!(sum(|story| story.aborted) > 0);
    let (unknown, stored) = (sum(|story| story.unknown), sum(|story| story.unknown_but_stored));
    assert!(0 < stored && stored < unknown, "{stored} of {unknown}");
    assert_eq!(sum(|story| story.lost), 0);
}

#[test]
fn a_crash_that_loses_what_was_not_synced_loses_nothing_else() {
    let faults = Faults { loss: CrashLoss::Unsynced, ..OFTEN };
    let lost: u32 = (0..SEEDS).map(|seed| live(seed, faults).lost).sum();
    assert!(lost > 0, "some crash takes something with it");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let stories = |seed| (live(seed, OFTEN), live(seed, OFTEN));
    let (first, second) = stories(7);
    assert_eq!(first, second);
    assert_ne!(first, live(8, OFTEN));
}

#[test]
fn without_faults_nothing_fails() {
    let story = live(1, Faults::default());
    let per_accept = 3 * i64::try_from(STEPS / 2).unwrap();
    let ends = LogEnds { commands_next: Offset(per_accept), ..story.ends };
    assert_eq!(story, Story { ends, ..Story::default() });
}
