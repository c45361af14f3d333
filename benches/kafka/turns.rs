//! Two producers that take turns in one partition. The second hands its records over only after the
//! last report of the first, or records would stand in the wrong order.

use crate::bare::{Copy, Filling, Took, consumer, drain, producer, send_offsets};
use crate::broker::{Broker, TIMEOUT};
use rdkafka::producer::Producer;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Copies all of `partition` up to `end`: one producer commits in a thread of its own while the
/// other is filled.
pub(crate) fn run(broker: &Broker, copy: &Copy, partition: i32, end: i64) -> Took {
    let consumer = consumer(broker, copy, partition);
    let filling = Filling::new(copy, partition);
    let mut took = Took::default();
    let (give_free, take_free) = mpsc::channel();
    for turn in 0..2 {
        give_free.send(producer(broker, copy, partition, turn)).expect("it is received below");
    }
    let (give_full, take_full) = mpsc::channel::<rdkafka::producer::BaseProducer>();
    let committing = thread::spawn(move || {
        let mut commits = vec![];
        for producer in take_full {
            let started = Instant::now();
            producer.commit_transaction(TIMEOUT).expect("the broker is there");
            commits.push(started.elapsed());
            if give_free.send(producer).is_err() {
                break;
            }
        }
        commits
    });
    let mut next = 0;
    while next < end {
        let producer = take_free.recv().expect("the other thread gives it back");
        producer.begin_transaction().expect("its transaction before is over");
        let started = Instant::now();
        next = filling.fill(&consumer, &producer, end);
        took.produce.push(started.elapsed());
        let started = Instant::now();
        drain(&producer, copy.way);
        took.drain.push(started.elapsed());
        let started = Instant::now();
        send_offsets(&consumer, &producer, copy, partition, next);
        took.offsets.push(started.elapsed());
        give_full.send(producer).expect("the other thread takes it");
    }
    drop(give_full);
    drop(take_free);
    took.commit = committing.join().expect("every commit succeeded");
    took
}
