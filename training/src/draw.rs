//! Numbers drawn from a seed: the only randomness of the trainer, the same on every machine.

/// A generator (`SplitMix64`: Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
#[derive(Clone, Debug)]
pub struct Draw {
    state: u64,
}

impl Draw {
    /// The generator of `seed` for one `purpose`: purposes do not disturb each other.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mix = |state: u64, byte: u8| {
            let mut draw = Self { state: state ^ u64::from(byte) };
            draw.bits()
        };
        Self { state: purpose.bytes().fold(seed, mix) }
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from `least` to below `most`.
    pub fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.unit()
    }

    /// An index below `count`.
    ///
    /// # Panics
    /// When there is none.
    pub fn below(&mut self, count: usize) -> usize {
        assert!(0 < count, "there is nothing to draw from");
        let count = u64::try_from(count).expect("an index is no longer than this");
        usize::try_from(self.bits() % count).expect("below an index")
    }

    /// Whether something happens that happens with `probability`.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A normal number of mean 0 and variance 1 (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Another order of `items` (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_purpose_say_all_numbers() {
        let first = |seed, purpose| Draw::new(seed, purpose).bits();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
    }

    #[test]
    fn numbers_are_spread_as_they_should() {
        let mut draw = Draw::new(7, "test");
        let units: Vec<_> = (0..10_000).map(|_| draw.unit()).collect();
        assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
        assert!((units.iter().sum::<f64>() / 10_000.0 - 0.5).abs() < 0.02);
        let normals: Vec<_> = (0..10_000).map(|_| draw.normal()).collect();
        let variance = normals.iter().map(|n| n * n).sum::<f64>() / 10_000.0;
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
        let mut order: Vec<_> = (0..50).collect();
        draw.shuffle(&mut order);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..50));
    }
}
