//! The service around [`conclave_core`].
#![forbid(unsafe_code)]

pub mod archive;
pub mod cli;
pub mod client;
pub mod config;
pub mod council;
pub mod demo;
pub mod engine;
pub mod error;
pub mod estimate;
pub mod explain;
pub mod fold;
pub mod http;
pub mod import;
pub mod log;
pub mod place;
pub mod registry;
pub mod report;
pub mod resilience;
pub mod service;
pub mod shadow;
pub mod snapshot;
pub mod telemetry;
pub mod timeline;
pub mod trace;
pub mod validate;
pub mod verify;
pub mod wire;

/// Deciding makes and drops many small values. Measured: `docs/decisions/0002-state-machine.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
