//! The duplicate window at 1,000,000 ids, next to the same ring with a map as its index, hashed or
//! ordered:
//! `cargo bench --bench duplicates [-- --quick] [--save]`. Prints a table; `--save` stores it as
//! the baseline of `docs/decisions/0002-state-machine.md`.

use conclave_core::decision::Remembered;
use conclave_core::placement::draw::Draw;
use conclave_core::state::{DuplicateWindow, Seen};
use conclave_core::units::{DurationMs, Hash16, Offset, TimeMs};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;
use std::io;
use std::time::Instant;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/baseline/duplicates.jsonl");
const IDS: usize = 1_000_000;
const RUNS: usize = 5;
/// Far longer than the bench's log time: ids leave because there are too many of them.
const WINDOW_MS: DurationMs = DurationMs(24 * 3_600_000);

/// What both windows can do.
trait Window {
    fn find(&self, id: Hash16, now: TimeMs) -> Option<Seen>;
    fn remember(&mut self, seen: Seen);
}

impl Window for DuplicateWindow {
    fn find(&self, id: Hash16, now: TimeMs) -> Option<Seen> {
        Self::find(self, id, now)
    }
    fn remember(&mut self, seen: Seen) {
        Self::remember(self, seen);
    }
}

/// The alternatives: a map from id to the number of its place.
#[derive(Clone)]
struct MappedWindow<I> {
    ids_max: usize,
    dropped: u64,
    entries: VecDeque<Seen>,
    index: I,
}

trait Index: Default {
    fn place(&self, id: Hash16) -> Option<u64>;
    fn add(&mut self, id: Hash16, place: u64);
    fn drop_id(&mut self, id: Hash16);
}

impl Index for BTreeMap<Hash16, u64> {
    fn place(&self, id: Hash16) -> Option<u64> {
        self.get(&id).copied()
    }
    fn add(&mut self, id: Hash16, place: u64) {
        self.insert(id, place);
    }
    fn drop_id(&mut self, id: Hash16) {
        self.remove(&id);
    }
}

type Hashed = HashMap<[u8; 16], u64, BuildHasherDefault<FirstBytes>>;

impl Index for Hashed {
    fn place(&self, id: Hash16) -> Option<u64> {
        self.get(&id.0).copied()
    }
    fn add(&mut self, id: Hash16, place: u64) {
        self.insert(id.0, place);
    }
    fn drop_id(&mut self, id: Hash16) {
        self.remove(&id.0);
    }
}

/// Ids are digests already: their first 8 bytes are as good a hash as any.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        let first = bytes.first_chunk().expect("ids have 16 bytes");
        self.0 = u64::from_le_bytes(*first);
    }
    fn write_usize(&mut self, _: usize) {}
}

impl<I: Index> MappedWindow<I> {
    fn new(ids_max: usize) -> Self {
        Self { ids_max, dropped: 0, entries: VecDeque::new(), index: I::default() }
    }
}

impl<I: Index> Window for MappedWindow<I> {
    fn find(&self, id: Hash16, now: TimeMs) -> Option<Seen> {
        let sequence = self.index.place(id)?;
        let place = usize::try_from(sequence - self.dropped).expect("a place in memory");
        let seen = self.entries[place];
        (seen.time_ms.plus(WINDOW_MS) > now).then_some(seen)
    }
    fn remember(&mut self, seen: Seen) {
        if self.entries.len() == self.ids_max
            && let Some(oldest) = self.entries.pop_front()
        {
            self.dropped += 1;
            self.index.drop_id(oldest.digests.id_hash);
        }
        self.index.add(seen.digests.id_hash, self.dropped + self.entries.len() as u64);
        self.entries.push_back(seen);
    }
}

fn main() -> io::Result<()> {
    let asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    let ids = if asked("--quick") { IDS / 10 } else { IDS };
    println!("| window of {ids} ids | ring and table | ring and HashMap | ring and BTreeMap |");
    println!("|---|---:|---:|---:|");
    let ours = best_of(|| measure(ids, DuplicateWindow::new(ids, WINDOW_MS)));
    let hashed = best_of(|| measure(ids, MappedWindow::<Hashed>::new(ids)));
    let ordered = best_of(|| measure(ids, MappedWindow::<BTreeMap<Hash16, u64>>::new(ids)));
    let mut lines = format!("{}\n", machine());
    for (index, (name, unit, ours)) in ours.into_iter().enumerate() {
        let (hashed, ordered) = (hashed[index].2, ordered[index].2);
        println!("| {name}, {unit} | {ours:.1} | {hashed:.1} | {ordered:.1} |");
        let row = serde_json::json!({
            "name": name, "unit": unit, "table": ours, "hash_map": hashed, "btree_map": ordered,
        });
        lines += &format!("{row}\n");
    }
    let stored = stored_bytes(ids);
    println!("| in a snapshot, MB | {:.1} | | |", stored as f64 / 1e6);
    let ours = stored as f64 / 1e6;
    let row = serde_json::json!({ "name": "in a snapshot", "unit": "MB", "table": ours });
    lines += &format!("{row}\n");
    if asked("--save") {
        fs::write(BASELINE, lines)?;
    }
    Ok(())
}

/// Name, unit and value of each figure.
type Rows = [(&'static str, &'static str, f64); 6];

/// The shortest of several times, because the machine may have other work; memory of the first run,
/// because what it frees may stay with the process.
fn best_of(run: impl Fn() -> Rows) -> Rows {
    let mut best = run();
    for _ in 1..RUNS {
        for (best, (_, unit, value)) in best.iter_mut().zip(run()) {
            if unit != "MB" {
                best.2 = best.2.min(value);
            }
        }
    }
    best
}

fn measure<W: Window + Clone>(ids: usize, mut window: W) -> Rows {
    let before_mb = resident_mb();
    let fill_ns = each_ns(ids, |number| window.remember(seen(number)));
    let resident_mb = resident_mb() - before_mb;
    let replace_ns = each_ns(ids, |number| window.remember(seen(ids + number)));
    let now = seen(2 * ids).time_ms;
    let mut draw = Draw::new(1);
    let mut hits = 0;
    let hit_ns = each_ns(ids, |_| {
        let id = seen(ids + draw.below(ids)).digests.id_hash;
        hits += usize::from(window.find(id, now).is_some());
    });
    assert_eq!(hits, ids, "the newest ids are held");
    let miss_ns = each_ns(ids, |number| {
        let id = seen(2 * ids + number).digests.id_hash;
        hits += usize::from(window.find(id, now).is_some());
    });
    assert_eq!(hits, ids, "ids to come are not held");
    let started = Instant::now();
    let copy = black_box(window.clone());
    let copy_ms = started.elapsed().as_secs_f64() * 1e3;
    drop(copy);
    // Making the digests is no part of the window.
    let making_ns = each_ns(ids, |number| {
        black_box(seen(number));
    });
    [
        ("remember while it fills", "ns", fill_ns - making_ns),
        ("remember when full (the oldest leaves)", "ns", replace_ns - making_ns),
        ("find what is there", "ns", hit_ns - making_ns),
        ("find what is not there", "ns", miss_ns - making_ns),
        ("copy for a snapshot", "ms", copy_ms),
        ("resident", "MB", resident_mb),
    ]
}

fn stored_bytes(ids: usize) -> usize {
    let mut window = DuplicateWindow::new(ids, WINDOW_MS);
    (0..ids).for_each(|number| window.remember(seen(number)));
    postcard::to_stdvec(&window).expect("a window holds nothing that postcard cannot write").len()
}

fn each_ns(count: usize, mut work: impl FnMut(usize)) -> f64 {
    let started = Instant::now();
    (0..count).for_each(&mut work);
    started.elapsed().as_secs_f64() * 1e9 / count as f64
}

/// Digests as a hash would give them; a time of 2026, as a snapshot would hold it.
fn seen(number: usize) -> Seen {
    let mut draw = Draw::new(number as u64);
    let mut digest = || {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&draw.next_bits().to_le_bytes());
        bytes[8..].copy_from_slice(&draw.next_bits().to_le_bytes());
        Hash16(bytes)
    };
    let digests = Remembered { id_hash: digest(), payload_hash: digest() };
    let number = i64::try_from(number).expect("a small number");
    Seen { digests, offset: Offset(number), time_ms: TimeMs(1_780_000_000_000 + number) }
}

/// CPU model, cores and load: other work on the machine shows in the figures.
fn machine() -> serde_json::Value {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or_default();
    let cpu = cpu.map_or("unknown", |(_, model)| model);
    serde_json::json!({ "machine": { "cpu": cpu, "cores": cores, "load": load } })
}

fn resident_mb() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1_024.0 / 1e6
}
