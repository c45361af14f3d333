//! Which partition a pool lives in: Kafka's own rule, so that a stock Java producer is right.

use crate::units::PoolId;

/// Home partition of `pool` among `partition_count`: murmur2 of its bytes without the sign bit,
/// modulo the count, as the Java client's default partitioner computes it.
///
/// # Panics
/// When `partition_count` is not positive.
#[must_use]
pub fn home_partition(pool: &PoolId, partition_count: i64) -> i64 {
    assert!(partition_count > 0, "a log has at least one partition, not {partition_count}");
    i64::from(murmur2(pool.0.as_bytes()) & 0x7fff_ffff) % partition_count
}

/// `MurmurHash2` (Austin Appleby, public domain) with the seed that Kafka chose.
fn murmur2(bytes: &[u8]) -> u32 {
    const MULTIPLIER: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let length = u32::try_from(bytes.len()).expect("an id is far shorter than 4 GiB");
    let mut hash = SEED ^ length;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        k = k.wrapping_mul(MULTIPLIER);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MULTIPLIER) ^ k.wrapping_mul(MULTIPLIER);
    }
    let tail = words.remainder();
    for (index, byte) in tail.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !tail.is_empty() {
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that Kafka's own `UtilsTest` lists for its Java implementation.
    #[test]
    fn murmur2_agrees_with_kafkas_published_values() {
        for (text, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()), hash.cast_unsigned(), "{text}");
        }
    }

    #[test]
    fn every_pool_has_exactly_one_home() {
        for count in [1, 2, 12, 1_024] {
            for name in ["", "default", "prod-a100", "поол"] {
                let home = home_partition(&PoolId::from(name), count);
                assert!((0..count).contains(&home), "{name} of {count}: {home}");
            }
        }
    }
}
