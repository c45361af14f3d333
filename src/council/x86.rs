//! The one instruction that the fast layout is made for, `pmaddwd`, in its two widths.
//!
//! Which of them a processor has is asked at run time, and the answer is a token without which
//! neither can be called: that is why nothing here is `unsafe`.

use conclave_core::council::fast::{Lanes, Pairs, Sums};
use conclave_core::council::{CouncilLogits, FastCouncil, Features, HiddenState, TimeCode};
use fearless_simd::{Avx2, Level, Simd, Sse2, i16x8, i16x16, i32x4, i32x8, kernel, prelude::*};
use std::arch::x86_64::*;

/// Lanes of the level `S`, which this processor has.
#[derive(Clone, Copy, Debug)]
pub(super) struct X86Lanes<S>(S);

/// Four sums at a time: every x86-64 processor.
pub(super) type Sse2Lanes = X86Lanes<Sse2>;

/// Eight sums at a time.
pub(super) type Avx2Lanes = X86Lanes<Avx2>;

kernel!(
    #[inline(always)]
    fn add_four(_token: Sse2, sums: __m128i, weights: __m128i, operands: __m128i) -> __m128i {
        _mm_add_epi32(sums, _mm_madd_epi16(weights, operands))
    }
);

kernel!(
    #[inline(always)]
    fn add_eight(_token: Avx2, sums: __m256i, weights: __m256i, operands: __m256i) -> __m256i {
        _mm256_add_epi32(sums, _mm256_madd_epi16(weights, operands))
    }
);

impl Sse2Lanes {
    pub(super) fn detect() -> Option<Self> {
        Level::new().as_sse2().map(Self)
    }
}

impl Avx2Lanes {
    pub(super) fn detect() -> Option<Self> {
        Level::new().as_avx2().map(Self)
    }
}

impl<S: Simd> X86Lanes<S>
where
    Self: Lanes,
{
    /// Out of line, so that all of it is compiled for this level and nothing else.
    #[inline(never)]
    pub(super) fn step(
        self,
        council: &FastCouncil,
        state: &mut HiddenState,
        features: &Features,
        time: TimeCode,
    ) -> CouncilLogits {
        self.0.vectorize(
            #[inline(always)]
            || council.step_with(self, state, features, time),
        )
    }
}

impl Lanes for Sse2Lanes {
    #[inline(always)]
    fn add_products(self, sums: Sums, weights: &Pairs, operands: &Pairs) -> Sums {
        let Self(token) = self;
        let halves = sums.as_chunks::<4>().0;
        let weights = weights.as_flattened().as_chunks::<8>().0;
        let operands = operands.as_flattened().as_chunks::<8>().0;
        let mut out = Sums::default();
        for (half, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let sums = i32x4::simd_from(token, halves[half]);
            let weights = i16x8::simd_from(token, weights[half]);
            let operands = i16x8::simd_from(token, operands[half]);
            let sums = add_four(token, sums.into(), weights.into(), operands.into());
            *out = i32x4::simd_from(token, sums).into();
        }
        out
    }
}

impl Lanes for Avx2Lanes {
    #[inline(always)]
    fn add_products(self, sums: Sums, weights: &Pairs, operands: &Pairs) -> Sums {
        let Self(token) = self;
        let sums = i32x8::simd_from(token, sums);
        let weights = i16x16::simd_from(token, weights.as_flattened().as_chunks::<16>().0[0]);
        let operands = i16x16::simd_from(token, operands.as_flattened().as_chunks::<16>().0[0]);
        let sums = add_eight(token, sums.into(), weights.into(), operands.into());
        i32x8::simd_from(token, sums).into()
    }
}
