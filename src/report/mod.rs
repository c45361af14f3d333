//! How decisions and states read: as JSON with documented fields, and in sentences for people.
//! Everything here is a pure function of what the log holds.

pub mod awaiting;
mod blockers;
pub mod budgets;
pub mod council;
pub mod decision;
pub mod event;
pub mod fairness;
pub mod filter;
pub mod members;
pub mod nodes;
pub mod pools;
pub mod queue;
pub mod quotas;
pub mod requests;
pub mod reservations;
mod reserved;
pub mod sentence;
mod sharing;
pub mod show;
pub mod status;
pub mod table;
mod tree;
pub mod viewer;
