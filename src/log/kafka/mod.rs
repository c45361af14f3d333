//! The log on Kafka: one partition of the topics for commands, decisions and dead letters.

mod extra;
pub mod security;
pub mod settings;
pub mod topics;
