//! The first fields of a decision's body, read without the rest.
//!
//! Whoever computes a decision again compares all of its bytes, so reading them one by one as well
//! would prove nothing more and costs more than anything else in verifying.

use conclave_core::decision::Decision;
use conclave_core::units::{Hash32, Offset};

/// What a body says about its own place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecisionHead {
    /// Which rules decided.
    pub decide_version: i64,
    /// Digest of the body of the decision before this one.
    pub prev_hash: Hash32,
    /// The command's offset.
    pub offset: Offset,
    /// Offset of the command covered before this one.
    pub covered_before: Offset,
    /// How many commands the round had; set in its last decision only.
    pub round_count: Option<i64>,
}

impl DecisionHead {
    /// Reads the head of `body`; none when it is no body of a decision.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut rest = body;
        let decide_version = long(&mut rest)?;
        let (prev_hash, after) = rest.split_first_chunk()?;
        rest = after;
        let _partition = long(&mut rest)?;
        let (offset, covered_before) = (Offset(long(&mut rest)?), Offset(long(&mut rest)?));
        let (_round, _round_index) = (long(&mut rest)?, long(&mut rest)?);
        let round_count = match long(&mut rest)? {
            0 => None,
            1 => Some(long(&mut rest)?),
            _ => return None,
        };
        let prev_hash = Hash32(*prev_hash);
        Some(Self { decide_version, prev_hash, offset, covered_before, round_count })
    }

    /// The head of a decision that was read in full.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        let Decision { decide_version, prev_hash, offset, covered_before, round_count, .. } =
            *decision;
        Self { decide_version, prev_hash, offset, covered_before, round_count }
    }
}

/// Seven bits a byte, lowest first, the high bit says that more follow; then zigzag.
fn long(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits.leading_zeros() < shift {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_avro_writes_them() {
        let max = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let min = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        for (bytes, number) in [
            (&[0][..], Some(0)),
            (&[1], Some(-1)),
            (&[2], Some(1)),
            (&[0x80, 0x01], Some(64)),
            (&max, Some(i64::MAX)),
            (&min, Some(i64::MIN)),
            (&beyond, None),
            (&[0x80], None),
            (&[], None),
        ] {
            assert_eq!(long(&mut &bytes[..]), number, "{bytes:?}");
        }
    }
}
