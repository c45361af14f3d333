//! What a process has just sent to Kafka it does not read back: it has to be what everybody else
//! reads, at the same offsets and with the same times.

use crate::broker::Broker;
use crate::commands;
use crate::subjects::{Kafka, Subject as _};
use conclave::log::{EventLog as _, LogReader as _};
use conclave_core::units::Offset;

#[track_caller]
fn check(timestamp_type: &str) {
    let Some(broker) = Broker::shared("commands that are not read back, on Kafka") else { return };
    let mut ours = Kafka::with_times(&broker.brokers(), timestamp_type);
    let mut theirs = ours.another();
    assert_eq!(ours.log().accept(&commands(1..4)).unwrap(), Offset(0));
    assert_alike(&mut ours, 0..3);
    // Two others write in between: what stands there has to be asked for.
    assert_eq!(theirs.accept(&commands(4..6)).unwrap(), Offset(3));
    assert_eq!(ours.log().accept(&commands(6..9)).unwrap(), Offset(5));
    assert_alike(&mut ours, 0..8);
    assert_alike(&mut ours, 4..8);
    assert_alike(&mut ours, 6..8);
}

/// Both read `offsets`, from the first one on, and the same there.
#[track_caller]
fn assert_alike(ours: &mut Kafka, offsets: std::ops::Range<i64>) {
    let from = Offset(offsets.start);
    let read = ours.log().commands(from, usize::MAX).unwrap();
    assert_eq!(read.iter().map(|one| one.offset.0).collect::<Vec<_>>(), Vec::from_iter(offsets));
    assert_eq!(read, ours.reader().commands(from, usize::MAX).unwrap());
}

#[test]
fn what_was_sent_is_what_others_read() {
    check("CreateTime");
}

#[test]
fn what_was_sent_has_the_brokers_times_where_others_read_those() {
    check("LogAppendTime");
}
