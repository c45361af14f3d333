//! A log in one file: what it holds is what the log held, what is not so is found, and what does
//! not verify is not kept.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave::archive::{Archived, Plan, Refusal, make};
use conclave::council::Models;
use conclave::demo::{Scale, Source, feed_to_the_end};
use conclave::engine::Engine;
use conclave::error::{ErrorKind, Result};
use conclave::fold::fold;
use conclave::log::archive::{ArchiveFile, Origin};
use conclave::log::memory::MemoryLog;
use conclave::log::{
    CommandRecord, DeadLetterRecord, DecisionRecord, EventLog as _, Headers, LogEnds, LogReader,
    StoredCommand,
};
use conclave::snapshot;
use conclave::verify::{Verdict, verify};
use conclave::wire::DecisionHead;
use conclave_core::command::PlacementPolicy;
use conclave_core::seat::RuleSeat;
use conclave_core::units::{Offset, TimeMs};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A demo, some records that nobody can read, and two commands without a decision.
fn told(log: MemoryLog) -> MemoryLog {
    let placement = PlacementPolicy::BestFit;
    let scale = Scale { nodes_permille: 5, time_permille: None, placement };
    let workload = scale.apply(&Source::synthetic(3, 120));
    let (engine, _) = Engine::open(log, RuleSeat, 1_000_000).unwrap();
    let (_, log) = feed_to_the_end(&workload, engine, |_, _| {}).unwrap();
    let (mut engine, _) = Engine::open(log, RuleSeat, 1_000_000).unwrap();
    let last = engine.folded().state.time_ms;
    let (key, headers) = (b"demo".to_vec(), Headers::from([("correlation_id", b"x")]));
    let garbage = |value: &[u8]| {
        let (key, headers) = (key.clone(), headers.clone());
        CommandRecord { time_ms: TimeMs(last.0 + 1), key, value: value.to_vec(), headers }
    };
    engine.accept(&[garbage(b"none"), garbage(b""), garbage(&[0xff; 300_000])]).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    let mut log = engine.close().unwrap();
    log.accept(&[garbage(b"undecided"), garbage(b"too")]).unwrap();
    log
}

fn plan(to: &Path, partitions: Vec<(i64, Option<Offset>)>) -> Plan<'_> {
    let (origin, schemas) = (Origin::Directory, vec![]);
    let made_at = TimeMs(1_700_000_000_000);
    let models = Models::in_dirs([]);
    Plan { to, origin, partition_count: 3, partitions, schemas, models, made_at }
}

/// The archive of one log, cut at `until`.
fn archived(to: &Path, log: &MemoryLog, until: Option<Offset>) -> Arc<ArchiveFile> {
    let partition = log.partition();
    match make(&plan(to, vec![(partition, until)]), |_| Ok(log.clone())).unwrap() {
        Archived::Made { file, .. } => file,
        Archived::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn all<L: LogReader>(log: &L) -> Vec<DecisionRecord> {
    log.decisions(Offset(0), usize::MAX).unwrap()
}

#[test]
fn an_archive_reads_as_the_log_did() {
    for (log, name) in [(MemoryLog::new(), "dense"), (MemoryLog::with_holes(2, 7), "sparse")] {
        let (log, directory) = (told(log), tempfile::tempdir().unwrap());
        let file = archived(&directory.path().join("a"), &log, None);
        let (ends, copy) = (log.ends().unwrap(), file.reader(log.partition()).unwrap());
        let next = ends.decisions_next;
        let here = LogEnds { commands_next: next, ..ends };
        assert_eq!((copy.partition(), copy.ends().unwrap()), (log.partition(), here), "{name}");
        let is_before = |stored: &StoredCommand| stored.offset < next;
        for from in (0..next.0 + 2).step_by(3).map(Offset) {
            for bytes_max in [0, 5_000] {
                let commands = log.commands(from, bytes_max).unwrap();
                let commands: Vec<_> = commands.into_iter().filter(is_before).collect();
                assert_eq!(copy.commands(from, bytes_max).unwrap(), commands, "{name} {from}");
                let (ours, theirs) =
                    (copy.decisions(from, bytes_max), log.decisions(from, bytes_max));
                assert_eq!(ours.unwrap(), theirs.unwrap(), "{name} {from}");
                let letters = copy.dead_letters(from, bytes_max);
                assert_eq!(letters.unwrap(), log.dead_letters(from, bytes_max).unwrap(), "{name}");
            }
        }
        let letters: Vec<DeadLetterRecord> = copy.dead_letters(Offset(0), usize::MAX).unwrap();
        assert!(letters.len() >= 3, "{name}: the records that nobody can read");
        let state = |log: &dyn LogReader| {
            let partition = log.partition();
            snapshot::encode(&fold(log, partition, Some(next)).unwrap().0)
        };
        assert!(state(&copy) == state(&log), "{name}: the folds differ");
        let report = verify(&copy, log.partition(), &mut RuleSeat).unwrap();
        assert!(report.is_clean() && report.decisions == all(&log).len() as u64, "{report:?}");
        assert_eq!(names_in(directory.path()), ["a"], "{name}");
    }
}

#[test]
fn a_cut_within_a_round_goes_back_to_the_end_of_the_last_whole_one() {
    let log = told(MemoryLog::with_holes(0, 7));
    let directory = tempfile::tempdir().unwrap();
    let heads: Vec<DecisionHead> =
        all(&log).iter().map(|record| DecisionHead::read(&record.body).unwrap()).collect();
    let is_end = |head: &&DecisionHead| head.round_count.is_some();
    let within = heads.iter().rfind(|head| head.round_count.is_none()).unwrap().offset;
    let before = heads.iter().filter(is_end).rfind(|head| head.offset < within).unwrap().offset;
    let whole = heads.iter().rfind(is_end).unwrap().offset;
    for (until, last) in [
        (within.0, before.0),
        (before.0, before.0),
        // A hole, behind that round's end.
        (before.0 + 1, before.0),
        (whole.0 + 1_000, whole.0),
        (-1, -1),
    ] {
        let to = directory.path().join(format!("until-{until}"));
        let file = archived(&to, &log, Some(Offset(until)));
        let cut = &file.manifest().partitions[0];
        assert_eq!(cut.cut, last + 1, "until {until}");
        let decisions = heads.iter().filter(|head| head.offset.0 <= last).count() as u64;
        assert_eq!((cut.decisions, cut.commands), (decisions, decisions), "until {until}");
        let copy = file.reader(0).unwrap();
        assert!(verify(&copy, 0, &mut RuleSeat).unwrap().is_clean());
    }
}

#[test]
fn several_partitions_an_empty_one_among_them_lie_in_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("several");
    let logs = [told(MemoryLog::with_holes(0, 3)), MemoryLog::with_holes(1, 3)];
    let open = |partition: i64| Ok(logs[usize::try_from(partition).unwrap()].clone());
    let Archived::Made { file, .. } = make(&plan(&to, vec![(0, None), (1, None)]), open).unwrap()
    else {
        panic!("refused");
    };
    let manifest = file.manifest();
    assert_eq!((manifest.partition_count, manifest.partitions.len()), (3, 2));
    let [first, second] = &manifest.partitions[..] else { panic!("{manifest:?}") };
    assert!(!first.log_id.is_empty() && second.log_id.is_empty(), "{manifest:?}");
    assert_eq!((first.decisions, second.decisions, second.cut), (first.commands, 0, 0));
    assert_eq!(file.reader(1).unwrap().ends().unwrap(), LogEnds::default());
    assert_eq!(all(&file.reader(0).unwrap()), all(&logs[0]));
    let absent = file.reader(2).unwrap_err();
    assert_eq!(absent.kind, ErrorKind::Invalid);
    assert!(absent.message.contains("[0, 1]"), "{absent}");
}

/// A log in which one command is another one.
struct Tampered(MemoryLog, Offset);

impl LogReader for Tampered {
    fn ends(&self) -> Result<LogEnds> {
        self.0.ends()
    }
    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        let mut commands = self.0.commands(from, bytes_max)?;
        for stored in commands.iter_mut().filter(|stored| stored.offset == self.1) {
            *stored.record.value.last_mut().unwrap() ^= 1;
        }
        Ok(commands)
    }
    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.0.decisions(from, bytes_max)
    }
    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.0.dead_letters(from, bytes_max)
    }
    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.0.snapshots()
    }
    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.0.snapshot(offset)
    }
}

#[test]
fn a_log_that_does_not_verify_leaves_no_file() {
    let log = told(MemoryLog::new());
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("refused");
    let open = |_| Ok(Tampered(log.clone(), Offset(40)));
    let outcome = make(&plan(&to, vec![(0, None)]), open).unwrap();
    let Archived::Refused(Refusal { partition, verdict, sentences }) = outcome else {
        panic!("it was made");
    };
    assert_eq!((partition, verdict), (0, Verdict::Differs));
    assert!(sentences[0].starts_with("decision 40: "), "{sentences:?}");
    assert!(names_in(directory.path()).is_empty());
    // What comes before it is sound.
    let before = make(&plan(&to, vec![(0, Some(Offset(39)))]), open).unwrap();
    assert!(matches!(before, Archived::Made { .. }));
    let again = make(&plan(&to, vec![(0, None)]), open).unwrap_err();
    assert_eq!(again.kind, ErrorKind::Invalid);
    assert_eq!(names_in(directory.path()), ["refused"]);
}

/// A log whose dead letters before an offset are gone.
struct Forgetful(MemoryLog, Offset);

impl LogReader for Forgetful {
    fn ends(&self) -> Result<LogEnds> {
        self.0.ends()
    }
    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.0.commands(from, bytes_max)
    }
    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.0.decisions(from, bytes_max)
    }
    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.0.dead_letters(from.max(self.1), bytes_max)
    }
    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.0.snapshots()
    }
    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.0.snapshot(offset)
    }
}

#[test]
fn dead_letters_that_are_gone_are_counted_and_no_reason_to_refuse() {
    let log = told(MemoryLog::new());
    let directory = tempfile::tempdir().unwrap();
    let letters = log.dead_letters(Offset(0), usize::MAX).unwrap();
    let last = letters.last().unwrap().offset;
    let missing = |name: &str, from: Offset| {
        let to = directory.path().join(name);
        let open = |_| Ok(Forgetful(log.clone(), from));
        match make(&plan(&to, vec![(0, None)]), open).unwrap() {
            Archived::Made { letters_missing, .. } => letters_missing,
            Archived::Refused(refusal) => panic!("{refusal:?}"),
        }
    };
    assert_eq!(missing("all", Offset(0)), []);
    let before_last = letters.len() as u64 - 1;
    assert_eq!(missing("but-the-last", last), [(0, before_last)]);
}

/// An archive, and a place for changed copies of it.
fn made() -> (Vec<u8>, tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("sound");
    drop(archived(&to, &told(MemoryLog::with_holes(0, 7)), Some(Offset(300))));
    let (bytes, changed) = (fs::read(&to).unwrap(), directory.path().join("changed"));
    (bytes, directory, changed)
}

#[test]
fn one_changed_byte_anywhere_is_found_when_the_file_is_opened() {
    let (sound, _directory, path) = made();
    let ends = (0..16).chain(sound.len() - 120..sound.len());
    let mut named = 0;
    for at in ends.chain((16..sound.len()).step_by(61)) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        let error = ArchiveFile::open(&path).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt, "byte {at}: {error}");
        assert!(error.message.contains("Use another copy"), "byte {at}: {error}");
        named += usize::from(error.message.contains("of partition 0, from byte"));
    }
    assert!(named > 10, "the place was named {named} times");
}

#[test]
fn a_file_that_is_cut_or_something_else_is_refused() {
    let (sound, _directory, path) = made();
    for length in (0..sound.len()).step_by(997).chain([sound.len() - 1]) {
        fs::write(&path, &sound[..length]).unwrap();
        let error = ArchiveFile::open(&path).unwrap_err();
        let wanted = if length < 8 { ErrorKind::Invalid } else { ErrorKind::Corrupt };
        assert_eq!(error.kind, wanted, "{length} bytes: {error}");
    }
    let mut newer = sound.clone();
    let tail = newer.len() - 12;
    (newer[8], newer[tail]) = (2, 2);
    for (bytes, said) in [
        (vec![7; 4_000], "no archive of Conclave"),
        (vec![], "no archive of Conclave"),
        (newer, "format 2"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = ArchiveFile::open(&path).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        assert!(error.message.contains(said), "{error}");
    }
    let grown = [&sound[..], b"\n"].concat();
    fs::write(&path, grown).unwrap();
    assert_eq!(ArchiveFile::open(&path).unwrap_err().kind, ErrorKind::Corrupt);
    let missing = ArchiveFile::open(Path::new("nowhere/at.all")).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::Invalid);
}

/// Exit code, stdout and stderr of the program.
fn conclave(arguments: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    let output = command.args(arguments.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_program_archives_a_demo_and_validates_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().display().to_string();
    let demo = format!("demo --headless --requests 300 --output json --data {place}/log");
    let (code, told, said) = conclave(&demo);
    assert_eq!(code, 0, "{said}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let made = conclave(&format!("archive --to {place}/a --data {place}/log --output json"));
    assert_eq!(made.0, 0, "{made:?}");
    let manifest: serde_json::Value = serde_json::from_str(&made.1).unwrap();
    assert_eq!(manifest["chain_head"], told["chain_head"]);
    assert_eq!(manifest["partitions"][0]["decisions"], told["decisions"]);
    assert_eq!(manifest["partitions"][0]["time_source"], "carried");
    assert_eq!(manifest["models"].as_array().unwrap().len(), 1, "the council that voted");
    let again = conclave(&format!("archive --to {place}/b --archive {place}/a --until 100"));
    assert_eq!(again.0, 0, "{again:?}");
    assert!(again.1.contains("every decision verified"), "{again:?}");
    for (arguments, code, said) in [
        (format!("archive --to {place}/a --data {place}/log"), 2, "is there already"),
        (format!("archive --to {place}/c --data {place}/log --until 99999999"), 3, "no decision"),
        (format!("archive --to {place}/c --data {place}/log --partition 1"), 2, "no partition 1"),
        (format!("archive --to {place}/no/c --data {place}/log"), 3, "its folder exists"),
        (format!("validate --archive {place}/a"), 0, ""),
        (format!("validate --archive {place}/b --partition 0"), 0, ""),
    ] {
        let answer = conclave(&arguments);
        assert_eq!(answer.0, code, "{arguments}: {answer:?}");
        assert!(answer.2.contains(said), "{arguments}: {answer:?}");
    }
    let mut bytes = fs::read(format!("{place}/a")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(format!("{place}/a"), bytes).unwrap();
    let damaged = conclave(&format!("validate --archive {place}/a"));
    assert_eq!(damaged.0, 4, "{damaged:?}");
    let mut names = names_in(directory.path());
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "log"]);
}
