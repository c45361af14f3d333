//! Conclave itself: one engine per partition, each on a thread of its own, beside the thread that
//! reads its commands.

use crate::contender::Task;
use conclave::engine::{Engine, SNAPSHOT_EVERY_DEFAULT};
use conclave::log::kafka::settings::{KafkaSettings, TopicNames};
use conclave::log::kafka::{Alone, Feed, KafkaLog, KafkaLogOptions, Member};
use conclave::log::rocks::SnapshotStore;
use conclave::log::{CommandRecord, Headers, StoredCommand};
use conclave_core::seat::RuleSeat;
use conclave_core::units::{Offset, TimeMs};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Commands between the thread that reads and the one that decides.
const ARRIVING_MAX: usize = 1_000;
/// How long an engine waits for a command before it looks again.
const WAIT: Duration = Duration::from_millis(100);

/// Decides every command of `task`.
pub(crate) fn compete(task: &Task) {
    let settings = KafkaSettings {
        topics: TopicNames {
            commands: task.input.clone(),
            decisions: task.output.clone(),
            dead_letters: task.dead_letters(),
            ..TopicNames::prefixed(&task.id)
        },
        ..KafkaSettings::plain(&task.brokers)
    };
    let member = Alone::new(&settings, &task.id).expect("sound settings");
    let member: Arc<dyn Member> = Arc::new(member);
    thread::scope(|scope| {
        for partition in task.own_partitions() {
            let (give, arriving) = sync_channel(ARRIVING_MAX);
            let (settings, member) = (&settings, Arc::clone(&member));
            scope.spawn(move || read(task, settings, partition, &give));
            let feed = Feed::new(arriving);
            scope.spawn(move || decide(task, settings, partition, member, feed));
        }
    });
}

fn decide(
    task: &Task,
    settings: &KafkaSettings,
    partition: i32,
    member: Arc<dyn Member>,
    feed: Feed,
) {
    let snapshots = Path::new(&task.scratch).join(format!("snapshots-{partition}"));
    let snapshots = Arc::new(SnapshotStore::open(&snapshots).expect("an empty directory"));
    let options = KafkaLogOptions::new(settings, partition, snapshots);
    let log = KafkaLog::open(options, member, Some(feed)).expect("the broker is there");
    let opened = Engine::open(log, RuleSeat, SNAPSHOT_EVERY_DEFAULT);
    let (mut engine, _) = opened.expect("the topics hold no decisions yet");
    while engine.folded().next() < Offset(task.end) {
        if engine.turn().expect("the log can be written").is_empty() {
            engine.log().wait(WAIT);
        }
    }
}

/// Reads the commands of a partition, as the consumer of the group does.
fn read(task: &Task, settings: &KafkaSettings, partition: i32, give: &SyncSender<StoredCommand>) {
    let consumer = consumer(task, settings, partition);
    let mut next = 0;
    while next < task.end {
        let Some(message) = consumer.poll(WAIT) else { continue };
        let message: Result<_, KafkaError> = message;
        let message = message.expect("the broker is there");
        next = message.offset() + 1;
        if give.send(command(&message)).is_err() {
            return;
        }
    }
}

fn consumer(task: &Task, settings: &KafkaSettings, partition: i32) -> BaseConsumer {
    let config = settings.consumer_of_commands(&format!("{}-read", task.id));
    let consumer: BaseConsumer = config.create().expect("sound settings");
    let mut assignment = TopicPartitionList::new();
    let added = assignment.add_partition_offset(&task.input, partition, KafkaOffset::Beginning);
    added.expect("a sound offset");
    consumer.assign(&assignment).expect("a sound assignment");
    consumer
}

fn command(message: &BorrowedMessage<'_>) -> StoredCommand {
    let mut headers = Headers::new();
    for header in message.headers().iter().flat_map(|headers| headers.iter()) {
        headers.push(header.key, header.value.unwrap_or_default());
    }
    let record = CommandRecord {
        time_ms: TimeMs(message.timestamp().to_millis().expect("the broker stamps records")),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().unwrap_or_default().to_vec(),
        headers,
    };
    StoredCommand { offset: Offset(message.offset()), record }
}
