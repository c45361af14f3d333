//! Who is learnt from, and who is measured on. Time is cut at 70 and 85 % of all requests, and a
//! fifth of the tenants is learnt from at no time. A label counts only where it was known before
//! the cut: otherwise the past would be told by the future.

use crate::draw::Draw;

/// What a request is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Weights are learnt from it.
    Train,
    /// Confidence and veto levels are fitted to it.
    Calibrate,
    /// Measured on: later than all of the above, any tenant that is not held out.
    Later,
    /// Measured on: tenants that nothing was learnt from, as late.
    Unseen,
    /// For nothing.
    Unused,
}

/// The cuts of one source.
#[derive(Clone, Debug)]
pub struct Split {
    /// Nothing is learnt from here on.
    pub learnt_until_ms: i64,
    /// Nothing is fitted from here on.
    pub fitted_until_ms: i64,
    /// By tenant.
    pub is_held_out: Vec<bool>,
    /// What all of it is used for, when it is not cut.
    pub whole: Option<Part>,
}

impl Split {
    /// The split of a source with requests at `times` (in order) of `tenants` tenants.
    #[must_use]
    pub fn new(times: &[i64], tenants: usize, draw: &mut Draw) -> Self {
        let at = |percent| times.get(times.len() * percent / 100).copied().unwrap_or(0);
        let mut order: Vec<_> = (0..tenants).collect();
        draw.shuffle(&mut order);
        let mut is_held_out = vec![false; tenants];
        order.iter().take(tenants.div_ceil(5)).for_each(|tenant| is_held_out[*tenant] = true);
        Self { learnt_until_ms: at(70), fitted_until_ms: at(85), is_held_out, whole: None }
    }

    /// A source of `tenants` tenants that is used for `part` as a whole.
    #[must_use]
    pub fn whole(part: Part, tenants: usize) -> Self {
        Self {
            learnt_until_ms: i64::MAX,
            fitted_until_ms: i64::MAX,
            is_held_out: vec![false; tenants],
            whole: Some(part),
        }
    }

    /// What a request of `tenant` at `at_ms` is used for whose label is known at `known_ms`.
    #[must_use]
    pub fn part(&self, tenant: usize, at_ms: i64, known_ms: i64) -> Part {
        let Self { learnt_until_ms, fitted_until_ms, .. } = *self;
        if let Some(part) = self.whole {
            return part;
        }
        match (self.is_held_out[tenant], at_ms) {
            // Leans are chosen by replays of the time before the second cut: these ask there, too.
            (true, at) if at < fitted_until_ms => Part::Unused,
            (true, _) => Part::Unseen,
            (false, at) if at < learnt_until_ms => {
                if known_ms < learnt_until_ms {
                    Part::Train
                } else {
                    Part::Unused
                }
            }
            (false, at) if at < fitted_until_ms => {
                if known_ms < fitted_until_ms {
                    Part::Calibrate
                } else {
                    Part::Unused
                }
            }
            (false, _) => Part::Later,
        }
    }
}
