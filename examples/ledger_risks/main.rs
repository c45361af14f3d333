//! `RocksDB` as a ledger, measured: what every recovery mode makes of kill -9 and of damaged files.
//!
//! `cargo run --release --example ledger_risks [KILLS]` prints the tables of
//! `docs/decisions/0001-rocksdb-as-a-ledger.md`. It writes blocks and `heads.log` as the embedded
//! log does, but opens the store itself: the log has chosen its recovery mode, this is why.

mod files;

use conclave::log::block::{self, Block, BlockKind, NumberedCommand, plus};
use conclave::log::{CommandRecord, DecisionRecord, Headers, LogEnds, heads};
use conclave_core::units::{Hash32, Offset, TimeMs};
use files::{DAMAGES, copy_directory};
use rocksdb::{ColumnFamilyDescriptor, DB, DBRecoveryMode, Options, WriteBatch};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

/// Commands in a batch, decisions in a round.
const ROUND: i64 = 64;

/// A recovery mode, and whether the manifest names the write-ahead logs.
#[derive(Clone, Copy)]
struct Mode {
    name: &'static str,
    recovery: DBRecoveryMode,
    tracks_wals: bool,
}

const MODES: [Mode; 5] = [
    mode("AbsoluteConsistency", DBRecoveryMode::AbsoluteConsistency, false),
    mode("TolerateCorruptedTail", DBRecoveryMode::TolerateCorruptedTailRecords, false),
    mode("… and WALs in the manifest", DBRecoveryMode::TolerateCorruptedTailRecords, true),
    mode("PointInTime (default)", DBRecoveryMode::PointInTime, false),
    mode("SkipAnyCorruptedRecord", DBRecoveryMode::SkipAnyCorruptedRecord, false),
];

const fn mode(name: &'static str, recovery: DBRecoveryMode, tracks_wals: bool) -> Mode {
    Mode { name, recovery, tracks_wals }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let texts: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match texts[..] {
        ["write", directory, index, rounds] => write_until_killed(
            Path::new(directory),
            MODES[index.parse::<usize>()?],
            rounds.parse()?,
        ),
        ["probe", directory, mode_index, opening, commands_next, decisions_next] => {
            let acked = LogEnds {
                commands_next: Offset(commands_next.parse()?),
                decisions_next: Offset(decisions_next.parse()?),
                ..LogEnds::default()
            };
            probe(Path::new(directory), MODES[mode_index.parse::<usize>()?], opening, &acked)
        }
        [] => report(50),
        [kills] => report(kills.parse()?),
        _ => Err("arguments: [KILLS]".into()),
    }
}

fn report(kills: u32) -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    println!(
        "| recovery mode | kill -9 | acknowledged records missing | refused to open | slowest |"
    );
    println!("|---|---|---|---|---|");
    for index in 0..MODES.len() {
        println!(
            "{}",
            kill_repeatedly(&scratch.path().join(format!("kills-{index}")), index, kills)?
        );
    }
    println!("\nSecondary beside a running writer: {}", follow(&scratch.path().join("followed"))?);
    for tracks_wals in [false, true] {
        let index = if tracks_wals { 2 } else { 1 };
        let base = scratch.path().join(format!("base-{index}"));
        let acked = prepare_base(&base, index)?;
        println!(
            "\nAcknowledged: {} commands, {} decisions; WALs in the manifest: {tracks_wals}.\n",
            acked.commands_next, acked.decisions_next
        );
        damage_table(&base, &scratch.path().join("copy"), &acked, tracks_wals)?;
    }
    Ok(())
}

// ---- the store, as the log lays it out ----

fn options(mode: Mode) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_wal_recovery_mode(mode.recovery);
    options.set_track_and_verify_wals_in_manifest(mode.tracks_wals);
    options
}

fn families() -> Vec<ColumnFamilyDescriptor> {
    ["default", "commands", "decisions"]
        .map(|name| {
            let mut options = Options::default();
            options.set_write_buffer_size(4 * 1024 * 1024);
            ColumnFamilyDescriptor::new(name, options)
        })
        .into()
}

fn open(directory: &Path, mode: Mode) -> Result<DB, rocksdb::Error> {
    DB::open_cf_descriptors(&options(mode), directory.join("rocks"), families())
}

fn put(db: &DB, family: &str, blocks: Vec<block::PackedBlock>) -> Result<(), rocksdb::Error> {
    let mut batch = WriteBatch::default();
    for block in blocks {
        let family = db.cf_handle(family).expect("the family is opened with the store");
        batch.put_cf(family, block.first.0.to_be_bytes(), block.bytes);
    }
    db.write(batch)
}

/// How far a family can be read from the start without a gap, and what stopped it.
fn readable_end(db: &DB, kind: BlockKind, family: &str) -> (Offset, Hash32, Option<&'static str>) {
    let mut blocks = db.raw_iterator_cf(db.cf_handle(family).expect("the family is open"));
    let (mut next, mut head) = (Offset(0), Hash32::default());
    blocks.seek_to_first();
    while let Some((key, value)) = blocks.item() {
        let first = Offset(i64::from_be_bytes(key.try_into().expect("keys are offsets")));
        if first != next {
            return (next, head, Some("gap"));
        }
        let Ok(read) = Block::read(kind, first, value) else {
            return (next, head, Some("bad block"));
        };
        if kind == BlockKind::Decisions {
            let last = read.record::<DecisionRecord>(read.count() - 1);
            head = last.expect("a block that checks out is readable").hash;
        }
        next = plus(first, read.count());
        blocks.next();
    }
    (next, head, blocks.status().err().map(|_| "read error"))
}

struct Readable {
    ends: LogEnds,
    stopped: Option<&'static str>,
}

fn readable(db: &DB) -> Readable {
    let (commands_next, _, by_commands) = readable_end(db, BlockKind::Commands, "commands");
    let (decisions_next, head, by_decisions) = readable_end(db, BlockKind::Decisions, "decisions");
    let ends = LogEnds { commands_next, decisions_next, head };
    Readable { ends, stopped: by_commands.or(by_decisions) }
}

// ---- the writer, a process of its own ----

fn write_until_killed(directory: &Path, mode: Mode, rounds: i64) -> Result<(), Failure> {
    fs::create_dir_all(directory)?;
    let db = open(directory, mode)?;
    let mut ends = readable(&db).ends;
    let mut acks = std::io::stdout().lock();
    let mut heads_at = Instant::now();
    for round in 0..rounds {
        let command = CommandRecord {
            time_ms: TimeMs(round),
            key: b"pool".to_vec(),
            value: vec![7; 200],
            headers: Headers::new(),
        };
        let first = ends.commands_next;
        let numbered: Vec<_> = (first.0..first.0 + ROUND)
            .map(|offset| NumberedCommand { offset: Offset(offset), record: &command })
            .collect();
        put(&db, "commands", block::pack(&numbered)?)?;
        ends.commands_next = Offset(first.0 + ROUND);
        writeln!(acks, "commands {}", ends.commands_next)?;
        let first = ends.decisions_next;
        let decisions: Vec<_> = (first.0..ends.commands_next.0).map(decision).collect();
        put(&db, "decisions", block::pack(&decisions)?)?;
        ends.head = decisions.last().expect("a round has decisions").hash;
        ends.decisions_next = ends.commands_next;
        writeln!(acks, "decisions {}", ends.decisions_next)?;
        if round == rounds / 3 {
            // From here on one family is on disk and the other only in the write-ahead log.
            db.flush_cf(db.cf_handle("decisions").expect("the family is open"))?;
        }
        if heads_at.elapsed() > Duration::from_millis(20) || round + 1 == rounds {
            heads::replace(directory, &ends)?;
            heads_at = Instant::now();
        }
    }
    writeln!(acks, "done 0")?;
    std::thread::sleep(Duration::from_mins(10));
    Ok(())
}

fn decision(offset: i64) -> DecisionRecord {
    let body: Vec<u8> = offset.to_le_bytes().iter().copied().cycle().take(350).collect();
    let hash = Hash32(*blake3::hash(&body).as_bytes());
    DecisionRecord { offset: Offset(offset), hash, body, headers: Headers::new() }
}

fn spawn(directory: &Path, mode_index: usize, rounds: i64) -> Result<Child, Failure> {
    let arguments = ["write".as_ref(), directory.as_os_str()];
    Ok(Command::new(std::env::current_exe()?)
        .args(arguments)
        .args([mode_index.to_string(), rounds.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?)
}

/// Reads acknowledgements until the writer is done, or until `span` has passed; then kills it, and
/// reads what it had said. Only commands and decisions that were acknowledged count.
fn kill_after(mut child: Child, span: Option<Duration>) -> Result<LogEnds, Failure> {
    let lines = BufReader::new(child.stdout.take().expect("the pipe was asked for")).lines();
    let mut acked = LogEnds::default();
    let (started, mut is_killed) = (Instant::now(), false);
    for line in lines {
        let line = line?;
        let Some((what, Ok(next))) = line.split_once(' ').map(|(w, n)| (w, n.parse())) else {
            continue; // Killed in the middle of a line.
        };
        match what {
            "commands" => acked.commands_next = Offset(next),
            "decisions" => acked.decisions_next = Offset(next),
            _ => {}
        }
        let is_due = span.map_or(what == "done", |span| started.elapsed() > span);
        if is_due && !is_killed {
            child.kill()?;
            is_killed = true;
        }
    }
    child.wait()?;
    Ok(acked)
}

fn kill_repeatedly(directory: &Path, index: usize, kills: u32) -> Result<String, Failure> {
    let (mut missing, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    let mut acked = LogEnds::default();
    for kill in 0..kills {
        let span = Duration::from_millis(20 + u64::from(kill * 7 % 150));
        let now = kill_after(spawn(directory, index, i64::MAX)?, Some(span))?;
        acked.commands_next = acked.commands_next.max(now.commands_next);
        acked.decisions_next = acked.decisions_next.max(now.decisions_next);
        let started = Instant::now();
        if let Ok(db) = open(directory, MODES[index]) {
            slowest = slowest.max(started.elapsed());
            let ends = readable(&db).ends;
            missing += (acked.commands_next.0 - ends.commands_next.0).max(0);
            missing += (acked.decisions_next.0 - ends.decisions_next.0).max(0);
        } else {
            // A ledger that does not open again cannot be killed again.
            refused += 1;
            fs::remove_dir_all(directory)?;
            acked = LogEnds::default();
        }
    }
    let (name, slowest) = (MODES[index].name, slowest.as_millis());
    Ok(format!("| {name} | {kills} | {missing} | {refused} | {slowest} ms |"))
}

fn follow(directory: &Path) -> Result<String, Failure> {
    let child = spawn(directory, 1, i64::MAX)?;
    let writer = std::thread::spawn(move || {
        kill_after(child, Some(Duration::from_secs(8))).map_err(|error| error.to_string())
    });
    while !heads::path(directory).exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let scratch = tempfile::tempdir()?;
    let (path, families) = (directory.join("rocks"), families());
    let db = DB::open_cf_descriptors_as_secondary(
        &Options::default(),
        path.as_path(),
        scratch.path(),
        families,
    )?;
    let (mut looks, mut short, mut still_short, mut failed) = (0, 0, 0, 0);
    let mut slowest = Duration::ZERO;
    while !writer.is_finished() {
        let named = heads::read(directory)?.expect("the writer has written it");
        let started = Instant::now();
        failed += u32::from(db.try_catch_up_with_primary().is_err());
        slowest = slowest.max(started.elapsed());
        looks += 1;
        if is_short(&db, &named) {
            short += 1;
            failed += u32::from(db.try_catch_up_with_primary().is_err());
            still_short += u32::from(is_short(&db, &named));
        }
    }
    let acked = writer.join().map_err(|_| "the thread panicked")??;
    Ok(format!(
        "{looks} looks while {} decisions were written; {short} saw a gap or less than heads.log \
         named before, {still_short} still did after catching up once more; {failed} failed to \
         catch up; slowest catch-up {} ms.",
        acked.decisions_next,
        slowest.as_millis()
    ))
}

/// Whether a reader sees less than there is: not all of `named`, a gap, or decisions of no command.
fn is_short(db: &DB, named: &LogEnds) -> bool {
    let Readable { ends, stopped } = readable(db);
    stopped.is_some()
        || ends.decisions_next < named.decisions_next
        || ends.commands_next < named.commands_next
        || ends.decisions_next > ends.commands_next
}

// ---- damage ----

fn prepare_base(directory: &Path, index: usize) -> Result<LogEnds, Failure> {
    kill_after(spawn(directory, index, 60)?, None)
}

/// The ways to open a store that the table compares: every mode, then both ways of only reading.
const SECONDARY: &str = "secondary";
const READ_ONLY: &str = "read-only, SkipAny";

fn damage_table(
    base: &Path,
    copy: &Path,
    acked: &LogEnds,
    tracks_wals: bool,
) -> Result<(), Failure> {
    let modes = (0..MODES.len()).filter(|&index| MODES[index].tracks_wals == tracks_wals);
    let mut openings: Vec<(usize, &str)> = modes.map(|index| (index, MODES[index].name)).collect();
    openings.extend([(openings[0].0, SECONDARY), (openings[0].0, READ_ONLY)]);
    let names: Vec<&str> = openings.iter().map(|&(_, name)| name).collect();
    println!("| damage | {} |", names.join(" | "));
    println!("|{}", "---|".repeat(names.len() + 1));
    for (what, damage) in DAMAGES {
        let mut cells = Vec::new();
        for &(mode_index, opening) in &openings {
            copy_directory(base, copy)?;
            damage(&copy.join("rocks"))?;
            // In a process of its own: what damaged files do to this one is not known.
            let output = Command::new(std::env::current_exe()?)
                .args(["probe".as_ref(), copy.as_os_str()])
                .args([&mode_index.to_string(), opening])
                .args([acked.commands_next.to_string(), acked.decisions_next.to_string()])
                .output()?;
            cells.push(if output.status.success() {
                String::from_utf8(output.stdout)?.trim_end().to_owned()
            } else {
                format!("crashes ({})", output.status)
            });
        }
        println!("| {what} | {} |", cells.join(" | "));
    }
    Ok(())
}

fn probe(directory: &Path, mode: Mode, opening: &str, acked: &LogEnds) -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    let opened = match opening {
        SECONDARY => secondary(directory, mode, scratch.path()),
        READ_ONLY => read_only(directory, scratch.path()),
        _ => open(directory, mode),
    };
    println!("{}", verdict(directory, acked, opened));
    Ok(())
}

fn secondary(directory: &Path, mode: Mode, scratch: &Path) -> Result<DB, rocksdb::Error> {
    let path = directory.join("rocks");
    DB::open_cf_descriptors_as_secondary(&options(mode), path.as_path(), scratch, families())
}

fn read_only(directory: &Path, scratch: &Path) -> Result<DB, rocksdb::Error> {
    let mut options = options(MODES[4]);
    options.set_paranoid_checks(false);
    options.set_max_open_files(64);
    options.set_db_log_dir(scratch);
    DB::open_cf_descriptors_read_only(&options, directory.join("rocks"), families(), false)
}

/// What opening came to, and whether a comparison with `heads.log` would have refused.
fn verdict(directory: &Path, acked: &LogEnds, opened: Result<DB, rocksdb::Error>) -> String {
    let Ok(db) = opened else {
        return "refuses".to_owned();
    };
    let Readable { ends, stopped } = readable(&db);
    let named = heads::read(directory).ok().flatten().unwrap_or_default();
    let is_whole =
        ends.commands_next >= acked.commands_next && ends.decisions_next >= acked.decisions_next;
    let is_behind =
        ends.commands_next < named.commands_next || ends.decisions_next < named.decisions_next;
    let left = format!("{} + {}", ends.commands_next, ends.decisions_next);
    match (is_whole, stopped, is_behind) {
        (true, None, _) => "whole".to_owned(),
        (_, Some(why), _) => format!("opens, {left}, then {why}"),
        (false, None, true) => format!("opens silently with {left}; heads.log notices"),
        (false, None, false) => format!("opens silently with {left}; nobody notices"),
    }
}
