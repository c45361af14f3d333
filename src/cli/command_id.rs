//! Command ids for those who bring none: different every time, on every machine.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A new id of 32 hexadecimal digits in five groups.
pub(super) fn new_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // The standard library's hasher is seeded by the operating system.
    let seed = RandomState::new().hash_one(count);
    let made_of = format!("conclave command {nanos} {} {count} {seed}", std::process::id());
    let digits = blake3::hash(made_of.as_bytes()).to_hex();
    let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..32]];
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_differ() {
        let ids: BTreeSet<String> = (0..1_000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.len() == 36), "{:?}", ids.first());
    }
}
