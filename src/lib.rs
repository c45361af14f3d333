//! The service around [`conclave_core`].
#![forbid(unsafe_code)]

pub mod error;
pub mod log;
pub mod place;
pub mod trace;
pub mod wire;
