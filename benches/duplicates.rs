//! The duplicate window at 1,000,000 ids, next to the same ring with an ordered map as its index:
//! `cargo bench --bench duplicates [-- --quick] [--save]`. Prints a table; `--save` stores it as
//! the baseline of `docs/decisions/0002-state-machine.md`.

use conclave_core::decision::Remembered;
use conclave_core::placement::draw::Draw;
use conclave_core::state::{DuplicateWindow, Seen};
use conclave_core::units::{DurationMs, Hash16, Offset, TimeMs};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::hint::black_box;
use std::io;
use std::time::Instant;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/baseline/duplicates.jsonl");
const IDS: usize = 1_000_000;
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

/// The alternative: an ordered map from id to place, as the core would otherwise use.
#[derive(Clone)]
struct OrderedWindow {
    ids_max: usize,
    dropped: u64,
    entries: VecDeque<Seen>,
    index: BTreeMap<Hash16, u64>,
}

impl Window for OrderedWindow {
    fn find(&self, id: Hash16, now: TimeMs) -> Option<Seen> {
        let sequence = *self.index.get(&id)?;
        let place = usize::try_from(sequence - self.dropped).expect("a place in memory");
        let seen = self.entries[place];
        (seen.time_ms.plus(WINDOW_MS) > now).then_some(seen)
    }
    fn remember(&mut self, seen: Seen) {
        if self.entries.len() == self.ids_max
            && let Some(oldest) = self.entries.pop_front()
        {
            self.dropped += 1;
            self.index.remove(&oldest.digests.id_hash);
        }
        self.index.insert(seen.digests.id_hash, self.dropped + self.entries.len() as u64);
        self.entries.push_back(seen);
    }
}

fn main() -> io::Result<()> {
    let asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    let ids = if asked("--quick") { IDS / 10 } else { IDS };
    println!("| window of {ids} ids | ring and index | ring and BTreeMap |");
    println!("|---|---:|---:|");
    let ours = measure(ids, DuplicateWindow::new(ids, WINDOW_MS));
    let empty = OrderedWindow {
        ids_max: ids,
        dropped: 0,
        entries: VecDeque::new(),
        index: BTreeMap::new(),
    };
    let ordered = measure(ids, empty);
    let mut lines = String::new();
    for ((name, unit, ours), (_, _, ordered)) in ours.rows().into_iter().zip(ordered.rows()) {
        println!("| {name}, {unit} | {ours:.1} | {ordered:.1} |");
        let row = serde_json::json!({ "name": name, "unit": unit, "ours": ours, "btree": ordered });
        lines += &format!("{row}\n");
    }
    let stored = stored_bytes(ids);
    println!("| in a snapshot, MB | {:.1} | |", stored as f64 / 1e6);
    let ours = stored as f64 / 1e6;
    let row = serde_json::json!({ "name": "in a snapshot", "unit": "MB", "ours": ours });
    lines += &format!("{row}\n");
    if asked("--save") {
        fs::write(BASELINE, lines)?;
    }
    Ok(())
}

struct Measured {
    fill_ns: f64,
    replace_ns: f64,
    hit_ns: f64,
    miss_ns: f64,
    copy_ms: f64,
    resident_mb: f64,
}

impl Measured {
    fn rows(&self) -> [(&'static str, &'static str, f64); 6] {
        [
            ("remember while it fills", "ns", self.fill_ns),
            ("remember when full (the oldest leaves)", "ns", self.replace_ns),
            ("find what is there", "ns", self.hit_ns),
            ("find what is not there", "ns", self.miss_ns),
            ("copy for a snapshot", "ms", self.copy_ms),
            ("resident", "MB", self.resident_mb),
        ]
    }
}

fn measure<W: Window + Clone>(ids: usize, mut window: W) -> Measured {
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
    Measured {
        fill_ns: fill_ns - making_ns,
        replace_ns: replace_ns - making_ns,
        hit_ns: hit_ns - making_ns,
        miss_ns: miss_ns - making_ns,
        copy_ms,
        resident_mb,
    }
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

fn resident_mb() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1_024.0 / 1e6
}
