//! Frames as people see them.

use super::*;
use crate::report::status::{AsOf, PartitionStatus, StatusReport};

fn seen(status: StatusReport) -> Seen {
    Seen {
        status,
        chosen: 0,
        queue: None,
        decisions: vec!["decision 3: Tick -/- accepted".into()],
        partition: None,
    }
}

fn empty() -> StatusReport {
    StatusReport {
        as_of: AsOf { offset: 3, time_ms: 7_380_000, partition: 0 },
        log_id: Some("tale\u{1b}[2J".to_owned()),
        chain_head: "0123456789abcdef".to_owned(),
        decide_version: 1,
        pools: vec![],
        councils: vec![],
        awaiting: vec![],
        partitions: vec![],
    }
}

#[test]
fn a_frame_shows_everything_and_moves_no_cursor() {
    let text = frame(&seen(empty()), None, 120, 20);
    assert!(
        text.starts_with("log tale\\u{1b}[2J  decision 3  +2h03m  head 0123456789ab\n"),
        "{text}"
    );
    for part in ["pools", "POOL", "LONGEST", "WHY", "decision 3: Tick", "q ends"] {
        assert!(text.contains(part), "{part} lacks in\n{text}");
    }
    assert_eq!(text.lines().count(), 20);
}

#[test]
fn of_several_partitions_it_says_which_one_the_decisions_are_of() {
    let one = |partition| PartitionStatus {
        partition,
        as_of: AsOf { partition, ..empty().as_of },
        chain_head: String::new(),
        decide_version: 1,
    };
    let status = StatusReport { partitions: vec![one(0), one(1)], ..empty() };
    let text = frame(&Seen { partition: Some(1), ..seen(status) }, None, 120, 20);
    for part in ["2 partitions  +2h03m", "last decisions of partition 1"] {
        assert!(text.contains(part), "{part} lacks in\n{text}");
    }
}

#[test]
fn what_went_wrong_stands_below_and_a_small_window_is_no_reason_to_fail() {
    let error = Error::unavailable("no service answers");
    let text = frame(&seen(empty()), Some(&error), 60, 20);
    assert!(text.trim_end().ends_with("no service answers"), "{text}");
    for (columns, rows) in [(1, 1), (3, 5), (500, 2)] {
        assert_eq!(frame(&seen(empty()), None, columns, rows).lines().count(), usize::from(rows));
    }
}

#[test]
fn keys_do_what_the_help_says() {
    let press = |code| act(KeyEvent::new(code, KeyModifiers::NONE));
    for (code, expected) in [
        (KeyCode::Char('q'), Act::End),
        (KeyCode::Esc, Act::End),
        (KeyCode::Char('c'), Act::Nothing),
        (KeyCode::Down, Act::Down),
        (KeyCode::Up, Act::Up),
    ] {
        assert_eq!(press(code), expected);
    }
    assert_eq!(act(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Act::End);
}
