//! W3C trace context: the header `traceparent`, and span ids that follow from the log.

use conclave_core::units::{Hash32, Offset};
use std::fmt;

/// Where a record stands in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never all zeros.
    pub trace_id: [u8; 16],
    /// The span that led to the record; never all zeros.
    pub span_id: [u8; 8],
    /// Sampled (1) and random (2); other bits are zero.
    pub flags: u8,
}

/// Flags that this version of the standard defines.
const FLAGS_KNOWN: u8 = 0b11;
/// `00-` trace `-` span `-` flags.
const HEADER_BYTES: usize = 55;

impl TraceParent {
    /// Reads the header; none when it is not one. A later version of the standard may have appended
    /// fields, which are ignored.
    #[must_use]
    pub fn parse(header: &[u8]) -> Option<Self> {
        let (version, rest) = (hex::<1>(header.get(..2)?)?[0], header.get(HEADER_BYTES..)?);
        let is_whole = if version == 0 { rest.is_empty() } else { matches!(rest, [] | [b'-', ..]) };
        let has_dashes = [2, 35, 52].iter().all(|&at| header[at] == b'-');
        if version == 0xff || !is_whole || !has_dashes {
            return None;
        }
        let trace_id = hex::<16>(&header[3..35])?;
        let span_id = hex::<8>(&header[36..52])?;
        let [flags] = hex::<1>(&header[53..55])?;
        let is_valid = trace_id != [0; 16] && span_id != [0; 8];
        is_valid.then_some(Self { trace_id, span_id, flags: flags & FLAGS_KNOWN })
    }

    /// The span of the decision at `offset`, in the trace of its command. It follows from the log,
    /// so an aborted round that is decided again gives the same span.
    #[must_use]
    pub fn of_decision(self, partition: i64, offset: Offset) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"conclave span");
        hasher.update(&self.trace_id);
        hasher.update(&partition.to_be_bytes());
        hasher.update(&offset.0.to_be_bytes());
        Self { span_id: never_zero(leading(hasher.finalize().as_bytes())), ..self }
    }

    /// The trace of a command whose sender started none: it follows from the command's digest, and
    /// is not sampled, because nobody asked for it.
    #[must_use]
    pub fn of_untraced(input_hash: Hash32) -> Self {
        let digest =
            blake3::derive_key("conclave 2026 trace of an untraced command", &input_hash.0);
        let trace_id = never_zero(leading(&digest));
        let mut span_id = [0; 8];
        span_id.copy_from_slice(&digest[16..24]);
        Self { trace_id, span_id: never_zero(span_id), flags: 0 }
    }

    /// The span of a command that this program sends itself, in the trace of what it belongs to:
    /// both follow from the names of the log, of that and of the command. It is not sampled.
    #[must_use]
    pub fn of_sent([log, whole, own]: [&str; 3]) -> Self {
        let digest = |names: [&str; 2]| {
            let mut hasher =
                blake3::Hasher::new_derive_key("conclave 2026 trace of a sent command");
            for name in names {
                hasher.update(&(name.len() as u64).to_be_bytes()).update(name.as_bytes());
            }
            *hasher.finalize().as_bytes()
        };
        Self {
            trace_id: never_zero(leading(&digest([log, whole]))),
            span_id: never_zero(leading(&digest([whole, own]))),
            flags: 0,
        }
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [b'-'; HEADER_BYTES];
        write_hex(&[0], &mut header[..2]);
        write_hex(&self.trace_id, &mut header[3..35]);
        write_hex(&self.span_id, &mut header[36..52]);
        write_hex(&[self.flags], &mut header[53..]);
        header
    }

    /// The trace as logs spell it.
    #[must_use]
    pub fn trace_hex(&self) -> Hex<'_> {
        Hex(&self.trace_id)
    }

    /// The span as logs spell it.
    #[must_use]
    pub fn span_hex(&self) -> Hex<'_> {
        Hex(&self.span_id)
    }
}

/// Bytes in lowercase hex.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Every decision has such a header: `write!` would take ten times longer.
fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
}

fn leading<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&digest[..N]);
    bytes
}

/// The standard calls an id of zeros invalid.
fn never_zero<const N: usize>(mut id: [u8; N]) -> [u8; N] {
    if id == [0; N] {
        id[N - 1] = 1;
    }
    id
}

/// The standard wants lowercase.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_sound_header_comes_back_as_it_was() {
        let parsed = TraceParent::parse(SOUND.as_bytes()).unwrap();
        assert_eq!(&parsed.to_header()[..], SOUND.as_bytes());
        assert!(SOUND.contains(&format!("{}-{}", parsed.trace_hex(), parsed.span_hex())));
        let later = SOUND.replacen("00", "cc", 1) + "-what-the-future-will-bring";
        assert_eq!(TraceParent::parse(later.as_bytes()), Some(parsed));
    }

    #[test]
    fn anything_else_is_no_header() {
        let zeros = "0".repeat(32);
        let cases = [
            String::new(),
            SOUND[..54].to_owned(),
            format!("{SOUND}-"),
            format!("{SOUND}0"),
            SOUND.to_uppercase(),
            SOUND.replacen("00", "ff", 1),
            SOUND.replace('-', "_"),
            SOUND.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros),
            SOUND.replace("00f067aa0ba902b7", &zeros[..16]),
            SOUND.replace("4bf9", "4bg9"),
            SOUND.replacen("00", "cc", 1) + "x",
        ];
        for case in cases {
            assert_eq!(TraceParent::parse(case.as_bytes()), None, "{case}");
        }
    }

    #[test]
    fn a_span_follows_from_trace_partition_and_offset_and_from_nothing_else() {
        let trace = TraceParent::parse(SOUND.as_bytes()).unwrap();
        let other_parent = TraceParent { span_id: [7; 8], ..trace };
        let span = trace.of_decision(3, Offset(14)).span_id;
        assert_eq!(span, other_parent.of_decision(3, Offset(14)).span_id);
        assert_ne!(span, trace.of_decision(3, Offset(15)).span_id);
        assert_ne!(span, trace.of_decision(4, Offset(14)).span_id);
        let other_trace = TraceParent::of_untraced(Hash32([9; 32]));
        assert_ne!(span, other_trace.of_decision(3, Offset(14)).span_id);
    }

    #[test]
    fn unknown_flags_are_not_passed_on() {
        let header = SOUND.replace("b7-01", "b7-ff");
        assert_eq!(TraceParent::parse(header.as_bytes()).unwrap().flags, 3);
    }
}
