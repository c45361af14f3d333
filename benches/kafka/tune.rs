//! Which settings and which order of calls suit transactions of one round: the bare copy, again and
//! again, each time with one thing changed.

use crate::bare::{self, Copy, Took, Way};
use crate::broker::Broker;
use crate::session::Sizes;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::producer::DefaultProducerContext;
use std::thread;
use std::time::{Duration, Instant};

/// What is tried.
#[derive(Clone, Debug)]
struct Trial {
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
    way: Way,
    batch: usize,
}

const PLAIN: Way = Way {
    offsets_first: false,
    no_drain: false,
    spin: false,
    pause_ms: 0,
    alternate: false,
};
const BASE: &[(&str, &str)] = &[
    ("linger.ms", "1"),
    ("retry.backoff.ms", "5"),
    ("delivery.report.only.error", "true"),
];
const REPORTS: &[(&str, &str)] = &[("linger.ms", "1"), ("retry.backoff.ms", "5")];

fn trials() -> Vec<Trial> {
    let set = |name, settings| Trial { name, settings, way: PLAIN, batch: 1_000 };
    let way = |name, way| Trial { name, settings: BASE, way, batch: 1_000 };
    let batch = |name, batch| Trial { name, settings: BASE, way: PLAIN, batch };
    vec![
        set("a0 base: linger 1, backoff 5, sleep, only errors", BASE),
        way("a1 base, spin", Way { spin: true, ..PLAIN }),
        set("a2 base with reports", REPORTS),
        Trial { name: "a3 reports, spin", settings: REPORTS, way: Way { spin: true, ..PLAIN }, batch: 1_000 },
        way("a4 base, offsets before the drain", Way { offsets_first: true, ..PLAIN }),
        way("a5 base, two producers in turns", Way { alternate: true, ..PLAIN }),
        way("a6 base, pause 1 ms", Way { pause_ms: 1, ..PLAIN }),
        way("a7 base, pause 3 ms", Way { pause_ms: 3, ..PLAIN }),
        way("a8 base, pause 8 ms", Way { pause_ms: 8, ..PLAIN }),
        way("a9 base, no drain", Way { no_drain: true, ..PLAIN }),
        set("b0 linger 0", &[("linger.ms", "0"), ("retry.backoff.ms", "5"), ("delivery.report.only.error", "true")]),
        set("b1 linger 5", &[("linger.ms", "5"), ("retry.backoff.ms", "5"), ("delivery.report.only.error", "true")]),
        set("b2 linger 100", &[("linger.ms", "100"), ("retry.backoff.ms", "5"), ("delivery.report.only.error", "true")]),
        set("b3 backoff 1", &[("linger.ms", "1"), ("retry.backoff.ms", "1"), ("retry.backoff.max.ms", "5"), ("delivery.report.only.error", "true")]),
        set("b4 backoff 100", &[("linger.ms", "1"), ("retry.backoff.ms", "100"), ("delivery.report.only.error", "true")]),
        set("b5 batch.num.messages 1000", &[("linger.ms", "1"), ("retry.backoff.ms", "5"), ("delivery.report.only.error", "true"), ("batch.num.messages", "1000")]),
        set("b6 batch.size 100 KB", &[("linger.ms", "1"), ("retry.backoff.ms", "5"), ("delivery.report.only.error", "true"), ("batch.size", "100000")]),
        set("b7 lz4", &[("linger.ms", "1"), ("retry.backoff.ms", "5"), ("delivery.report.only.error", "true"), ("compression.codec", "lz4")]),
        set("b8 max.in.flight 1", &[("linger.ms", "1"), ("retry.backoff.ms", "5"), ("delivery.report.only.error", "true"), ("max.in.flight", "1")]),
        batch("c0 64 a transaction", 64),
        batch("c1 250 a transaction", 250),
        batch("c2 4,000 a transaction", 4_000),
        batch("c3 16,000 a transaction", 16_000),
    ]
}

/// Runs every trial as often as `sizes` says and prints what each took.
pub(crate) fn run(broker: &Broker, sizes: &Sizes) {
    let Sizes { partitions, times, records, .. } = *sizes;
    let records = i64::try_from(records).expect("a number of records");
    let prefix = format!("tune-{}", std::process::id());
    let input = format!("{prefix}-in");
    broker.create(&input, partitions, &[]);
    fill(broker, &input, records, partitions);
    println!("{} partitions, {records} records each", partitions);
    println!("{:<50} {:>9} | p50/p99/max ms of: produce, drain, offsets, commit", "", "records/s");
    for round in 0..times {
        for (index, trial) in trials().iter().enumerate() {
            let id = format!("{prefix}-{round}-{index}");
            trial.run(broker, &input, &id, records, partitions);
        }
    }
    broker.delete(&input);
}

impl Trial {
    fn run(&self, broker: &Broker, input: &str, id: &str, records: i64, partitions: i32) {
        broker.create(id, partitions, &[]);
        let copy = Copy {
            from: input.to_owned(),
            to: id.to_owned(),
            id: id.to_owned(),
            batch: self.batch,
            value_bytes: 215,
            header_bytes: 60,
            producer: self.settings.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect(),
            way: self.way,
        };
        let few = self.batch < 500 || self.way.no_drain || self.name.contains("backoff 100");
        let end = if few { records / 10 } else { records };
        let started = Instant::now();
        let cpu = cpu();
        let mut all = Took::default();
        thread::scope(|scope| {
            let copy = &copy;
            let threads: Vec<_> = (0..partitions)
                .map(|partition| scope.spawn(move || bare::run(broker, copy, partition, end)))
                .collect();
            for thread in threads {
                let took = thread.join().expect("the copy ends well");
                all.produce.extend(took.produce);
                all.drain.extend(took.drain);
                all.offsets.extend(took.offsets);
                all.commit.extend(took.commit);
            }
        });
        let count = end * i64::from(partitions);
        let rate = count as f64 / started.elapsed().as_secs_f64();
        let cpu = (self::cpu() - cpu) / count as f64 * 1e6;
        println!(
            "{:<50} {rate:>9.0} | {} | {} | {} | {} | own CPU {cpu:.2} µs a record",
            self.name,
            spread(&mut all.produce),
            spread(&mut all.drain),
            spread(&mut all.offsets),
            spread(&mut all.commit),
        );
        broker.delete(id);
    }
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: usize| {
        let index = (times.len() * share / 100).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    format!("{:.1}/{:.1}/{:.1}", at(50), at(99), at(100))
}

fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a field").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

fn fill(broker: &Broker, topic: &str, records: i64, partitions: i32) {
    let mut config = broker.client("bench-fill");
    config.set("linger.ms", "5");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("sound");
    let value = vec![b'c'; 200];
    for index in 0..records * i64::from(partitions) {
        let partition = i32::try_from(index % i64::from(partitions)).expect("small");
        loop {
            let record =
                BaseRecord::to(topic).partition(partition).key("main").payload(value.as_slice());
            if producer.send(record).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
    producer.flush(Duration::from_secs(60)).expect("the broker is there");
}
