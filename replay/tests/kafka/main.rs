//! The same answers from topics as from a directory, and what only topics have: transactions,
//! several partitions, records of somebody else, records that are deleted.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../../../tests/live/broker.rs"]
mod broker;
#[path = "../common/mod.rs"]
mod common;
mod damage;
mod partitions;
mod same;
mod topics;
mod transactions;
