//! Headers of a record: the envelope, which proves nothing.

use std::fmt;

/// Names and values in order; a name may stand more than once. Kept packed as the log stores them,
/// because most are copied and never read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    count: u32,
    /// Per header the name and the value, each after its length in 4 little-endian bytes.
    packed: Vec<u8>,
}

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No headers yet, and room for `bytes` of them.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { count: 0, packed: Vec::with_capacity(bytes) }
    }

    /// Appends a header.
    ///
    /// # Panics
    /// When a header has 4 GiB: no log takes such a record.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            let length = u32::try_from(part.len()).expect("a header is far shorter than 4 GiB");
            self.packed.extend_from_slice(&length.to_le_bytes());
            self.packed.extend_from_slice(part);
        }
        self.count += 1;
    }

    /// Appends all headers of `other`.
    pub fn append(&mut self, other: &Self) {
        self.packed.extend_from_slice(&other.packed);
        self.count += other.count;
    }

    /// Name and value of each header, in order.
    ///
    /// # Panics
    /// Never: what is packed was checked.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = self.packed.as_slice();
        (0..self.count).map(move |_| take_header(&mut rest).expect("it was checked when packed"))
    }

    /// How many there are.
    ///
    /// # Panics
    /// Never: memory holds fewer.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.count).expect("memory holds fewer headers than that")
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.packed.len()
    }

    /// Appends them to a record's packed form: their count, then each of them.
    pub(super) fn pack(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.count.to_le_bytes());
        to.extend_from_slice(&self.packed);
    }

    /// Takes what [`Headers::pack`] wrote from the front of `bytes`.
    pub(super) fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let (count, packed) = bytes.split_first_chunk()?;
        let (count, mut rest) = (u32::from_le_bytes(*count), packed);
        for _ in 0..count {
            take_header(&mut rest)?;
        }
        let taken = packed.len() - rest.len();
        *bytes = rest;
        Some(Self { count, packed: packed[..taken].to_vec() })
    }
}

fn take_header<'b>(bytes: &mut &'b [u8]) -> Option<(&'b str, &'b [u8])> {
    Some((std::str::from_utf8(take_part(bytes)?).ok()?, take_part(bytes)?))
}

fn take_part<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::new();
        pairs.into_iter().for_each(|(name, value)| headers.push(name.as_ref(), value.as_ref()));
        headers
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>, const COUNT: usize> From<[(N, V); COUNT]> for Headers {
    fn from(pairs: [(N, V); COUNT]) -> Self {
        pairs.into_iter().collect()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_read_in_order_also_after_packing() {
        let pairs = [("a", &b"1"[..]), ("", b""), ("a", &[0xff; 300])];
        let mut headers = Headers::from([pairs[0], pairs[1]]);
        headers.append(&Headers::from([pairs[2]]));
        assert_eq!(headers.iter().collect::<Vec<_>>(), pairs);
        let mut packed = Vec::new();
        headers.pack(&mut packed);
        packed.push(7);
        let mut rest = packed.as_slice();
        assert_eq!(Headers::unpack(&mut rest), Some(headers));
        assert_eq!(rest, [7]);
    }

    #[test]
    fn damaged_headers_are_none() {
        let mut packed = Vec::new();
        Headers::from([("name", b"value")]).pack(&mut packed);
        for length in 0..packed.len() {
            assert_eq!(Headers::unpack(&mut &packed[..length]), None, "{length} bytes");
        }
        packed[8] = 0xff; // No text begins with this byte.
        assert_eq!(Headers::unpack(&mut packed.as_slice()), None);
    }
}
