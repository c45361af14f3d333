//! The registry: what its answers, its silence and its errors become, with a stand-in that fails on
//! demand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../registry_common/mod.rs"]
mod registry_common;
#[path = "../system_common/mod.rs"]
mod system_common;

mod cli;
mod engine;
mod own;
mod settings;
mod shared;
mod source;
mod stock_client;
mod tls;
