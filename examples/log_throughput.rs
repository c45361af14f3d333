//! What the embedded log takes per command and decision: `cargo run --release --example
//! log_throughput [DIRECTORY]`. Commands of 200 bytes, decisions of 350, one batch and one round at
//! a time, through the public interface; then everything read back.

use conclave::error::Result;
use conclave::log::rocks::{Durability, OpenOptions, RocksLog};
use conclave::log::{
    CommandRecord, CommitError, DecisionRecord, EventLog, Headers, LogReader, RoundRecord,
};
use conclave_core::units::{Hash32, Offset, TimeMs};
use std::path::Path;
use std::time::{Duration, Instant};

const READ_BYTES: usize = 4 * 1024 * 1024;

fn main() -> Result<()> {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    println!("| durability | round | decisions | accept µs | commit µs | both per s | read µs |");
    println!("|---|---|---|---|---|---|---|");
    for (durability, round, rounds) in [
        (Durability::Os, 64, 15_000),
        (Durability::Os, 1_000, 1_000),
        (Durability::Fsync, 64, 300),
        (Durability::Fsync, 1_000, 100),
    ] {
        let directory = tempfile::tempdir_in(&parent).expect("there is room for a directory");
        measure(directory.path(), durability, round, rounds)?;
    }
    Ok(())
}

fn measure(directory: &Path, durability: Durability, round: i64, rounds: i64) -> Result<()> {
    let options = OpenOptions { durability, ..OpenOptions::default() };
    let mut log = RocksLog::open(directory, &options)?;
    let (mut accepting, mut committing) = (Duration::ZERO, Duration::ZERO);
    for number in 0..rounds {
        let offsets = number * round..(number + 1) * round;
        let commands: Vec<_> = offsets.clone().map(command).collect();
        let answer =
            RoundRecord { decisions: offsets.map(decision).collect(), ..Default::default() };
        let started = Instant::now();
        log.accept(&commands)?;
        accepting += started.elapsed();
        let started = Instant::now();
        log.commit(&answer).map_err(|error| match error {
            CommitError::Failed(error) => error,
            CommitError::Aborted(why) | CommitError::Unknown(why) => {
                conclave::error::Error::unavailable(why)
            }
        })?;
        committing += started.elapsed();
    }
    let count = round * rounds;
    let started = Instant::now();
    let mut next = Offset(0);
    while let Some(last) = log.decisions(next, READ_BYTES)?.last() {
        next = Offset(last.offset.0 + 1);
    }
    let reading = started.elapsed();
    assert_eq!(next, Offset(count), "every decision is read back");
    let per_record = |span: Duration| {
        span.as_secs_f64() * 1e6 / f64::from(i32::try_from(count).unwrap_or(i32::MAX))
    };
    let (accept_us, commit_us) = (per_record(accepting), per_record(committing));
    println!(
        "| {} | {round} | {count} | {accept_us:.2} | {commit_us:.2} | {:.0} | {:.2} |",
        durability.as_str(),
        1e6 / (accept_us + commit_us),
        per_record(reading),
    );
    Ok(())
}

/// Bytes that do not compress better than real ones: half of them repeat.
fn noise(seed: i64, length: usize) -> Vec<u8> {
    let mut bytes = b"tenant-0017 gpu_milli=8000 A100 ".repeat(length / 64);
    let mut random = vec![0; length - bytes.len()];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut random);
    bytes.extend(random);
    bytes
}

fn command(offset: i64) -> CommandRecord {
    CommandRecord {
        time_ms: TimeMs(offset),
        key: b"pool-a".to_vec(),
        value: noise(offset, 200),
        headers: Headers::new(),
    }
}

fn decision(offset: i64) -> DecisionRecord {
    let body = noise(-offset, 350);
    let hash = Hash32(*blake3::hash(&body).as_bytes());
    DecisionRecord { offset: Offset(offset), hash, body, headers: Headers::new() }
}
