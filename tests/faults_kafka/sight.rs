//! When decisions could be read, as a consumer of committed records sees them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::site::{PARTITIONS, PATIENCE, Site};
use conclave::log::kafka::command_offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One decision: when it was seen, its partition, and the offset of its command.
type Seen = (Instant, i32, i64);

/// Sees every decision from now on.
pub(crate) struct Sight {
    seen: Arc<Mutex<Vec<Seen>>>,
    is_closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sight {
    pub(crate) fn open(site: &Site) -> Self {
        let mut client = site.client();
        client.set("group.id", "sight").set("isolation.level", "read_committed");
        client.set("enable.auto.commit", "false").set("fetch.wait.max.ms", "10");
        client.set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = client.create().unwrap();
        let mut from = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let topic = &site.settings.topics.decisions;
            from.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&from).unwrap();
        let (seen, is_closing) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::default());
        let (noted, closing) = (Arc::clone(&seen), Arc::<AtomicBool>::clone(&is_closing));
        let watch = move || {
            while !closing.load(Ordering::Relaxed) {
                let Some(Ok(record)) = consumer.poll(Duration::from_millis(50)) else { continue };
                let offset = command_offset(&record).unwrap().0;
                noted.lock().unwrap().push((Instant::now(), record.partition(), offset));
            }
        };
        Self { seen, is_closing, thread: Some(std::thread::spawn(watch)) }
    }

    /// Waits until every partition has decided a command from `ends` on; how long after `since`.
    #[track_caller]
    pub(crate) fn decided_behind(&self, ends: &[i64], since: Instant, site: &Site) -> Duration {
        let began = Instant::now();
        loop {
            let seen = self.seen.lock().unwrap();
            let first = |partition: i32| {
                let end = ends[usize::try_from(partition).unwrap()];
                seen.iter().find(|(_, at, offset)| *at == partition && *offset >= end)
            };
            let firsts: Option<Vec<_>> = (0..PARTITIONS).map(first).collect();
            if let Some(firsts) = firsts {
                return firsts.iter().map(|(at, ..)| *at).max().unwrap().duration_since(since);
            }
            drop(seen);
            assert!(began.elapsed() < PATIENCE, "not every partition is decided {}", site.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The longest time that any partition stood still between `since` and now.
    pub(crate) fn longest_pause(&self, since: Instant) -> Duration {
        let seen = self.seen.lock().unwrap();
        let pause = |partition: i32| {
            let of = seen.iter().filter(|(at, number, _)| *number == partition && *at >= since);
            let times = of.map(|(at, ..)| *at).chain([Instant::now()]);
            let mut last = since;
            times.map(|at| at.duration_since(std::mem::replace(&mut last, at))).max().unwrap()
        };
        (0..PARTITIONS).map(pause).max().unwrap()
    }
}

impl Drop for Sight {
    fn drop(&mut self) {
        self.is_closing.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}
