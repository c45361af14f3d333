//! The embedded log among other processes: killed, read beside its writer, locked, out of disk.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod log_common;

use conclave::error::ErrorKind;
use conclave::log::rocks::{Durability, OpenOptions, RocksLog, RocksReader};
use conclave::log::{CommitError, EventLog, LogReader, heads};
use conclave_core::units::Offset;
use log_common::{ROUND, check_all, command, round, write_rounds};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Names the data directory to the process that writes until it is killed or out of disk.
const WRITER_DIRECTORY: &str = "CONCLAVE_TEST_WRITER_DIRECTORY";
const WRITER_ROUNDS_MAX: i64 = 20_000;
/// How long a slow machine may take for what a quick one does in a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// The writer, when another test starts this binary anew; by itself, a few rounds of it.
#[test]
fn writer() {
    let Some(directory) = std::env::var_os(WRITER_DIRECTORY) else {
        let directory = tempfile::tempdir().unwrap();
        write_and_say(directory.path(), 3);
        assert_eq!(check_all(&open(directory.path())), (3 * ROUND, 3 * ROUND));
        return;
    };
    write_and_say(Path::new(&directory), WRITER_ROUNDS_MAX);
}

/// Writes rounds, says on stdout what was acknowledged, and how it ended.
fn write_and_say(directory: &Path, rounds: i64) {
    let mut log = RocksLog::open(directory, &OpenOptions::default()).unwrap();
    let mut said = std::io::stdout().lock();
    for _ in 0..rounds {
        let next = log.ends().unwrap().commands_next.0;
        // What an earlier writer accepted and did not answer is answered first.
        let undecided = log.ends().unwrap().decisions_next.0;
        let batch: Vec<_> = (next..next + ROUND).map(command).collect();
        match log.accept(&batch) {
            Ok(first) => writeln!(said, "\ncommands {}", first.0 + ROUND).unwrap(),
            Err(error) => return say_refusals(&mut log, &batch, error.kind.as_str(), &mut said),
        }
        match log.commit(&round(undecided..next + ROUND)) {
            Ok(()) => writeln!(said, "decisions {}", next + ROUND).unwrap(),
            Err(CommitError::Unknown(_)) => {
                return say_refusals(&mut log, &batch, "unknown", &mut said);
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn say_refusals(
    log: &mut RocksLog,
    batch: &[conclave::log::CommandRecord],
    how: &str,
    said: &mut impl std::io::Write,
) {
    writeln!(said, "refused {how}").unwrap();
    let again = log.accept(batch).unwrap_err();
    // A caller that is ahead of the log is told the same: that is no mistake of its own any more.
    let ahead = log.ends().unwrap().commands_next.0 + ROUND;
    match log.commit(&round(ahead..ahead + ROUND)) {
        Err(CommitError::Failed(error)) => assert_eq!(error.kind, ErrorKind::Unavailable),
        other => panic!("{other:?}"),
    }
    writeln!(said, "again {}", again.kind.as_str()).unwrap();
}

fn open(directory: &Path) -> RocksLog {
    RocksLog::open(directory, &OpenOptions::default()).unwrap()
}

fn writer_command(directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "writer", "--nocapture"]);
    as_writer(&mut command, directory);
    command
}

fn as_writer(command: &mut Command, directory: &Path) {
    command.env(WRITER_DIRECTORY, directory).stdout(Stdio::piped()).stderr(Stdio::null());
}

/// What a writer said before it ended.
#[derive(Debug, Default)]
struct Said {
    commands_next: i64,
    decisions_next: i64,
    refused: Option<String>,
    again: Option<String>,
}

/// Listens until the writer ends, or kills it some time after its first acknowledgement.
fn listen(mut child: Child, kill_after: Option<Duration>) -> Said {
    let (mut started, mut is_killed) = (None, false);
    let mut said = Said::default();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.split_once(' ') {
            Some(("commands", next)) => {
                said.commands_next = next.parse().unwrap();
                started.get_or_insert_with(Instant::now);
            }
            Some(("decisions", next)) => said.decisions_next = next.parse().unwrap(),
            Some(("refused", how)) => said.refused = Some(how.to_owned()),
            Some(("again", how)) => said.again = Some(how.to_owned()),
            _ => {}
        }
        let life = started.map_or(Duration::ZERO, |started| started.elapsed());
        if !is_killed && kill_after.is_some_and(|span| life > span) {
            child.kill().unwrap();
            is_killed = true;
        }
    }
    child.wait().unwrap();
    said
}

/// Waits for what comes soon on any machine that comes to it at all.
#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn check_nothing_is_lost(directory: &Path, said: &Said) {
    let log = RocksLog::open(directory, &OpenOptions::default());
    let (commands_next, decisions_next) = check_all(&log.expect("what is left opens"));
    assert!(commands_next >= said.commands_next, "{commands_next} of {said:?}");
    assert!(decisions_next >= said.decisions_next, "{decisions_next} of {said:?}");
}

#[test]
fn kill_9_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut commands_next = 0;
    for kill in 0..12_u64 {
        let span = Duration::from_millis(10 + kill * 37 % 160);
        let said = listen(writer_command(directory.path()).spawn().unwrap(), Some(span));
        assert!(said.commands_next > commands_next, "every life gets on");
        commands_next = said.commands_next;
        check_nothing_is_lost(directory.path(), &said);
    }
}

#[test]
fn a_reader_beside_a_running_writer_sees_whole_rounds_and_never_less_than_heads_log_names() {
    let directory = tempfile::tempdir().unwrap();
    let child = writer_command(directory.path()).spawn().unwrap();
    let writer = std::thread::spawn(move || listen(child, Some(Duration::from_secs(4))));
    let named = || heads::read(directory.path()).ok().flatten().unwrap_or_default();
    wait_until("the writer's first commit", || named().decisions_next > Offset(0));
    let mut reader = RocksReader::open(directory.path()).unwrap();
    let (mut looks, mut commands, mut decisions) = (0, 0, 0);
    while !writer.is_finished() {
        let named = heads::read(directory.path()).unwrap().unwrap();
        reader.refresh().unwrap();
        let ends = reader.ends().unwrap();
        assert!(reader.damage().is_none(), "{:?} at {ends:?}", reader.damage());
        assert!(ends.decisions_next >= named.decisions_next);
        assert!(ends.decisions_next.0 % ROUND == 0, "a round is there whole or not at all");
        // Reading on where it stopped: nothing is missing in between, whatever was moved meanwhile.
        while commands < ends.commands_next.0 {
            for stored in reader.commands(Offset(commands), 1 << 20).unwrap() {
                assert_eq!((stored.offset.0, stored.record), (commands, command(commands)));
                commands += 1;
            }
        }
        while decisions < ends.decisions_next.0 {
            for read in reader.decisions(Offset(decisions), 1 << 20).unwrap() {
                assert_eq!(read, log_common::decision(decisions));
                decisions += 1;
            }
        }
        looks += 1;
    }
    let said = writer.join().unwrap();
    assert!(looks >= 1, "the writer was gone before anybody looked");
    reader.refresh().unwrap();
    assert!(reader.ends().unwrap().decisions_next.0 >= said.decisions_next);
}

#[test]
fn a_second_writer_is_told_so_and_the_first_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = open(directory.path());
    write_rounds(&mut first, 1);
    let error = RocksLog::open(directory.path(), &OpenOptions::default()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let shown = directory.path().display().to_string();
    assert!(error.message.contains(&shown) && error.message.contains("stop it"), "{error}");
    let said = listen(writer_command(directory.path()).spawn().unwrap(), None);
    assert_eq!(said.commands_next, 0, "another process is kept out as well");
    write_rounds(&mut first, 1);
    drop(first);
    assert_eq!(check_all(&open(directory.path())), (2 * ROUND, 2 * ROUND));
}

#[test]
fn heads_log_follows_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let named = || heads::read(directory.path()).unwrap().unwrap();
    let mut log = open(directory.path());
    write_rounds(&mut log, 1);
    assert_eq!(named().decisions_next, Offset(ROUND), "at the first commit");
    write_rounds(&mut log, 1);
    // Within a second on a machine that has nothing else to do.
    wait_until("heads.log to follow", || named() == log.ends().unwrap());
    write_rounds(&mut log, 1);
    log.sync().unwrap();
    assert_eq!(named(), log.ends().unwrap(), "at every sync");
    write_rounds(&mut log, 1);
    let ends = log.ends().unwrap();
    drop(log);
    assert_eq!(named(), ends, "when the log is closed");
    let fsync = OpenOptions { durability: Durability::Fsync, ..OpenOptions::default() };
    let mut log = RocksLog::open(directory.path(), &fsync).unwrap();
    for _ in 0..3 {
        write_rounds(&mut log, 1);
        assert_eq!(named(), log.ends().unwrap(), "at every write that waited for the disk");
    }
    drop(log);
    let none = OpenOptions { durability: Durability::None, ..OpenOptions::default() };
    let mut log = RocksLog::open(directory.path(), &none).unwrap();
    write_rounds(&mut log, 1);
    log.sync().unwrap();
    assert_eq!(named(), log.ends().unwrap(), "at every sync, which flushes");
    write_rounds(&mut log, 1);
    wait_until("heads.log to follow a flush", || named() == log.ends().unwrap());
}

/// A disk that fills up under the writer: it stops, and everything it had acknowledged is there.
fn check_full_disk(directory: &Path, writer: Child) {
    let said = listen(writer, None);
    assert!(said.commands_next > 0, "it starts with room: {said:?}");
    let refused = said.refused.as_deref().expect("the disk fills up");
    assert!(["unavailable", "unknown"].contains(&refused), "{refused}");
    assert_eq!(said.again.as_deref(), Some("unavailable"), "nothing follows a failed write");
    // Read before anybody mends it, and opened once there is room.
    let reader = RocksReader::open(directory).unwrap();
    assert!(check_all(&reader).0 >= said.commands_next);
    drop(reader);
    let roomy = tempfile::tempdir().unwrap();
    log_common::copy_directory(directory, roomy.path());
    check_nothing_is_lost(roomy.path(), &said);
    write_rounds(&mut reopened_and_decided(roomy.path()), 3);
}

fn reopened_and_decided(directory: &Path) -> RocksLog {
    let mut log = open(directory);
    let ends = log.ends().unwrap();
    log.commit(&round(ends.decisions_next.0..ends.commands_next.0)).unwrap();
    log
}

#[test]
fn a_file_size_limit_is_a_full_disk() {
    let directory = tempfile::tempdir().unwrap();
    // The shell sets the limit in blocks of 512 bytes or of 1 KiB, and makes the kernel answer with
    // an error where it would otherwise send the signal 25, XFSZ.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' 25; ulimit -f 2048; exec \"$0\" --exact writer --nocapture"]);
    limited.arg(std::env::current_exe().unwrap());
    as_writer(&mut limited, directory.path());
    check_full_disk(directory.path(), limited.spawn().unwrap());
}

#[test]
fn a_full_file_system_is_a_full_disk() {
    let Some(mounted) = Mounted::new("8m") else {
        // Past the test harness, which would swallow it.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED a_full_file_system_is_a_full_disk: cannot mount a tmpfs")
            .unwrap();
        return;
    };
    let directory = mounted.0.path().join("data");
    check_full_disk(&directory, writer_command(&directory).spawn().unwrap());
}

/// A process that another test is just starting has our open files until its program begins, and
/// keeps the file system busy that long.
const UNMOUNTS_MAX: u32 = 100;
const UNMOUNT_PAUSE: Duration = Duration::from_millis(50);

/// A small file system of its own.
struct Mounted(TempDir);

impl Mounted {
    fn new(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "conclave-test"]);
        let mounted = mount.arg(directory.path()).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(directory))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for _ in 0..UNMOUNTS_MAX {
            let unmount = Command::new("umount").arg(self.0.path()).stderr(Stdio::null()).status();
            if unmount.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(UNMOUNT_PAUSE);
        }
        // A second panic would end the process and hide the first.
        assert!(std::thread::panicking(), "the file system is still mounted");
    }
}
