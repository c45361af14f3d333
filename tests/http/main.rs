//! The API through real HTTP: a service as people start it, and clients that behave or do not.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod api;
mod awaiting;
mod commands;
#[path = "../system_common/council.rs"]
mod council;
mod decisions;
mod flood;
mod hostile;
mod life;
mod members;
mod pulse;
mod served;
mod tokens;
mod votes;
mod wire;
