//! What stands before a dependency: each transition by a row, the laws by chance, and the driver
//! with a clock that the test moves.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod breaker;
mod driver;
mod laws;
mod parts;
