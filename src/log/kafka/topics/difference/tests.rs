use super::*;
use conclave_core::units::{DurationMs, LogId};

fn open() -> OpenLog {
    OpenLog {
        log_id: LogId::from("log-1"),
        time_source: TimeSource::LogAppend,
        partition_count: 2,
        round_commands: 1_000,
        duplicate_ids: 1_000,
        duplicate_window_ms: DurationMs(1_000),
    }
}

/// A cluster that has everything as the files say, on `replicas` brokers.
fn sound(source: TimeSource, replicas: i32) -> Seen {
    let found = |role: TopicRole| {
        let properties = role.file().properties(source, replicas);
        let properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value));
        let partitions = if role == TopicRole::Artifacts { 1 } else { 2 };
        Found { partitions, replicas, properties: properties.collect() }
    };
    let topics = TopicRole::ALL.map(|role| (role, found(role))).into();
    let open = OpenLog { time_source: source, ..open() };
    let beginnings = vec![Beginning::Opened(open.clone()), Beginning::Opened(open)];
    Seen { topics, beginnings }
}

/// What is said about a live log that is sound but for `spoil`: settings by harm.
#[track_caller]
fn check(spoil: impl FnOnce(&mut Seen), harmful: &[&str], harmless: &[&str]) {
    check_of(TimeSource::LogAppend, spoil, harmful, harmless);
}

#[track_caller]
fn check_of(
    source: TimeSource,
    spoil: impl FnOnce(&mut Seen),
    harmful: &[&str],
    harmless: &[&str],
) {
    let mut seen = sound(source, 3);
    spoil(&mut seen);
    let differences = compare(&KafkaSettings::plain("k1:9092"), source, &seen);
    let of = |harm| -> Vec<_> {
        let those = differences.iter().filter(|difference| difference.harm == harm);
        those.map(|difference| difference.setting.as_str()).collect()
    };
    assert_eq!(of(Harm::Decisions), harmful, "{differences:#?}");
    assert_eq!(of(Harm::Harmless), harmless, "{differences:#?}");
    assert!(differences.iter().all(|difference| difference.mending.len() > 10));
}

fn set(role: TopicRole, name: &str, value: &str) -> impl FnOnce(&mut Seen) {
    move |seen| {
        let found = seen.topics.get_mut(&role).expect("it is there");
        found.properties.insert(name.to_owned(), value.to_owned());
    }
}

#[test]
fn a_sound_cluster_differs_in_nothing() {
    check(|_| {}, &[], &[]);
    check_of(TimeSource::Carried, |_| {}, &[], &[]);
    check_of(TimeSource::Carried, |seen| seen.beginnings = vec![Beginning::Empty; 2], &[], &[]);
}

#[test]
fn what_could_lose_or_change_decisions_is_told_from_what_could_not() {
    use TopicRole::{Artifacts, Commands, DeadLetters, Decisions};
    for (role, name, value, is_harmful) in [
        (Commands, "retention.ms", "604800000", true),
        (Decisions, "retention.bytes", "1", true),
        (DeadLetters, "retention.ms", "1", false),
        (Artifacts, "retention.ms", "1", false),
        (Decisions, "cleanup.policy", "compact", true),
        (Commands, "cleanup.policy", "compact,delete", true),
        (DeadLetters, "cleanup.policy", "compact", true),
        (Artifacts, "cleanup.policy", "delete", false),
        (Commands, "message.timestamp.type", "CreateTime", true),
        (Decisions, "message.timestamp.type", "CreateTime", false),
        (Decisions, "unclean.leader.election.enable", "true", true),
        (Decisions, "min.insync.replicas", "1", true),
        (Decisions, "min.insync.replicas", "3", false),
        (Decisions, "min.insync.replicas", "4", true),
        (Commands, "compression.type", "zstd", false),
        (Decisions, "max.message.bytes", "100000", true),
        (Decisions, "max.message.bytes", "10000000", false),
        (Commands, "max.message.bytes", "100000", false),
        (Commands, "max.message.bytes", "10000000", true),
    ] {
        let (harmful, harmless): (&[&str], &[&str]) =
            if is_harmful { (&[name], &[]) } else { (&[], &[name]) };
        check(set(role, name, value), harmful, harmless);
    }
}

#[test]
fn a_log_with_its_own_times_keeps_them() {
    let spoil = set(TopicRole::Commands, "message.timestamp.type", "LogAppendTime");
    check_of(TimeSource::Carried, spoil, &["message.timestamp.type"], &[]);
    let spoil = set(TopicRole::Commands, "message.timestamp.after.max.ms", "3600000");
    check_of(TimeSource::Carried, spoil, &["message.timestamp.after.max.ms"], &[]);
}

#[test]
fn topics_are_there_and_their_partitions_agree() {
    let count = |role, partitions| {
        move |seen: &mut Seen| {
            seen.topics.get_mut(&role).expect("it is there").partitions = partitions;
        }
    };
    check(count(TopicRole::Decisions, 3), &["partitions"], &[]);
    check(count(TopicRole::DeadLetters, 1), &["partitions"], &[]);
    check(count(TopicRole::DeadLetters, 3), &[], &["partitions"]);
    check(count(TopicRole::Artifacts, 3), &[], &[]);
    let raised = |seen: &mut Seen| {
        for role in [TopicRole::Commands, TopicRole::Decisions, TopicRole::DeadLetters] {
            count(role, 4)(seen);
        }
    };
    check(raised, &["beginning of partition 0", "beginning of partition 1"], &[]);
    check(|seen| drop(seen.topics.remove(&TopicRole::Decisions)), &["topic"], &[]);
    check(|seen| drop(seen.topics.remove(&TopicRole::Artifacts)), &[], &["topic"]);
}

#[test]
fn every_partition_begins_with_the_same_log() {
    let begin = |beginning| {
        move |seen: &mut Seen| {
            *seen.beginnings.last_mut().expect("there are two") = beginning;
        }
    };
    let second = &["beginning of partition 1"][..];
    check(begin(Beginning::Empty), second, &[]);
    check(begin(Beginning::Other("a Tick".to_owned())), second, &[]);
    check(begin(Beginning::Numbered("schema 100".to_owned())), second, &[]);
    check(begin(Beginning::Cut(7)), &[], second);
    let other = OpenLog { log_id: LogId::from("log-2"), ..open() };
    check(begin(Beginning::Opened(other)), second, &[]);
    let carried = OpenLog { time_source: TimeSource::Carried, ..open() };
    check(begin(Beginning::Opened(carried)), second, &[]);
}

#[test]
fn fewer_copies_are_said_and_allowed() {
    let seen = sound(TimeSource::LogAppend, 1);
    let settings = KafkaSettings::plain("k1:9092");
    let differences = compare(&settings, TimeSource::LogAppend, &seen);
    assert_eq!(differences.len(), TopicRole::ALL.len(), "{differences:?}");
    let is_said = |difference: &Difference| {
        difference.setting == "replication" && difference.harm == Harm::Harmless
    };
    assert!(differences.iter().all(is_said), "{differences:?}");
    // A single broker is one thing to say, in one line.
    let [said] = &Difference::merged(&differences)[..] else { panic!("{differences:?}") };
    let (said, topics) = (said.to_string(), &settings.topics);
    let names = [&topics.commands, &topics.decisions, &topics.dead_letters, &topics.artifacts];
    assert!(names.iter().all(|name| said.contains(*name)), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn topics_that_are_missing_are_told_from_what_differs_otherwise() {
    let mut seen = sound(TimeSource::LogAppend, 3);
    seen.topics.remove(&TopicRole::Commands);
    seen.topics.remove(&TopicRole::Artifacts);
    set(TopicRole::Decisions, "retention.ms", "1")(&mut seen);
    let differences = compare(&KafkaSettings::plain("k1:9092"), TimeSource::LogAppend, &seen);
    let missing = differences.iter().filter(|difference| difference.is_missing_topic());
    let missing: Vec<_> = missing.map(|difference| difference.topic.as_str()).collect();
    assert_eq!(missing, ["conclave.commands"], "{differences:#?}");
    assert_eq!(Difference::merged(&differences).len(), differences.len(), "nothing is alike");
}
