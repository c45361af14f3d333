//! Numbers that look random and are a function of a seed alone, so that a draw can be repeated.

/// A 64-bit generator with equal draws for equal seeds.
///
/// It is splitmix64 (Steele, Lea and Flood, OOPSLA 2014): a counter stepping by the golden ratio,
/// each value scrambled.
#[derive(Clone, Debug)]
pub struct Draw(u64);

/// 2^64 divided by the golden ratio, made odd.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Draw {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        scrambled(self.0)
    }

    /// A number below `bound`, each as likely as the others up to one part in 2^64 / `bound`.
    ///
    /// # Panics
    /// When `bound` is 0: there is nothing to draw from.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "a draw needs something to draw from");
        let wide = u128::from(self.next_bits()) * (bound as u128);
        usize::try_from(wide >> 64).expect("the product's upper half is below the bound")
    }

    /// Puts `items` into an order in which each order is as likely as the others.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// The seed of a text such as a request id: FNV-1a, then scrambled because FNV's upper bits hardly
/// depend on the last letters.
#[must_use]
pub fn seed_of(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    scrambled(fnv)
}

/// Bijective mixing of 64 bits: splitmix64's finaliser.
pub(super) fn scrambled(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // The first outputs of the reference implementation for seed 1234567.
        let mut draw = Draw::new(1_234_567);
        assert_eq!(draw.next_bits(), 6_457_827_717_110_365_317);
        assert_eq!(draw.next_bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn every_number_below_the_bound_is_about_as_likely() {
        let mut draw = Draw::new(7);
        let mut counts = [0_usize; 6];
        (0..60_000).for_each(|_| counts[draw.below(6)] += 1);
        // Six standard deviations around 10,000.
        assert!(counts.iter().all(|count| (9_450..=10_550).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..100).collect();
        Draw::new(3).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn seeds_of_similar_texts_differ_in_their_upper_bits() {
        assert_ne!(seed_of("request-1") >> 56, seed_of("request-2") >> 56);
        assert_eq!(seed_of("request-1"), seed_of("request-1"));
    }
}
