//! Partitions that are decided elsewhere, and what HTTP makes of several of them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod elsewhere;
mod over_http;
mod waiting;
#[allow(dead_code, reason = "the tests of HTTP itself use the rest")]
#[path = "../http/wire.rs"]
mod wire;
