//! The reference: one step of one member, line for line as sections 6 and 7 of
//! `docs/council-spec.md` say it. Additions and products are checked: one that left its range would
//! panic.

use super::features::{FEATURE_COUNT, Features};
use super::logits::{LOGITS, Logits};
use super::member::{HIDDEN_MAX, Head, Member, OPERANDS_MAX, Row};
use super::rounding::{clamped16, narrowed, rounded};
use super::time::TimeCode;
use super::{Council, CouncilParts};

/// Replaces `h`, the state of `member`, by the state after a step.
pub(super) fn step(council: &Council, member: &Member, x: &Features, s: TimeCode, h: &mut [i16]) {
    let CouncilParts { hidden, tanh, sigmoid, .. } = council.parts();
    let u = &operands(x, h)[..hidden.operands()];
    let s = s.get();
    let mut next = [0; HIDDEN_MAX];
    for (j, next) in next.iter_mut().enumerate().take(hidden.units()) {
        let z = |head: Head| pre_activation(member.heads.row(head.row(*hidden, j)), u);
        let (a, c, p, q) = (z(Head::Early), z(Head::Late), z(Head::Rate), z(Head::Base));
        let t1 = i32::from(tanh.at(a));
        let t2 = i32::from(tanh.at(c));
        let g = i32::from(sigmoid.at(rounded(p * s, 8) + q));
        *next = narrowed(t1 + rounded((t2 - t1) * g, 14));
    }
    h.copy_from_slice(&next[..hidden.units()]);
}

/// u: features as they are, states rounded to int8.
fn operands(x: &Features, h: &[i16]) -> [i32; OPERANDS_MAX] {
    let mut u = [0; OPERANDS_MAX];
    for (u, x) in u.iter_mut().zip(x.values()) {
        *u = i32::from(*x);
    }
    for (u, h) in u[FEATURE_COUNT..].iter_mut().zip(h) {
        *u = rounded(i32::from(*h), 7).clamp(-127, 127);
    }
    u
}

/// z of one row of a head.
fn pre_activation(row: Row<'_>, u: &[i32]) -> i32 {
    let products = row.weights.iter().zip(u).map(|(w, u)| i32::from(*w) * u);
    let accumulator = row.bias + products.sum::<i32>();
    i32::from(clamped16(rounded(accumulator * i32::from(row.multiplier), row.shift)))
}

/// The logits that `member` reads from its state `h` after a step.
pub(super) fn logits(member: &Member, h: &[i16]) -> Logits {
    let mut logits = [0; LOGITS];
    for (logit, row) in logits.iter_mut().zip(member.readout.iter()) {
        let products = row.weights.iter().zip(h).map(|(w, h)| i32::from(*w) * i32::from(*h));
        let accumulator = row.bias + products.sum::<i32>();
        let scaled = rounded(accumulator, 7) * i32::from(row.multiplier);
        *logit = clamped16(rounded(scaled, row.shift));
    }
    Logits(logits)
}
