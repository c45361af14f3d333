//! The offline trainer of councils: traces and a simulator, run through the core, become sequences
//! of integer features; small liquid networks learn from them in floats, then in the integers that
//! they will vote with; what comes out is one file and a model card made of its numbers.
//!
//! Reading order: [`job`] → [`trace`], [`simulate`] → [`world`] → [`member`] → [`split`] →
//! [`dataset`] → [`network`] → [`quantise`] → [`calibrate`] → [`panel`] → [`trial`] → [`worth`] →
//! [`lean`] → [`choice`] → [`report`] → [`judge`] → [`windows`] → [`card`] → [`run`].
//! Floats are allowed here, a clock and the order of hashes are not: the same seed gives the same
//! file.

pub mod ablate;
pub mod answer;
pub mod baseline;
pub mod calibrate;
pub mod card;
pub mod choice;
pub mod dataset;
pub mod draw;
pub mod error;
pub mod export;
pub mod job;
pub mod judge;
pub mod lean;
pub mod measure;
pub mod member;
pub mod network;
pub mod number;
pub mod panel;
pub mod quantise;
pub mod report;
pub mod run;
pub mod simulate;
mod since;
pub mod split;
pub mod trace;
pub mod trial;
pub mod windows;
pub mod world;
pub mod worth;

pub use error::{Error, Result};
