//! The one thing that machines do very differently: sums of products, many at once.

/// Eight pairs of int16.
pub type Pairs = [[i16; 2]; 8];
/// Eight sums.
pub type Sums = [i32; 8];

/// Adds products eight pairs at a time. Who knows the machine says how; the sums are the same.
pub trait Lanes: Copy {
    /// `sums[i] + weights[i][0] * operands[i][0] + weights[i][1] * operands[i][1]` for each i.
    /// None of them leaves 32 bits: the range proof.
    fn add_products(self, sums: Sums, weights: &Pairs, operands: &Pairs) -> Sums;
}

/// Any machine: as good as the compiler is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Portable;

impl Lanes for Portable {
    #[inline(always)]
    fn add_products(self, sums: Sums, weights: &Pairs, operands: &Pairs) -> Sums {
        std::array::from_fn(|i| {
            let [(w, v), (u, t)] =
                [(weights[i][0], operands[i][0]), (weights[i][1], operands[i][1])];
            let (first, second) = (i32::from(w) * i32::from(v), i32::from(u) * i32::from(t));
            sums[i].wrapping_add(first.wrapping_add(second))
        })
    }
}
