//! What a state and a service are said to hold: reports as data, and the program that prints them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../system_common/mod.rs"]
mod system_common;

mod commands;
mod council;
mod explained;
mod reports;
mod service;
mod tale;
