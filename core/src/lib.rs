//! The pure core of conclave: no I/O, no clock, no randomness, no floats, no hash order.
//!
//! Reading order: [`command`] (what may be asked), [`decision`] (how it is answered), [`limits`],
//! [`rejection`].
#![forbid(unsafe_code)]

pub mod command;
pub mod decision;
pub mod input;
pub mod limits;
pub mod placement;
pub mod rejection;
pub mod units;
