//! What the service says about itself: names, logs, counters and latencies.
//!
//! Reading order: [`names`] (one table of every name) → [`correlation`] (the envelope of a record)
//! → [`events`] (a log line and its counters, together) → [`counters`] → [`latency`] → [`logs`].
//!
//! Nothing here may change a decision: telemetry reads decisions and is read by people.

pub mod correlation;
pub mod counters;
pub mod events;
pub mod latency;
pub mod logs;
mod members;
pub mod names;
mod trace;

pub use correlation::Correlation;
pub use counters::Counters;
pub use latency::{Latencies, Step};
pub use logs::LogFormat;
pub use trace::TraceParent;
