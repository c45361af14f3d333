//! The pure core of conclave: no I/O, no clock, no randomness, no floats, no hash order.
//!
//! Four calls are all there is: [`round::open_round`] says what has to be voted on,
//! [`seat::Seat::vote`] answers, [`decide::decide`] answers every command of the round, and
//! [`evolve::evolve`] folds a decision into the [`state::State`]. None of them has any other input.
//!
//! Reading order: [`command`] → [`decision`] → [`round`] → [`decide`] → [`queue`] → [`evolve`].
#![forbid(unsafe_code)]
#![deny(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::wildcard_enum_match_arm,
    missing_docs
)]

mod backfill;
pub mod blocker;
pub mod budget;
pub mod command;
pub mod council;
pub mod decide;
pub mod decision;
mod draft;
pub mod evolve;
pub mod explain;
pub mod fairness;
mod in_order;
pub mod input;
pub mod invariants;
pub mod limits;
mod no_place;
pub mod overtaking;
pub mod partition;
pub mod placement;
mod preemption;
mod prices;
pub mod queue;
pub mod quota;
pub mod rejection;
mod reservation;
pub mod round;
pub mod seat;
pub mod state;
pub mod text;
mod timers;
pub mod units;
