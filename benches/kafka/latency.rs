//! Latency in an open loop: commands are sent at fixed times, whatever becomes of those before, and
//! each is clocked from when it should have been sent to when a consumer of committed records has
//! its decision.

use crate::broker::{Broker, TIMEOUT};
use crate::contender::Task;
use crate::feed::{Feed, Sender};
use crate::process;
use hdrhistogram::Histogram;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers as _, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// The longest latency that is told apart.
const MICROS_MAX: u64 = 60_000_000;
/// How far apart two groups of commands are sent.
const BEAT: Duration = Duration::from_millis(1);
/// How long a command waits for others to the same partition, as stock clients have it. Without it
/// each is a request of its own, and the broker has more to do with the generator than with those
/// that are measured.
const LINGER_MS: u32 = 5;
/// One of so many commands warms the contender up and is not counted.
const WARM_UP: usize = 4;

/// When each command should be sent: one partition after the other, evenly in time.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    start: Instant,
    per_second: f64,
    partitions: usize,
    /// Offset of the first command in each partition.
    first: i64,
}

impl Schedule {
    fn intended(&self, partition: i32, offset: i64) -> Instant {
        let place = usize::try_from(offset - self.first).expect("a command of ours");
        let partition = usize::try_from(partition).expect("a partition");
        let number = place * self.partitions + partition;
        self.start + Duration::from_secs_f64(number as f64 / self.per_second)
    }
}

/// What an open loop showed.
pub(crate) struct Answered {
    /// From when each command should have been sent to when its answer was visible, in µs.
    pub(crate) latency: Histogram<u64>,
    /// What all contenders' processes spent on the cores on commands that were sent at a pace.
    pub(crate) cpu: Duration,
}

/// Runs `tasks`, whose input ends `ahead` commands per partition before their `end`: those are sent
/// at `per_second` once everything before is answered.
pub(crate) fn run(
    broker: &Broker,
    tasks: &[Task],
    feeds: &mut [Feed],
    ahead: usize,
    per_second: f64,
) -> Answered {
    let commands: Vec<_> = feeds.iter_mut().map(|feed| feed.next(ahead).records).collect();
    let task = tasks.first().expect("somebody answers");
    let first = task.end - i64::try_from(ahead).expect("a small number");
    let consumer = reader(broker, task);
    let mut children: Vec<_> = tasks.iter().map(Task::start).collect();
    let mut answered = 0;
    while answered < first * i64::from(task.partitions) {
        let message = consumer.poll(TIMEOUT).expect("the contender answers");
        answered += i64::from(message.is_ok());
    }
    let cpu = |children: &[Child]| -> Duration {
        children.iter().filter_map(|child| process::cpu(child.id())).sum()
    };
    let before = cpu(&children);
    let partitions = commands.len();
    let start = Instant::now() + Duration::from_millis(500);
    let schedule = Schedule { start, per_second, partitions, first };
    let sender = Sender::new(broker, &task.input, LINGER_MS);
    let latency = thread::scope(|scope| {
        scope.spawn(|| {
            for place in 0..ahead {
                for (partition, commands) in (0..).zip(&commands) {
                    let offset = first + i64::try_from(place).expect("a small number");
                    wait_until(schedule.intended(partition, offset));
                    sender.send(partition, &commands[place]);
                }
            }
            sender.finish();
        });
        clock(&consumer, &schedule, ahead)
    });
    // A process that has ended, and is not waited for yet, still shows what it spent.
    let cpu = cpu(&children).saturating_sub(before);
    for child in &mut children {
        assert!(child.wait().expect("it is our child").success(), "{task:?} failed: see above");
    }
    Answered { latency, cpu }
}

fn clock(consumer: &BaseConsumer, schedule: &Schedule, ahead: usize) -> Histogram<u64> {
    let mut histogram = Histogram::new_with_max(MICROS_MAX, 3).expect("sound bounds");
    let all = ahead * schedule.partitions;
    let warm = schedule.first + i64::try_from(ahead / WARM_UP).expect("a small number");
    let mut answered = 0;
    while answered < all {
        let Ok(message) = consumer.poll(TIMEOUT).expect("the contender answers") else { continue };
        let offset = command_offset(&message);
        let now = Instant::now();
        answered += 1;
        if offset >= warm {
            let intended = schedule.intended(message.partition(), offset);
            let micros = now.saturating_duration_since(intended).as_micros();
            let micros = u64::try_from(micros).unwrap_or(u64::MAX).min(MICROS_MAX);
            histogram.record(micros).expect("it is within the bounds");
        }
    }
    histogram
}

fn command_offset(message: &BorrowedMessage<'_>) -> i64 {
    let headers = message.headers().expect("a decision has headers");
    let header = headers.iter().find(|header| header.key == "command_offset");
    let value = header.and_then(|header| header.value).expect("a decision names its command");
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).expect("a decimal offset")
}

/// Sleeps in beats: the system cannot wake anybody more exactly, and a spin would take a core.
fn wait_until(moment: Instant) {
    let left = moment.saturating_duration_since(Instant::now());
    if left > BEAT {
        thread::sleep(left);
    }
}

fn reader(broker: &Broker, task: &Task) -> BaseConsumer {
    let consumer = broker.watcher_with(&[("fetch.wait.max.ms", "5")]);
    let mut assignment = TopicPartitionList::new();
    for partition in 0..task.partitions {
        let added = assignment.add_partition_offset(&task.output, partition, Offset::Beginning);
        added.expect("a sound offset");
    }
    consumer.assign(&assignment).expect("a sound assignment");
    consumer
}
