//! Which settings and which order of calls suit transactions of one round: the bare copy, again and
//! again, each time with one thing changed.

use crate::bare::{self, BEST, Copy, Took, Way};
use crate::broker::Broker;
use crate::process;
use crate::session::Sizes;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use std::thread;
use std::time::{Duration, Instant};

/// What is tried: [`BEST`] with these changes.
#[derive(Clone, Copy, Debug)]
struct Trial {
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
    way: Way,
    batch: usize,
}

const WAY: Way = Way {
    offsets_first: false,
    offsets_early: false,
    no_drain: false,
    spin: false,
    pause_ms: 0,
    alternate: false,
};
const AS_IT_IS: Trial = Trial { name: "best", settings: &[], way: WAY, batch: 1_000 };

const fn with(name: &'static str, settings: &'static [(&'static str, &'static str)]) -> Trial {
    Trial { name, settings, ..AS_IT_IS }
}

const fn going(name: &'static str, way: Way) -> Trial {
    Trial { name, way, ..AS_IT_IS }
}

const fn sized(name: &'static str, batch: usize) -> Trial {
    Trial { name, batch, ..AS_IT_IS }
}

const TRIALS: &[Trial] = &[
    AS_IT_IS,
    going("waiting by the crate's poll of 200 µs", Way { spin: true, ..WAY }),
    going("the crate's commit does the waiting", Way { no_drain: true, ..WAY }),
    going("offsets before the records are delivered", Way { offsets_first: true, ..WAY }),
    going("offsets before the records", Way { offsets_early: true, ..WAY }),
    going("pause of 1 ms after a commit", Way { pause_ms: 1, ..WAY }),
    going("pause of 3 ms after a commit", Way { pause_ms: 3, ..WAY }),
    going("two producers in turns", Way { alternate: true, ..WAY }),
    with("reports of all deliveries", &[("delivery.report.only.error", "false")]),
    with("linger.ms 0", &[("linger.ms", "0")]),
    with("linger.ms 5", &[("linger.ms", "5")]),
    with("linger.ms 100", &[("linger.ms", "100")]),
    with("retry.backoff.ms 1", &[("retry.backoff.ms", "1")]),
    with("retry.backoff.ms 100", &[("retry.backoff.ms", "100"), ("retry.backoff.max.ms", "1000")]),
    with("batch.num.messages 1000", &[("batch.num.messages", "1000")]),
    with("batch.size 100 kB", &[("batch.size", "100000")]),
    with("one request under way", &[("max.in.flight", "1")]),
    with("no compression", &[("compression.type", "none")]),
    sized("64 records a transaction", 64),
    sized("250 records a transaction", 250),
    sized("4,000 records a transaction", 4_000),
    sized("16,000 records a transaction", 16_000),
];

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
        for (index, trial) in TRIALS.iter().enumerate() {
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
            producer: BEST.iter().chain(self.settings).map(owned).collect(),
            way: self.way,
        };
        let few = self.batch < 500 || self.way.no_drain;
        let end = if few { records / 10 } else { records };
        let started = Instant::now();
        let cpu = own_cpu();
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
        let cpu = (own_cpu() - cpu).as_secs_f64() * 1e6 / count as f64;
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

fn owned(setting: &(&str, &str)) -> (String, String) {
    (setting.0.to_owned(), setting.1.to_owned())
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: usize| {
        let index = (times.len() * share / 100).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    format!("{:.1}/{:.1}/{:.1}", at(50), at(99), at(100))
}

fn own_cpu() -> Duration {
    process::cpu(std::process::id()).unwrap_or_default()
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
