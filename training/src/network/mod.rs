//! One member as a network in floats, section 6 of `docs/council-spec.md` without its roundings:
//! weights, the pass that gradients come from, the optimiser, and the loop around them.

pub mod adam;
pub mod exact;
pub mod tape;
pub mod train;
pub mod weights;
